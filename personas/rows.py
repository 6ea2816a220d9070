"""People of a CSV or JSON lines file as plain data, each with its line, before anything of them is checked."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from personas.csv_rows import FaultyTableError, TextTable, read_table
from personas.fields import ATTRIBUTES, TEXTS, Field, field_of, place, value_of
from personas.load import PersonaFileError, Problem
from personas.traits import TRAITS
from personas.yaml_tree import HALF, Place

IGNORED = ""  # what a column is mapped to if nobody wants it


@dataclass(frozen=True)
class Row:
    """One person in the structure of a persona file, and where that stands."""

    file: Path
    line: int | None
    data: dict[str, Any]
    names: Mapping[Field, str] = field(default_factory=dict[Field, str])  # of columns; else fields are told as they are

    def line_of(self, place: Place) -> int | None:
        return self.line

    def name_of(self, place: Place) -> str:
        """The column, or the place as far as it is in the data."""
        found, node = list[str](), cast(object, self.data)
        for part in map(str, place):
            if isinstance(node, dict) and part in node:
                found.append(part)
                node = cast(dict[str, object], node)[part]
        return self.names.get(tuple(found)) or self.names.get((*found, "value")) or ".".join(found)


def csv_people(path: Path, columns: Mapping[str, str], ignored: tuple[str, ...] = ()) -> list[Row]:
    """The rows of a CSV file. An empty cell declares nothing.

    A column is named like a field (see `personas.fields`); `columns` says which field another one is, and `ignored`
    which are left out. PersonaFileError: columns that mean nothing, with what they may have meant.
    """
    try:
        table = read_table(path)
    except FaultyTableError as error:
        raise PersonaFileError([Problem(path, f.line, f.field, f.message) for f in error.faults]) from None
    fields = _fields(path, table, {**columns, **dict.fromkeys(ignored, IGNORED)})
    names = {at: name for at, name in zip(fields, table.names, strict=True) if at is not None}
    return [Row(path, line, _data(fields, cells), names) for line, cells in table.rows]


def _fields(path: Path, table: TextTable, columns: Mapping[str, str]) -> list[Field | None]:
    problems = [
        Problem(path, table.line, name, f"there is no such column; there are: {', '.join(table.names)}")
        for name in columns
        if name not in table.names
    ]
    found: dict[Field, str] = {}
    fields: list[Field | None] = []
    for name in table.names:
        meant = columns.get(name, name)
        try:
            at = None if meant == IGNORED else field_of(meant)
        except ValueError as error:
            problems.append(Problem(path, table.line, name, _unknown(name, meant, error)))
            continue
        if at is not None and at in found:
            problems.append(Problem(path, table.line, name, f"means the same as the column {found[at]!r}"))
        elif at is not None:
            found[at] = name
        fields.append(at)
    if problems:
        raise PersonaFileError(problems)
    return fields


def _unknown(name: str, meant: str, error: ValueError) -> str:
    near = get_close_matches(meant.lower(), [*TEXTS, *TRAITS, *ATTRIBUTES], n=1)
    example = near[0] if near else f"attributes.{meant.lower().replace(' ', '_')}"
    return f"{error}; say what it is, e.g. --map '{name}={example}', or leave it out with --ignore '{name}'"


def _data(fields: list[Field | None], cells: tuple[str, ...]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for at, cell in zip(fields, cells, strict=True):
        if at is not None and cell:
            place(data, at, value_of(at, cell))
    return data


def jsonl_people(path: Path) -> list[Row]:
    """The lines of a JSON lines file, each a person in the structure of a persona file. PersonaFileError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PersonaFileError([Problem(path, line, "", "not UTF-8 text; save the file as UTF-8")]) from None
    except OSError as error:
        raise PersonaFileError([Problem(path, None, "", f"cannot be read: {error.strerror}")]) from None
    rows, problems = list[Row](), list[Problem]()
    for i, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            found = json_object(line)
            if isinstance(found, str):
                problems.append(Problem(path, i, "", found))
            else:
                rows.append(Row(path, i, found))
    if rows and "solon_roster" in rows[0].data:
        problems = [
            Problem(path, 1, "", f"a frozen roster; solon personas export {path} --to people.jsonl, import that")
        ]
    if not rows and not problems:
        problems.append(Problem(path, 1, "", "nobody is in this file; it should have one person a line"))
    if problems:
        raise PersonaFileError(problems)
    return rows


def json_object(text: str) -> dict[str, Any] | str:
    """A JSON text that is an object; else what is wrong with it."""
    try:
        found: object = json.loads(text, object_pairs_hook=_once, parse_constant=_refused, parse_int=_int)
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        return f"not valid JSON: {error.msg.lower()} at column {error.colno}"
    except UnicodeEncodeError:
        return HALF
    except RecursionError:
        return "nested too deeply"
    except ValueError as error:
        return str(error)
    return cast(dict[str, Any], found) if isinstance(found, dict) else 'should be an object, such as {"id": ...}'


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen: dict[str, object] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r} stands twice; every key may stand once")
        seen[key] = value
    return seen


def _refused(constant: str) -> float:
    raise ValueError(f"found {constant}; only finite numbers are read")


def _int(digits: str) -> int:
    if len(digits) > 300 and abs(float(digits)) > sys.float_info.max:
        raise ValueError("a number is too large; at most 1.79e308 can be read")
    return int(digits)
