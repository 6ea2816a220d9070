"""What kinds of people have in common and what not: cells over seeds with their intervals, and differences in pairs.

Shapes: S seeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from experiments.compared_cells import Part, with_recovery
from experiments.distances import distances
from experiments.joint_test import Joint, holm, joint_test, paired_p
from experiments.signatures import Cell
from experiments.statistics import Floats, mean_interval

COMPARED = ("answer", "elasticity", "trait", "welfare", "part", "inequality", "recovery", "signature")
"""The tables in which kinds are compared cell by cell; the others hold curves."""
LEVEL = 0.05
NOTHING = 1e-6  # a difference that is but rounding
FEW = 5  # seeds; of fewer nothing is said, since no resampling leaves their range
Key = tuple[str, str]
"""(table, row)"""


@dataclass(frozen=True)
class Mean:
    """Over seeds."""

    value: float
    ends: tuple[float, float] | None  # of its 95% interval; None = of few seeds


@dataclass(frozen=True)
class Known:
    """A cell over seeds, or why there is none."""

    mean: Mean | None
    seeds: int
    why_not: str = ""


@dataclass(frozen=True)
class Difference:
    """First kind less second, in the same seeds."""

    mean: Mean
    p: float  # Student's, of this cell alone; 1 of one seed
    adjusted: float  # Holm's, of all cells of the pair

    @property
    def told_apart(self) -> bool:
        """Beyond chance, whatever else of the pair was looked at?"""
        return self.adjusted < LEVEL


@dataclass(frozen=True)
class Pair:
    """Two kinds of people."""

    first: str
    second: str
    differences: Mapping[Key, Difference]  # where both have a number in every seed
    distances: Mapping[str, Known]

    def of(self, table: str) -> dict[str, Difference]:
        """By row."""
        return {row: found for (own, row), found in self.differences.items() if own == table}


@dataclass(frozen=True)
class Tables:
    """All that was found out about some kinds of people."""

    kinds: tuple[str, ...]
    seeds: int
    cells: Mapping[str, Mapping[Key, Known]]  # by kind
    pairs: tuple[Pair, ...]
    chance: Pair | None  # scripted people beside themselves with fresh draws

    def rows(self, table: str) -> list[str]:
        """In the order in which they were measured."""
        return list(dict.fromkeys(row for kind in self.kinds for (own, row) in self.cells[kind] if own == table))

    def cell(self, kind: str, table: str, row: str) -> Known:
        """One cell."""
        return self.cells[kind].get((table, row), Known(None, 0, "not measured"))

    def pair(self, first: str, second: str) -> Pair:
        """In the order of the columns."""
        return next(pair for pair in self.pairs if {pair.first, pair.second} == {first, second})


def tables_of(
    kinds: Sequence[str], parts: Mapping[str, Sequence[Part]], amounts: Floats, again: str | None = None
) -> Tables:
    """From the parts of every kind, one of each seed. amounts: [K] of the choices. again: the kind that is scripted
    people once more.
    """
    parts = {kind: with_recovery(own) for kind, own in parts.items()}
    pairs = tuple(pair_of(a, b, parts[a], parts[b], amounts) for a, b in combinations(kinds, 2))
    chance = pair_of("scripted", again, parts["scripted"], parts[again], amounts) if again else None
    cells = {kind: cells_of(parts[kind]) for kind in kinds}
    return Tables(tuple(kinds), len(parts[kinds[0]]), cells, pairs, chance)


def cells_of(parts: Sequence[Part]) -> dict[Key, Known]:
    """Every cell over seeds."""
    return {key: known([_cell(part, key) for part in parts]) for key in _keys(parts)}


def _keys(parts: Sequence[Part]) -> list[Key]:
    every = ((table, row) for part in parts for table, rows in part.cells.items() for row in rows)
    return list(dict.fromkeys(every))


def _cell(part: Part, key: Key) -> Cell:
    return part.cells.get(key[0], {}).get(key[1], "not measured")


def mean_of(values: Floats) -> Mean:
    """Of one value of each seed."""
    if len(values) < FEW:
        return Mean(float(values.mean()), None)
    found = mean_interval(values)
    return Mean(found.value, (found.low, found.high))


def known(values: Sequence[Cell]) -> Known:
    """Their mean; none where a seed has no number."""
    missing = [value for value in values if isinstance(value, str)]
    if missing:
        everywhere = len(missing) == len(values)
        told = missing[0] if everywhere else f"{missing[0]}, in {len(missing)} of {len(values)} seeds"
        return Known(None, len(values) - len(missing), told)
    return Known(mean_of(np.array(values, np.float64)), len(values))


def pair_of(first: str, second: str, ours: Sequence[Part], theirs: Sequence[Part], amounts: Floats) -> Pair:
    """Paired by seed."""
    by_key = paired(ours, theirs)
    p = np.array([paired_p(x) if len(x) > 1 and np.abs(x).max() > NOTHING else 1.0 for x in by_key.values()])
    adjusted = holm(p)
    differences = {
        key: Difference(mean_of(values), float(p[i]), float(adjusted[i]))
        for i, (key, values) in enumerate(by_key.items())
    }
    apart = [distances(a, b, amounts) for a, b in zip(ours, theirs, strict=True)]
    return Pair(first, second, differences, {name: known([own[name] for own in apart]) for name in apart[0]})


def paired(ours: Sequence[Part], theirs: Sequence[Part]) -> dict[Key, Floats]:
    """[S] differences of every compared cell that has a number on both sides in every seed."""
    return dict(_differences(ours, theirs))


def _differences(ours: Sequence[Part], theirs: Sequence[Part]) -> Iterator[tuple[Key, Floats]]:
    for key in _keys(ours):
        if key[0] not in COMPARED:
            continue
        values = [(_cell(a, key), _cell(b, key)) for a, b in zip(ours, theirs, strict=True)]
        numbers = [(x, y) for x, y in values if not isinstance(x, str) and not isinstance(y, str)]
        if len(numbers) == len(values):
            yield key, np.array([x - y for x, y in numbers])


@dataclass(frozen=True)
class Verdict:
    """Of one test of all cells together."""

    test: Joint
    cells: int
    largest: Key


def all_together(ours: Sequence[Part], theirs: Sequence[Part]) -> Verdict:
    """Do two kinds differ in any cell at all? ValueError where no cell differs in any seed.

    How well traits are read is left out: a seed's figure hangs on the others, and the test takes seeds for independent.
    """
    every = paired(ours, theirs)
    by_key = {key: x for key, x in every.items() if key[0] != "recovery" and np.abs(x).max() > NOTHING}
    keys = list(by_key)
    test = joint_test(np.stack([by_key[key] for key in keys], 1)) if keys else joint_test(np.zeros((0, 0)))
    return Verdict(test, len(keys), keys[test.quantity])
