"""The transfer matrix: what rules lose that were learned on one kind of people and are tried on another.

Regret is the welfare of rules that were learned on the people themselves, less that of the others, on the same
held-out communities. Shapes: S seeds, C held-out communities.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from experiments.claims import Json
from experiments.compared_kinds import label_of
from experiments.compared_words import signed
from experiments.statistics import Floats, Interval, crossed_interval
from experiments.town_table import paired, plain
from experiments.transferred import AS_IT_IS, BLIND, adapted_with, from_nothing, itself, learned_on

FEW = 5  # seeds, below which no resampling leaves their range


@dataclass(frozen=True)
class Matrix:
    """Of one society. Levels are welfare, mean over the counted steps."""

    society: str
    kinds: tuple[str, ...]
    adapt: tuple[int, ...]
    levels: Callable[[str, str], Floats]  # (part, which of its rules) -> [S, C]

    def own(self, kind: str, how: str = "welfare") -> Floats:
        """[S, C] by rules that were learned on people of that kind."""
        return self.levels(itself(kind), how)

    def welfare(self, kind: str) -> Interval:
        """That rules of their own bring people of that kind."""
        return crossed_interval(self.own(kind))

    def regret(self, learned: str, tried: str, how: str) -> Interval:
        """Of rules learned on one kind of people and tried on another."""
        return paired(self.own(tried), self.levels(learned_on(learned), f"{tried}, {how}"))

    def ways(self, learned: str, tried: str) -> tuple[str, ...]:
        """How rules go from one kind of people to another."""
        return (AS_IT_IS, BLIND, *(map(adapted_with, self.adapt) if learned != tried else ()))

    @cached_property
    def cells(self) -> dict[tuple[str, str], dict[str, Interval]]:
        """Regret by pair of kinds, (learned on, tried on), and by way."""
        return {
            (learned, tried): {how: self.regret(learned, tried, how) for how in self.ways(learned, tried)}
            for learned in self.kinds
            for tried in self.kinds
        }

    def plain(self) -> dict[str, Json]:
        """For JSON: intervals as [value, low, high]."""
        return {
            "own": {kind: plain(self.welfare(kind)) for kind in self.kinds},
            "regret": {f"{a} to {b}": _plain(row) for (a, b), row in self.cells.items()},
            "regret_from_nothing": {kind: _plain(self.few(kind)) for kind in self.kinds},
            "findings": list(self.findings()),
        }

    def few(self, kind: str) -> dict[str, Interval]:
        """Regret of rules that were learned from as few episodes with the people themselves, by their number."""
        return {str(n): paired(self.own(kind), self.own(kind, from_nothing(n))) for n in self.adapt}

    def findings(self) -> tuple[str, ...]:
        """The matrix in words, from its intervals alone. Of few seeds nothing is said."""
        if len(self.own(self.kinds[0])) < FEW:
            return ()
        return tuple(self._said(a, b, row) for (a, b), row in self.cells.items() if a != b)

    def _said(self, learned: str, tried: str, row: Mapping[str, Interval]) -> str:
        told = "; ".join(f"{how}, {_lost(regret)}" for how, regret in row.items())
        return f"{self.society}: rules learned on {label_of(learned)}, tried on {label_of(tried)}: {told}"


def _plain(row: Mapping[str, Interval]) -> Json:
    return {name: plain(interval) for name, interval in row.items()}


def _lost(regret: Interval) -> str:
    found = "they lose" if regret.low > 0 else "they gain" if regret.high < 0 else "no difference is found"
    return f"{found}, regret {cell(regret)}"


def cell(regret: Interval) -> str:
    """With its interval, in a table or a sentence."""
    return f"{signed(regret.value)} ({signed(regret.low)} to {signed(regret.high)})"
