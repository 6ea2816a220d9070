"""People as JSON lines, one person a line in the structure of a persona file: what `personas.rows` reads back.

A frozen roster (`personas.frozen`) is JSON lines too, but of whole rosters in their order, with a hash, and not to be
edited; this is a list of different people, for other tools to read and write.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from personas.frozen import load_frozen
from personas.load import PersonaFileError, Problem, load_folder, load_persona
from personas.people import Persona


def people_at(path: Path) -> list[Persona]:
    """The different people of a folder, a persona file or a frozen roster, in their order. PersonaFileError."""
    if path.is_dir():
        return load_folder(path)
    return _different(path) if path.suffix == ".jsonl" else [load_persona(path)]


def _different(path: Path) -> list[Persona]:
    """Whoever sits in several rosters is one person."""
    people, found = load_frozen(path), dict[str, Persona]()
    for world in range(people.worlds):
        for agent in range(people.agents):
            person = people.persona(world, agent)
            if found.setdefault(person.id, person) != person:
                message = f"two different people have the id {person.id!r}; one file of people cannot hold both"
                raise PersonaFileError([Problem(path, None, "id", message)])
    return list(found.values())


def jsonl_text(people: Iterable[Persona]) -> str:
    """One line per person."""
    return "".join(json.dumps(record_of(person), ensure_ascii=False) + "\n" for person in people)


def record_of(person: Persona) -> dict[str, Any]:
    """A person as plain data in the structure of a persona file."""
    attributes = {
        name: {"value": _number(value), "public": name in person.public} for name, value in person.attributes.items()
    }
    told: dict[str, Any] = {"id": person.id, "name": person.name, "biography": person.biography}
    return {**told, "attributes": attributes, "traits": dict(person.traits), "words": dict(person.words)}


def _number(value: float | str) -> float | int | str:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return int(value) if whole else value
