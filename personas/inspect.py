"""What `solon personas` prints, as plain data: who is there, what a model reads, what is wrong, what differs."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from personas.frozen import load_frozen
from personas.load import (
    PersonaFileError,
    Problem,
    load_folder,
    load_persona,
    load_population,
    persona_paths,
    read_tree,
    same_id_problems,
)
from personas.people import Persona
from personas.schema import PopulationFile
from personas.traits import TRAITS, grade, natural_text
from personas.words import clean, render, split_words, trait_sentence

SHIPPED = Path(__file__).parent / "village_biographies.json"  # id -> fingerprint: the village may be edited in place
POPULATION_KEYS = frozenset(
    {"size", "communities", "correlations", "table"}
)  # a file with one of these is a population


@dataclass(frozen=True)
class Listed:
    """One line of `personas list`."""

    id: str
    name: str
    age: str
    occupation: str
    wage: str  # dollars an hour
    traits: int  # how many are declared


@dataclass(frozen=True)
class ShownAttribute:
    name: str
    value: str
    public: bool


@dataclass(frozen=True)
class ShownTrait:
    name: str
    value: float
    grade: int | None  # 0 .. 6; None for preferred hours, which are told as a number
    natural: str  # in the unit that societies use
    words: str  # what the model reads
    own_words: bool  # the author's, not the renderer's
    words_only: bool  # no society uses the value


@dataclass(frozen=True)
class Shown:
    """Everything of one person, and the text that a language model reads."""

    id: str
    name: str
    attributes: tuple[ShownAttribute, ...]
    traits: tuple[ShownTrait, ...]
    text: str


@dataclass(frozen=True)
class Strangers:
    """Words of one person that a vocabulary lacks: a small model skips them, a larger one reads them."""

    id: str
    words: int  # words in the whole text
    unknown: tuple[str, ...]  # each once, in order of appearance
    in_biography: int  # how many of the unknown stand in the biography


@dataclass(frozen=True)
class Validation:
    checked: int  # files
    problems: tuple[Problem, ...]
    strangers: tuple[Strangers, ...]  # only people with unknown words; empty without a vocabulary
    edited: tuple[str, ...]  # ids of people whose biography is not the one that ships
    own_words: tuple[str, ...]  # "id.trait" where a person's file words a trait itself


@dataclass(frozen=True)
class Change:
    field: str
    before: str
    after: str


def listing(folder: Path) -> list[Listed]:
    """Everyone in a folder. PersonaFileError with all problems."""
    return [_listed(persona) for persona in load_folder(folder)]


def show(persona: Persona) -> Shown:
    """One person with each attribute's mark, and each trait's value, grade and words."""
    attributes = tuple(ShownAttribute(n, _text(v), n in persona.public) for n, v in persona.attributes.items())
    traits = tuple(_shown_trait(persona, name) for name in TRAITS if name in persona.traits)
    return Shown(persona.id, clean(persona.name), attributes, traits, render(persona))


def validate(paths: Iterable[Path], vocabulary: Collection[str] | None = None) -> Validation:
    """Checks files and folders, and finds every problem. `vocabulary`: lower-case words that a small model knows."""
    files, problems = _files(paths)
    people: list[tuple[Path, Persona]] = []
    for path in files:
        try:
            if is_population(path):
                load_population(path)
            else:
                people.append((path, load_persona(path)))
        except PersonaFileError as error:
            problems += error.problems
    problems += same_id_problems(people)
    known = None if vocabulary is None else frozenset(vocabulary)
    found = [] if known is None else [strangers(persona, known) for _, persona in people]
    persons = [persona for _, persona in people]
    unknown = tuple(one for one in found if one.unknown)
    return Validation(len(files), tuple(problems), unknown, edited_biographies(persons), own_words(persons))


def strangers(persona: Persona, vocabulary: Collection[str]) -> Strangers:
    """The words of this person's text that are not in `vocabulary` (lower-case words)."""
    words = _plain_words(render(persona))
    unknown = tuple(dict.fromkeys(word for word in words if word not in vocabulary))
    in_biography = frozenset(_plain_words(clean(persona.biography)))
    return Strangers(persona.id, len(words), unknown, sum(word in in_biography for word in unknown))


def edited_biographies(people: Iterable[Persona]) -> tuple[str, ...]:
    """Ids of people whose biography is not the one that ships under their id: somebody edited it, or wrote it."""
    ships: dict[str, str] = json.loads(SHIPPED.read_text(encoding="utf-8"))
    told = [(persona.id, clean(persona.biography)) for persona in people]
    return tuple(id_ for id_, text in told if text and fingerprint(text) != ships.get(id_))


def fingerprint(text: str) -> str:
    """Tells a text from others: 16 hexadecimal digits."""
    return sha256(text.encode()).hexdigest()[:16]


def own_words(people: Iterable[Persona]) -> tuple[str, ...]:
    """ "id.trait" of every trait that a person's file words itself."""
    return tuple(f"{persona.id}.{trait}" for persona in people for trait in persona.words)


def diff(before: Path, after: Path) -> list[Change]:
    """Field by field, what differs between two persona files, population files, folders or frozen rosters.

    PersonaFileError where one cannot be read, or they are not of one kind.
    """
    kinds = [_kind(before), _kind(after)]
    if kinds[0] != kinds[1]:
        message = f"a {kinds[1]} cannot be compared with a {kinds[0]}; give two of one kind"
        raise PersonaFileError([Problem(after, None, "", message)])
    return _changes(_flat(before), _flat(after))


def edits(before: Persona, after: Persona) -> list[Change]:
    """Field by field, what differs between two people."""
    return _changes(_persona_fields(before), _persona_fields(after))


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    names = list(dict.fromkeys([*before, *after]))
    pairs = [(name, before.get(name, "(none)"), after.get(name, "(none)")) for name in names]
    return [Change(clean(name), clean(old), clean(new)) for name, old, new in pairs if old != new]


def is_population(path: Path) -> bool:
    """Is this file about a population rather than one person? PersonaFileError if it cannot be read."""
    data = read_tree(path).data
    return isinstance(data, dict) and not POPULATION_KEYS.isdisjoint(data)


def _files(paths: Iterable[Path]) -> tuple[list[Path], list[Problem]]:
    files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            files += persona_paths(path) if path.is_dir() else [path]
        except PersonaFileError as error:
            problems += error.problems
    return files, problems


def _listed(persona: Persona) -> Listed:
    age, trade, wage = (_text(persona.attributes.get(name, "")) for name in ("age", "occupation", "wage"))
    return Listed(persona.id, clean(persona.name), age, trade, wage, len(persona.traits))


def _shown_trait(persona: Persona, name: str) -> ShownTrait:
    value = persona.traits[name]
    return ShownTrait(
        name=name,
        value=value,
        grade=None if name == "preferred_hours" else grade(value),
        natural=natural_text(name, value),
        words=trait_sentence(persona, name),
        own_words=name in persona.words,
        words_only=TRAITS[name].words_only,
    )


def _text(value: float | str) -> str:
    return clean(value) if isinstance(value, str) else f"{value:.10g}"


def _plain_words(text: str) -> list[str]:
    """Lower-case words without numbers and marks."""
    return [word for word in split_words(text.lower()) if word[0].isalpha()]


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folder"
    if path.suffix == ".jsonl":
        return "frozen roster"
    return "population" if is_population(path) else "person"


def _flat(path: Path) -> dict[str, str]:
    match _kind(path):
        case "folder":
            return {f"{p.id}.{name}": value for p in load_folder(path) for name, value in _persona_fields(p).items()}
        case "frozen roster":
            return _frozen_fields(path)
        case "population":
            return _population_fields(load_population(path))
        case _:
            return _persona_fields(load_persona(path))


def _frozen_fields(path: Path) -> dict[str, str]:
    people = load_frozen(path)
    return {
        f"world {world}, agent {agent}.{name}": value
        for world in range(people.worlds)
        for agent in range(people.agents)
        for name, value in _persona_fields(people.persona(world, agent)).items()
    }


def _persona_fields(persona: Persona) -> dict[str, str]:
    fields = {"id": persona.id, "name": clean(persona.name), "biography": clean(persona.biography)}
    for name, value in persona.attributes.items():
        fields[f"attributes.{name}"] = f"{_text(value)} ({'public' if name in persona.public else 'private'})"
    for name, value in persona.traits.items():
        fields[f"traits.{name}"] = f"{value:.6g}: {trait_sentence(persona, name)}"
    return fields


def _population_fields(file: PopulationFile) -> dict[str, str]:
    rows = range(len(file.census.shares)) if file.table else ()
    return {**dict(_branches("", file.model_dump())), **{f"table row {i + 1}": file.census.told(i) for i in rows}}


def _branches(place: str, node: object) -> Iterable[tuple[str, str]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _branches(f"{place}.{name}".lstrip("."), value)
    else:
        yield place, str(node)
