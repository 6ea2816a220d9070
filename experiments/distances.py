"""How far apart two kinds of people are, as laws of what they do. Shapes: M rules, K choices, P people."""

from collections.abc import Callable

import numpy as np
from scipy.stats import energy_distance, kendalltau, wasserstein_distance

from experiments.compared_cells import Part
from experiments.signatures import Cell
from experiments.statistics import Floats


def distances(a: Part, b: Part, amounts: Floats) -> dict[str, Cell]:
    """All of them, in the same seed.

    choices: between how often each choice is meant, mean over the rules. Where choices are amounts [K], Wasserstein's
    distance is in their unit, and the energy distance is sqrt(2 E|X - Y| - E|X - X'| - E|Y - Y'|) (Szekely & Rizzo
    2013), X, X' drawn by one law and Y, Y' by the other. Where choices are names, any two of them are 1 apart:
    then they are half of sum |p - q|, and sqrt(sum (p - q)^2). people: between everyone's mean answers. rank agreement:
    Kendall's tau-b of the rules in the order of their welfare.
    """
    pairs = list(zip(a.chosen, b.chosen, strict=True))
    found: dict[str, Cell] = {
        "choices, Wasserstein": float(np.mean([wasserstein(p, q, amounts) for p, q in pairs])),
        "choices, energy": float(np.mean([energy(p, q, amounts) for p, q in pairs])),
        "people, Wasserstein": _of_people(wasserstein_distance, a, b),
        "people, energy": _of_people(energy_distance, a, b),
        "rank agreement": rank_agreement(a, b),
    }
    return found


def wasserstein(p: Floats, q: Floats, amounts: Floats) -> float:
    """Between two laws [K] over choices."""
    if _are_names(amounts):
        return float(np.abs(p - q).sum() / 2)
    return float(wasserstein_distance(amounts, amounts, p, q))


def energy(p: Floats, q: Floats, amounts: Floats) -> float:
    """Between two laws [K] over choices."""
    if _are_names(amounts):
        return float(np.sqrt(np.square(p - q).sum()))
    return float(energy_distance(amounts, amounts, p, q))


def rank_agreement(a: Part, b: Part) -> Cell:
    """1 = the rules stand in the same order, -1 = in the opposite one."""
    names = list(a.cells["welfare"])
    levels = [[part.cells["welfare"][name] for name in names] for part in (a, b)]
    tau = float(np.asarray(kendalltau(*levels))[0])
    return tau if np.isfinite(tau) else "the rules do equally well"


def _are_names(amounts: Floats) -> bool:
    return len(np.unique(amounts)) < len(amounts)


def _of_people(distance: Callable[[Floats, Floats], float], a: Part, b: Part) -> Cell:
    ours, theirs = (part.people[np.isfinite(part.people)] for part in (a, b))
    return float(distance(ours, theirs)) if len(ours) and len(theirs) else "nobody gave an answer"
