"""Tables of text: the rows of a CSV file with their lines. Whatever is wrong with one is told with its line."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES, MAX_ROWS = 50_000_000, 100_000
SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Fault:
    """What is wrong in a table. `line` counts from 1; None where no line is to blame."""

    line: int | None
    field: str
    message: str


class FaultyTableError(ValueError):
    """A table that cannot be used; `faults` has all that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


@dataclass(frozen=True)
class TextTable:
    names: tuple[str, ...]  # of the columns, as the first line has them
    line: int  # of the names
    rows: tuple[tuple[int, tuple[str, ...]], ...]  # (line, cells), as many cells as names, without white space around


def read_table(path: Path) -> TextTable:
    """A CSV file: a line of names, then a line per row. Lines before the names that begin with '#' are comments.

    The separator is whichever of comma, semicolon and tab the names are parted by. FaultyTableError with every fault.
    """
    lines = _lines(path)
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), None)
    if first is None:
        raise FaultyTableError([Fault(1, "", "the table is empty; its first line should name the columns")])
    separator = max(SEPARATORS, key=lines[first].count)
    found = list(_parsed(lines[first:], first, separator))
    (line, names), rows = found[0], found[1:]
    faults = [*_faults_of_names(line, names), *_ragged(names, rows)]
    if not rows:
        faults.append(Fault(line, "", "the table has no rows below its names"))
    if len(rows) > MAX_ROWS:
        faults.append(Fault(line, "", f"the table has {len(rows):,} rows; at most {MAX_ROWS:,} are read"))
    if faults:
        raise FaultyTableError(faults)
    return TextTable(names, line, tuple(rows))


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FaultyTableError([Fault(None, "", f"the file is larger than {MAX_BYTES:,} bytes")])
        content = path.read_bytes()
        return io.StringIO(content.decode("utf-8-sig"), newline="").readlines()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise FaultyTableError([Fault(line, "", "not UTF-8 text; save the file as UTF-8")]) from None
    except OSError as error:
        raise FaultyTableError([Fault(None, "", f"cannot be read: {error.strerror}")]) from None


def _parsed(lines: list[str], before: int, separator: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, cells) of everything that is not blank; a quoted cell may go over several lines."""
    reader, line = csv.reader(lines, delimiter=separator, strict=True), before + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, tuple(cell.strip() for cell in cells)
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise FaultyTableError([Fault(line, "", f"not a row of a table: {error}; is a quote left open?")]) from None


def _faults_of_names(line: int, names: tuple[str, ...]) -> Iterator[Fault]:
    for i, name in enumerate(names):
        if not name:
            yield Fault(line, "", f"column {i + 1} has no name; give every column one")
        elif name in names[:i]:
            yield Fault(line, name, "two columns have this name; every column needs its own")


def _ragged(names: tuple[str, ...], rows: list[tuple[int, tuple[str, ...]]]) -> Iterator[Fault]:
    for line, cells in rows:
        if len(cells) != len(names):
            message = f"{len(cells)} cells, but {len(names)} columns have names; quote a cell that holds the separator"
            yield Fault(line, "", message)
