"""What a population's table of counts or shares holds, as its draws need it (`personas.read_census` reads one)."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One variable in R rows: a number from low to high in each, or a word (then both are its place in `words`)."""

    low: tuple[float, ...]  # [R] in the variable's own unit
    high: tuple[float, ...]  # [R]
    whole: bool = False  # are only whole numbers drawn, both ends included?
    words: tuple[str, ...] = ()

    def told(self, row: int) -> str:
        """What stands in a row."""
        low, high = self.low[row], self.high[row]
        return self.words[int(low)] if self.words else f"{low:.6g}" if low == high else f"{low:.6g}-{high:.6g}"


@dataclass(frozen=True)
class Census:
    """The rows of a table, of which every person is drawn from one."""

    shares: tuple[float, ...]  # [R] of all people, sum to 1
    columns: Mapping[str, Column]  # by the name of the attribute or trait

    def told(self, row: int) -> str:
        """A row in words, for people to compare."""
        facts = [f"{name} {column.told(row)}" for name, column in self.columns.items()]
        return f"{self.shares[row]:.6g} of all: {', '.join(facts)}"
