"""Checks people of other files all together, so that all of them are taken over or none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from personas.exports import record_of
from personas.fields import Field, id_of, place, stands
from personas.load import PersonaFileError, Problem, persona_of
from personas.people import Persona
from personas.rosters import lacking
from personas.rows import Row


def people_of(
    rows: Iterable[Row],
    defaults: Mapping[Field, object],
    attributes: Sequence[str] = (),
    traits: Sequence[str] = (),
) -> list[Persona]:
    """The people of these rows, in order. `defaults`: what is written where a row says nothing. `attributes`, `traits`:
    what a society needs of everyone. Whoever has no id gets one made of the name.

    PersonaFileError with every fault of every row.
    """
    people, problems = list[Persona](), list[Problem]()
    first: dict[str, Row] = {}
    for row in rows:
        try:
            person = _person(row, defaults)
        except PersonaFileError as error:
            problems += error.problems
            continue
        people.append(person)
        if person.id in first:
            problems.append(_twice(row, first[person.id], person))
        first.setdefault(person.id, row)
        problems += [_missing(row, what) for what in lacking(person, attributes, traits)]
    if problems:
        raise PersonaFileError(problems)
    return people


def changed(file: Path, person: Persona, sets: Mapping[Field, object]) -> Persona:
    """The person with values set, as `file` is to tell them. An author's own words for a trait that is set anew no
    longer hold, unless they are set too. PersonaFileError.
    """
    stale = {field[1] for field in sets if field[0] == "traits"}
    kept = {name: words for name, words in person.words.items() if name not in stale}
    row = Row(file, None, record_of(replace(person, words=kept)))
    for field, value in sets.items():
        place(row.data, field, value)
    return persona_of(file, row)


def _person(row: Row, defaults: Mapping[Field, object]) -> Persona:
    for field, value in defaults.items():
        if not stands(row.data, field):
            place(row.data, field, value)
    name = row.data.get("name")
    if "id" not in row.data and isinstance(name, str):
        try:
            row.data["id"] = id_of(name)
        except ValueError as error:
            told = row.names.get(("name",), "name")
            raise PersonaFileError([Problem(row.file, row.line, told, str(error))]) from None
    return persona_of(row.file, row)


def _twice(row: Row, other: Row, person: Persona) -> Problem:
    before = f"line {other.line}" if other.line else other.file.name
    message = f"{person.id!r} is already the id of {before}; every person needs an id of their own"
    return Problem(row.file, row.line, row.names.get(("id",), "id"), message)


def _missing(row: Row, what: str) -> Problem:
    return Problem(row.file, row.line, "", f"the society needs {what}; add it, or give it to all with --default")
