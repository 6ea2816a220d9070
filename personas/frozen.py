"""Rosters written down with a hash, so that a run can prove later who its people were.

A frozen roster is JSON lines: a header, then one person per line. The hash is the SHA-256 of everything but itself.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import ValidationError

from personas.load import PersonaFileError, Problem
from personas.people import People, Persona, gather
from personas.schema import PersonId, Share, Strict

FORMAT = 1
Model = TypeVar("Model", bound=Strict)


class Header(Strict):
    solon_roster: int
    attribute_names: list[str]
    trait_names: list[str]
    worlds: int
    agents: int
    sha256: str


class FrozenPerson(Strict):
    id: PersonId
    name: str
    biography: str
    attributes: dict[str, float | str]
    public: list[str]
    traits: dict[str, Share]
    words: dict[str, str]


@dataclass(frozen=True)
class _Text:
    header: dict[str, object]
    persons: list[str]

    def hash(self) -> str:
        digest = hashlib.sha256(_compact(self.header).encode())
        for line in self.persons:
            digest.update(b"\n" + line.encode())
        return digest.hexdigest()


def roster_hash(people: People) -> str:
    """SHA-256 of everything that is known of these people: tensors, words and names."""
    return _text(people).hash()


def freeze(people: People, path: Path) -> str:
    """Writes the rosters to `path` (JSON lines) and returns their hash. ValueError if words and tensors disagree."""
    loaded = gather(_persons(people), people.attribute_names, people.trait_names)
    same = torch.equal(loaded.public, people.public.cpu()) and torch.equal(loaded.traits, people.traits.cpu())
    if not same:
        raise ValueError("these people's personas and tensors disagree: they cannot be frozen")
    text = _text(people)
    digest = text.hash()
    lines = [_compact({**text.header, "sha256": digest}), *text.persons]
    part = path.with_name(path.name + ".part")  # a killed run leaves no half roster
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)
    return digest


def load_frozen(path: Path) -> People:
    """The people of a frozen roster. PersonaFileError if it is unreadable or is not what was frozen."""
    header, lines = _open(path)
    persons = [_persona(_read(path, i, line, FrozenPerson)) for i, line in enumerate(lines, start=2)]
    worlds = [persons[i : i + header.agents] for i in range(0, len(persons), header.agents)]
    return gather(worlds, tuple(header.attribute_names), tuple(header.trait_names))


def frozen_hash(path: Path) -> str:
    """The hash of a frozen roster, after its text was found to match it. PersonaFileError as for `load_frozen`."""
    return _open(path)[0].sha256


def _open(path: Path) -> tuple[Header, list[str]]:
    """The header, and the persons' lines. PersonaFileError."""
    try:
        first, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PersonaFileError([Problem(path, None, "", f"cannot be read: {error}")]) from None
    header = _read(path, 1, first, Header)
    named = header.model_dump(exclude={"sha256"})
    if header.solon_roster != FORMAT or _Text(named, lines).hash() != header.sha256:
        message = "not what was frozen: the text does not match its hash; freeze the rosters again"
        raise PersonaFileError([Problem(path, 1, "sha256", message)])
    return header, lines


def _read(path: Path, line: int, text: str, kind: type[Model]) -> Model:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        details = error.errors()[0]
        field = ".".join(str(part) for part in details["loc"])
        message = f"not a line of a frozen roster: {details['msg'].lower()}"
        raise PersonaFileError([Problem(path, line, field, message)]) from None


def _persona(person: FrozenPerson) -> Persona:
    said = person.model_dump(exclude={"public"})
    return Persona(**said, public=frozenset(person.public))


def _persons(people: People) -> list[list[Persona]]:
    return [[people.persona(world, agent) for agent in range(people.agents)] for world in range(people.worlds)]


def _text(people: People) -> _Text:
    header: dict[str, object] = {
        "solon_roster": FORMAT,
        "attribute_names": list(people.attribute_names),
        "trait_names": list(people.trait_names),
        "worlds": people.worlds,
        "agents": people.agents,
    }
    return _Text(header, [_line(persona) for world in _persons(people) for persona in world])


def _line(persona: Persona) -> str:
    return _compact(
        {
            "id": persona.id,
            "name": persona.name,
            "biography": persona.biography,
            "attributes": dict(persona.attributes),
            "public": sorted(persona.public),
            "traits": dict(persona.traits),
            "words": dict(persona.words),
        }
    )


def _compact(value: dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
