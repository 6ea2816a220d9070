"""Reads a population's table of counts or shares. FaultyTableError names line, column and what would be right."""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import fsum, isfinite
from pathlib import Path

from personas.census import Census, Column
from personas.checks import FAR, NUMBERS
from personas.csv_rows import Fault, FaultyTableError, TextTable, read_table
from personas.schema import MAX_LINE, FromTable, Table, TraitFromTable
from personas.spelling import suggest
from personas.traits import HOURS_LOW, HOURS_SPAN
from personas.words import clean

MOST_OFF = 0.02  # shares may be published in so few decimals that they miss 1 by this much
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_BAND = re.compile(rf"({_NUMBER})(?:\s*(?:-|–|to)\s*({_NUMBER}))?")
_OPEN = re.compile(rf"{_NUMBER}\s*\+|(?:under|over|below|above|<|>)\s*=?\s*{_NUMBER}|{_NUMBER}\s*(?:and|or) \w+", re.I)

Laws = Mapping[str, FromTable | TraitFromTable]
Cells = list[tuple[int, str]]  # (line, cell) of every row


def read_census(path: Path, table: Table, laws: Laws) -> Census:
    """The table at `path`, and of its columns those that the laws of attributes and traits (by name) read."""
    text = read_table(path)
    weight = table.counts or table.shares or ""
    wanted = {weight: weight} | {name: law.column or name for name, law in laws.items()}
    faults = [*_lacking(text, wanted.values())]
    if faults:
        raise FaultyTableError(faults)
    shares = _weights(_cells(text, weight), weight, bool(table.shares), faults)
    columns = {name: _column(name, law, _cells(text, law.column or name), faults) for name, law in laws.items()}
    if faults:
        raise FaultyTableError(sorted(faults, key=lambda fault: fault.line or 0))
    return Census(shares, columns)


def _lacking(text: TextTable, wanted: Iterable[str]) -> Iterator[Fault]:
    for column in dict.fromkeys(wanted):
        if column not in text.names:
            known = ", ".join(text.names)
            yield Fault(text.line, column, f"there is no such column{suggest(column, text.names)}; there are: {known}")


def _cells(text: TextTable, column: str) -> Cells:
    place = text.names.index(column)
    return [(line, cells[place]) for line, cells in text.rows]


def _weights(cells: Cells, column: str, shares: bool, faults: list[Fault]) -> tuple[float, ...]:
    """Shares of all people that sum to 1."""
    found = [_weight(line, column, cell, faults) for line, cell in cells]
    total, decimals = fsum(found), max(len(cell.partition(".")[2]) for _, cell in cells)
    if faults:
        return ()
    if total <= 0:
        faults.append(Fault(None, column, "nobody is in this table: every row has 0; at least one should have more"))
    rounding = min(MOST_OFF, 0.5 * len(cells) * 10.0**-decimals) + 1e-9
    if shares and abs(total - 1) > rounding:
        hint = "divide them by 100" if abs(total / 100 - 1) < MOST_OFF else "add the rows that are missing"
        faults.append(
            Fault(None, column, f"the shares sum to {total:.6g}, not to 1; {hint}, or name the column under counts")
        )
    return tuple(each / total for each in found) if total > 0 else ()


def _weight(line: int, column: str, cell: str, faults: list[Fault]) -> float:
    value = float(cell) if re.fullmatch(_NUMBER, cell) else None
    if value is None or not isfinite(value) or value < 0:
        faults.append(Fault(line, column, f"found {cell!r}; should be a number, 0 or more, written like 1234.5"))
        return 0.0
    return value


def _column(name: str, law: FromTable | TraitFromTable, cells: Cells, faults: list[Fault]) -> Column:
    column = law.column or name
    if isinstance(law, FromTable) and _holds_words(name, cells):
        return _words(column, cells, faults)
    trait = isinstance(law, TraitFromTable)
    whole = not trait and (name == "age" if law.whole is None else law.whole)
    within = _range(name, trait)
    bands = [_band(line, column, cell, whole, within, faults) for line, cell in cells]
    if trait and name == "preferred_hours":
        bands = [((low - HOURS_LOW) / HOURS_SPAN, (high - HOURS_LOW) / HOURS_SPAN) for low, high in bands]
    return Column(tuple(low for low, _ in bands), tuple(high for _, high in bands), whole)


def _words(column: str, cells: Cells, faults: list[Fault]) -> Column:
    words = tuple(dict.fromkeys(cell for _, cell in cells))
    for line, cell in cells:
        if not clean(cell) or len(cell) > MAX_LINE:
            faults.append(Fault(line, column, f"should be a text of 1 to {MAX_LINE} characters"))
    places = tuple(float(words.index(cell)) for _, cell in cells)
    return Column(places, places, words=words)


def _holds_words(name: str, cells: Cells) -> bool:
    if name == "occupation":
        return True
    return name not in NUMBERS and not any(_BAND.fullmatch(cell) for _, cell in cells)


def _range(name: str, trait: bool) -> tuple[float, float, bool]:
    """(lowest, highest, may the lowest itself be)."""
    if trait:
        return (HOURS_LOW, HOURS_LOW + HOURS_SPAN, True) if name == "preferred_hours" else (0.0, 1.0, True)
    low, high = NUMBERS.get(name, (-FAR, FAR))
    return low, high, False


def _band(
    line: int, column: str, cell: str, whole: bool, within: tuple[float, float, bool], faults: list[Fault]
) -> tuple[float, float]:
    found = _BAND.fullmatch(cell)
    problem = _open_band(cell) if found is None else None
    low, high = (0.0, 0.0) if found is None else (float(found[1]), float(found[2] or found[1]))
    if found is not None:
        problem = _impossible(low, high, whole, within)
    if problem:
        faults.append(Fault(line, column, f"found {cell!r}; {problem}"))
    return low, high


def _open_band(cell: str) -> str:
    if _OPEN.fullmatch(cell):
        return "a band needs both ends to be drawn from; decide on the other one, such as 65-79"
    return "should be a number or a band, such as 25-34, as in the other rows"


def _impossible(low: float, high: float, whole: bool, within: tuple[float, float, bool]) -> str | None:
    least, most, included = within
    if low > high:
        return "a band goes from its lower end to its upper one"
    if whole and not (low.is_integer() and high.is_integer()):
        return "should be whole numbers (or say whole: false in the population file)"
    if low < least or high > most or (low == least and not included):
        return f"should be {'from' if included else 'above'} {least:g} {'to' if included else 'and at most'} {most:g}"
    return None
