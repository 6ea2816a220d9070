"""Everything that a report shows, as plain arrays. The run fills it; the report only draws and words it.

Shapes: M brackets, Y counted years, P points of a curve, Z traits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.statistics import Interval
from world_model.doubts import Doubt

Floats = NDArray[np.float64]


class Uncounted(StrEnum):
    """Why a method has no number of real decisions."""

    TRUE_SOCIETY = "true society"
    BEFOREHAND = "not counted"


FOOTNOTES = {
    Uncounted.TRUE_SOCIETY: "found with the society's own formulas, which no real decisions can tell",
    Uncounted.BEFOREHAND: "learned beforehand, in real episodes with the RL people of the run while they learned",
}


@dataclass(frozen=True)
class Method:
    """One line of the headline table."""

    name: str  # "swm_ap", "us_federal", ...: fixes its colour
    label: str  # as people call it
    welfare: Interval  # mean over held-out communities
    gain: Interval  # over the reference, paired by community; of no width for the reference itself
    decisions: int | Uncounted  # real ones spent on learning it; 0 = learns nothing
    communities: int  # held-out communities that it was evaluated on
    quoted: str | None = None  # the results file that the line is quoted from; None = measured in this run

    @property
    def counted(self) -> int:
        """Its decisions, as far as they are counted."""
        return self.decisions if isinstance(self.decisions, int) else 0


def footnotes(methods: Sequence[Method]) -> dict[str, str]:
    """What the words mean that stand in place of some decisions."""
    return {term: text for term, text in FOOTNOTES.items() if any(m.decisions == term for m in methods)}


@dataclass(frozen=True)
class Curve:
    """Welfare against real decisions for one method."""

    name: str
    label: str
    decisions: Floats  # [P]
    mean: Floats  # [P]
    low: Floats  # [P]
    high: Floats  # [P]
    quoted: str | None = None
    people: str = ""  # whose welfare it is: levels of other people's do not compare


@dataclass(frozen=True)
class Schedule:
    """Rates in force under one method."""

    name: str
    label: str
    rates: Floats  # [M] mean over communities and counted years, in [0, 1]
    low: Floats  # [M] 10th percentile over communities and years
    high: Floats  # [M] 90th percentile
    by_year: Floats  # [Y, M] mean over communities


@dataclass(frozen=True)
class Response:
    """How people answer what they keep of the next dollar, binned."""

    label: str
    real: bool  # lived, or imagined
    kept: Floats  # [P] share of the next dollar that is kept, in [0, 1]
    hours: Floats  # [P] mean hours a week
    income: Floats  # [P] income before tax over income at full time, both summed over the people of the bin
    hours_low: Floats  # [P] 95% interval of the mean, over communities
    hours_high: Floats  # [P]


@dataclass(frozen=True)
class Places:
    """Where a method's facilities stand at the end of an episode."""

    name: str
    label: str
    share: Floats  # [rows, columns] of the held-out communities in which one stands in that cell


@dataclass(frozen=True)
class Outings:
    """How often people go to a place that is open, by how far it is."""

    label: str
    real: bool  # lived, or imagined
    blocks: Floats  # [D] from home
    share: Floats  # [D] in [0, 1]
    low: Floats  # [D] 95% interval of the mean, over communities
    high: Floats  # [D]


@dataclass(frozen=True)
class Path:
    """Welfare year by year, over communities."""

    label: str
    real: bool
    mean: Floats  # [Y]
    low: Floats  # [Y] 95% interval of the mean
    high: Floats  # [Y]


@dataclass(frozen=True)
class Gate:
    """One real check: what a policy gains over its own average rules, in dream and in life."""

    decisions: int  # real ones so far
    dreamt: float
    real: float


Measure = Literal["loss", "imagined welfare", "welfare", "mean payoff of a decision"]


@dataclass(frozen=True)
class Course:
    """How one part of the learning went."""

    label: str
    value: Measure
    steps: Floats  # [P]
    values: Floats  # [P]


@dataclass(frozen=True)
class Recovery:
    """How much of the declared traits the online belief knows."""

    traits: tuple[str, ...]  # Z
    r2: Floats  # [Z, Y] after each counted year, on communities that the read-out was not fitted on
    matters: tuple[bool, ...]  # [Z] does the best policy depend on it?


@dataclass(frozen=True)
class Asked:
    """One real decision with its words. Untrusted text."""

    who: str  # "training, community 3, year 5, person 12"
    system: str
    user: str
    reply: str
    decided: str  # the choice that was made
    status: str  # "read", "read after 2 calls", "fallback repeat_last: ..."
    trouble: bool  # did anything go wrong on the way?
    cached: bool


@dataclass(frozen=True)
class Account:
    """One line of the ledger: decisions by how they came about."""

    purpose: str
    real: int
    cached: int
    retried: int
    failed: int
    imagined: int
    calls: int
    lost: int  # calls in flight when a run was stopped
    tokens_in: int
    tokens_out: int
    seconds: float  # of this machine's time


@dataclass(frozen=True)
class Strange:
    """Somebody whose words the small model does not know."""

    who: str
    words: tuple[str, ...]
    in_biography: int


@dataclass(frozen=True)
class ReportData:
    """A finished run. Parts that a run does not have are empty."""

    title: str
    society: str
    objective: str
    population: str  # "language model `embedded`", "scripted people"
    stand_in: Literal["", "some", "all"]  # of the people, played by the small model that ships: say so
    reference: str  # label of the method that gains are counted from
    methods: tuple[Method, ...]
    curves: tuple[Curve, ...]
    brackets: Floats  # [M] lower edges in dollars a year; empty where there are no taxes
    schedules: tuple[Schedule, ...]
    responses: tuple[Response, ...]
    period: str  # what a counted step is called: year
    places: tuple[Places, ...]
    outings: tuple[Outings, ...]
    doubts: tuple[Doubt, ...]  # is the assumed form of people wrong?
    paths: tuple[Path, ...]
    gates: tuple[Gate, ...]
    courses: tuple[Course, ...]  # in the order of the learning
    recovery: Recovery | None
    asked: tuple[Asked, ...]
    ledger: tuple[Account, ...]
    strangers: tuple[Strange, ...]
    edited: tuple[str, ...]  # people whose biography is not the one that ships, where the small model decides
    own_words: tuple[str, ...]  # "id.trait" told in a person's own words, likewise
    notes: tuple[str, ...]  # what a reader must know: a fallback in force, a changed commit, ...
    config: str  # YAML
    made: Mapping[str, str]  # commit, versions, hardware, seeds, people's hash

    @property
    def ours(self) -> Method | None:
        """The method that the report is about: the first one that learned in this run."""
        return next((m for m in self.methods if m.counted and m.quoted is None), None)
