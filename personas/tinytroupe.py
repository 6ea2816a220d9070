"""Agents of TinyTroupe as people of ours: what can be taken over of their JSON files, by stated rules.

An agent file is `{"type": "TinyPerson", "persona": {...}}`. Of the persona are taken: the name; the age; the title of
the occupation; gender, nationality and residence as private facts; and a biography made of the agent's own sentences,
in the order of `TOLD`, as many whole ones as fit. No value of ours follows from such words (the Big Five are told as
'High' or 'Low', and none of them is one of our traits), so traits and wages must be given.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from personas.load import PersonaFileError, Problem
from personas.rows import Row, json_object
from personas.schema import MAX_BIOGRAPHY
from personas.words import clean

TOLD = (("occupation", "description"), ("personality", "traits"), ("other_facts",), ("long_term_goals",))
FACTS = ("gender", "nationality", "residence")
_TAKEN = ("name", "age", "occupation", *FACTS, *(path[0] for path in TOLD))
_NAMES = {
    ("name",): "persona.name",
    ("attributes", "age", "value"): "persona.age",
    ("attributes", "occupation", "value"): "persona.occupation.title",
    **{("attributes", name, "value"): f"persona.{name}" for name in FACTS},
}


def tinytroupe_people(path: Path) -> tuple[list[Row], tuple[str, ...]]:
    """The agents of a file, or of all .json files of a folder; and the parts of their personas that were left out.

    PersonaFileError with the faults of all files.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    rows, problems, left = list[Row](), list[Problem](), dict[str, None]()
    for file in files:
        found = _persona(file)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            rows.append(Row(file, None, _data(found), _NAMES))
            left |= dict.fromkeys(map(clean, _left_out(found)))
    if not files:
        problems.append(Problem(path, None, "", "there is no .json file in this folder"))
    if problems:
        raise PersonaFileError(problems)
    return rows, tuple(left)


def _persona(file: Path) -> dict[str, Any] | Problem:
    try:
        found = json_object(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        return Problem(file, None, "", f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return Problem(file, None, "", "not UTF-8 text; save the file as UTF-8")
    if isinstance(found, str):
        return Problem(file, None, "", found)
    persona = found.get("persona")
    if found.get("type") != "TinyPerson" or not isinstance(persona, dict):
        message = 'not an agent of TinyTroupe; should be {"type": "TinyPerson", "persona": {"name": ...}}'
        return Problem(file, None, "type" if found.get("type") != "TinyPerson" else "persona", message)
    return cast(dict[str, Any], persona)


def _data(persona: dict[str, Any]) -> dict[str, Any]:
    work = persona.get("occupation")
    title = cast(dict[str, Any], work).get("title") if isinstance(work, dict) else work
    facts = {"age": persona.get("age"), "occupation": title, **{name: persona.get(name) for name in FACTS}}
    shown = {name: {"value": value} for name, value in facts.items() if value not in (None, "")}
    named = {"name": persona["name"]} if "name" in persona else {}
    return {**named, "biography": _biography(persona), "attributes": shown}


def _biography(persona: dict[str, Any]) -> str:
    """Whole entries of the agent's own words, until the next one would not fit."""
    told = ""
    for entry in _entries(persona):
        if len(told) + 1 + len(entry) > MAX_BIOGRAPHY:
            break
        told = f"{told} {entry}".strip()
    return told


def _entries(persona: dict[str, Any]) -> Iterator[str]:
    for path in TOLD:
        found: object = persona
        for key in path:
            found = cast(dict[str, object], found).get(key) if isinstance(found, dict) else None
        for entry in cast(list[object], found) if isinstance(found, list) else [found]:
            tidy = clean(entry) if isinstance(entry, str) else ""
            if tidy:
                yield tidy if tidy[-1] in ".!?" else f"{tidy}."


def _left_out(persona: dict[str, Any]) -> Iterator[str]:
    yield from (name for name in persona if name not in _TAKEN)
    if isinstance(persona.get("personality"), dict):
        yield from (f"personality.{name}" for name in persona["personality"] if name != "traits")
    if isinstance(persona.get("occupation"), dict):
        yield from (f"occupation.{name}" for name in persona["occupation"] if name not in ("title", "description"))
    if sum(len(entry) + 1 for entry in _entries(persona)) > MAX_BIOGRAPHY + 1:
        yield f"what goes beyond {MAX_BIOGRAPHY:,} characters of biography"
