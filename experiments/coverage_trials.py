"""Many repetitions of asking a few people of a cell, by every method, beside the truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from experiments.answered import figures, of_everyone, plan_of
from experiments.coverage_cells import Cell
from experiments.prediction_powered import Estimate, Floats, drawn, even
from experiments.rival_estimates import adjusted, by_prototypes, of_wage, plain_average, prototypes, standard, typical
from learning.draws import child_seed, draws

OURS, ALONE = "prediction-powered", "world model alone"
PLAIN, WAGE, WAGE_HOURS = "plain average", "wage as covariate", "wage and last hours as covariates"
ARCHETYPES, PROTOTYPES = "one call per archetype", "prototypes with audited residuals"
RIVALS = (PLAIN, WAGE, WAGE_HOURS, ARCHETYPES, PROTOTYPES, ALONE)
COMPARED = ("hours", "income")


@dataclass(frozen=True)
class Score:
    """One method's estimates of one quantity over the repetitions."""

    covered: float | None  # share of the intervals that hold the truth; None = there are none
    width: float | None  # mean
    rmse: float
    bias: float
    repetitions: int


@dataclass
class _Tally:
    truth: float
    off: list[float] = field(default_factory=list[float])
    width: list[float] = field(default_factory=list[float])
    inside: list[bool] = field(default_factory=list[bool])

    def add(self, found: Estimate) -> None:
        low, high = found.interval()
        self.off.append(found.value - self.truth)
        self.width.append(high - low)
        self.inside.append(low <= self.truth <= high)

    def score(self, intervals: bool = True) -> Score:
        off = np.array(self.off)
        covered = float(np.mean(self.inside)) if intervals else None
        width = float(np.mean(self.width)) if intervals else None
        return Score(covered, width, float(np.sqrt((off**2).mean())), float(off.mean()), len(off))


Scores = dict[str, dict[str, Score]]
"""method -> quantity -> score"""


def truths(of: Cell) -> dict[str, float]:
    """What the estimates are compared with: the figures if everybody were asked."""
    return of_everyone(of.truth, of.of)


def ours(of: Cell, calls: int, repetitions: int, seed: int) -> dict[str, Score]:
    """Every figure, by quantity."""
    plan, true = plan_of(of.told, of.of, calls), truths(of)
    tallies = {name: _Tally(value) for name, value in true.items()}
    lots = draws(child_seed(seed, OURS), 0, repetitions).uniform("sample", calls, plan.people).numpy()  # [R, N]
    for each in lots:
        asked = drawn(plan, each)
        for figure in figures(of.truth[asked], asked, plan, of.told, of.of):
            tallies[figure.name].add(figure.estimate)
    return {name: tally.score() for name, tally in tallies.items()}


def averages(of: Cell, calls: int, repetitions: int, seed: int) -> Scores:
    """Methods that ask at random: the plain average and the adjusted ones."""
    plan, y = even(len(of.truth), calls), _compared(of)
    wage = of_wage(of.of.full)
    facts = {WAGE: wage, WAGE_HOURS: np.concatenate([wage, of.public[:, 1:2]], 1)}
    if of.public[:, 1].std() < 1e-9:
        del facts[WAGE_HOURS]  # newcomers all worked as long
    methods = (PLAIN, *facts)
    tallies = {m: {name: _Tally(float(value.mean())) for name, value in y.items()} for m in methods}
    lots = draws(child_seed(seed, PLAIN), 0, repetitions).uniform("sample", calls, plan.people).numpy()
    for each in lots:
        asked = drawn(plan, each)
        for name, value in y.items():
            tallies[PLAIN][name].add(plain_average(value[asked], asked, plan))
            for method, known in facts.items():
                tallies[method][name].add(adjusted(value[asked], known, asked, plan))
    return {m: {name: tally.score() for name, tally in found.items()} for m, found in tallies.items()}


def by_types(of: Cell, calls: int, repetitions: int, seed: int) -> Scores:
    """Methods that ask typical people; each repetition clusters anew. Whoever is like somebody works as long, and earns
    by the own wage.
    """
    public, y = standard(of.public), _compared(of)
    tallies = {m: {name: _Tally(float(y[name].mean())) for name in COMPARED} for m in (ARCHETYPES, PROTOTYPES)}
    each = {"hours": np.ones(len(public)), "income": of.of.full / 40}
    for i in range(repetitions):
        who, label = typical(public, calls, child_seed(seed, f"types {i}") % 2**32)
        plan = prototypes(public, calls, child_seed(seed, f"prototypes {i}") % 2**32)
        for name, worth in each.items():
            guess = float((y["hours"][who][label] * worth).mean())
            tallies[ARCHETYPES][name].add(Estimate(guess, 0.0, np.inf, 1.0))
            tallies[PROTOTYPES][name].add(by_prototypes(y["hours"][plan.asked], worth, plan))
    return {m: {n: t.score(m == PROTOTYPES) for n, t in found.items()} for m, found in tallies.items()}


def alone(of: Cell) -> Scores:
    """The world model's own figures, which no call corrects."""
    guess, true = of_everyone(of.told.chances, of.of), truths(of)
    off = {name: guess[name] - true[name] for name in COMPARED}
    return {ALONE: {name: Score(None, None, abs(o), o, 1) for name, o in off.items()}}


def _compared(of: Cell) -> Mapping[str, Floats]:
    """[N] what everybody would work and earn."""
    each = of.of.means
    return {name: (of.truth * each[name][1]).sum(1) for name in COMPARED}


def same_width(calls: int, people: int, width: float, theirs: float) -> float:
    """Our calls over those that an average at random needs for intervals of the same width, from the widths at as many
    calls: widths fall with sqrt(1/n - 1/N).
    """
    needed = 1 / (1 / people + (1 / calls - 1 / people) * (width / theirs) ** 2)
    return calls / needed
