"""The figures of a counterfactual: what is estimated from the answers of a few, and what is guaranteed of each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.counterfactual import Forecast, Worth
from experiments.inequality import equality_estimates
from experiments.prediction_powered import Design, Estimate, Floats, Ints, design, mean_estimate
from experiments.whom_to_ask import expected_error, together

EXACT, ASYMPTOTIC, NONE = "unbiased", "asymptotic", "none"
EQUALITY, WELFARE = "equality", "equality x productivity"


@dataclass(frozen=True)
class Figure:
    """One quantity of the population in the year."""

    name: str
    unit: str
    estimate: Estimate
    guarantee: str


def plan_of(told: Forecast, of: Worth, calls: int) -> Design:
    """Whom to ask with so many calls: where the forecasts of hours and of income are likely to be wrong. Income counts
    double, since tax, productivity and equality hang on it. ValueError: too few calls.
    """
    hours = expected_error(told.doubt, told.past)
    doubt = together([hours, hours * of.full], (1.0, 2.0))
    return design(doubt, calls, told.past[0].missed if told.past else None)


def figures(said: Floats, asked: Ints, plan: Design, told: Forecast, of: Worth) -> list[Figure]:
    """Everything that is estimated, from the chances that were said [n, K] by those asked [n]."""
    found = list[Figure]()
    for name, (unit, each) in of.means.items():
        y, f = np.einsum("nk,nk->n", said, each[asked]), np.einsum("nk,nk->n", told.chances, each)
        found.append(Figure(name, unit, mean_estimate(y, f, asked, plan), EXACT))
    equal, welfare = equality_estimates(said, told.chances, asked, plan, of.incomes)
    return [*found, Figure(EQUALITY, "", equal, ASYMPTOTIC), Figure(WELFARE, "", welfare, ASYMPTOTIC)]


def of_everyone(chances: Floats, of: Worth) -> dict[str, float]:
    """The same figures where the chances [N, K] of everyone are given: those that were forecast, or the truth."""
    whole = of.incomes.unequal(chances / len(chances))
    means = {name: float(np.vdot(chances, each)) / len(chances) for name, (_, each) in of.means.items()}
    return {**means, EQUALITY: whole.equality, WELFARE: whole.equality * whole.productivity}


def without(plan: Design, asked: Ints, usable: NDArray[np.bool_]) -> tuple[Design, Ints]:
    """Where some of those asked gave no usable answer, they count as if they had not been drawn, and strata of which
    fewer than two are left join their neighbour: the design, and the places [n'] of the others in `asked`, by stratum.

    ValueError where fewer than two people answered.
    """
    left = np.flatnonzero(usable)
    if len(left) < min(2, plan.people):
        raise ValueError(f"only {len(left)} of {len(asked)} people gave a usable answer: nothing can be estimated")
    if len(left) == len(asked):
        return plan, left
    stratum = _joined(plan, np.bincount(plan.stratum[asked[left]], minlength=len(plan.size)))[plan.stratum]
    own = stratum[asked[left]]
    size = np.bincount(stratum)
    order = np.argsort(own, kind="stable")
    return Design(stratum, size, np.bincount(own, minlength=len(size))), left[order]


def _joined(plan: Design, answered: Ints) -> Ints:
    """[H] the new stratum of each, from how many answered in each [H]."""
    place, new, people, held = np.empty_like(plan.size), 0, 0, 0
    for h, (size, count) in enumerate(zip(plan.size, answered, strict=True)):
        place[h], people, held = new, people + size, held + count
        if held >= 2 or held == people:
            new, people, held = new + 1, 0, 0
    if people:  # the last ones are too few by themselves
        place[place == new] = max(new - 1, 0)
    return place
