"""Reads persona and population files. Whatever is wrong is told with file, line, field and what would be right."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from personas.checks import persona_problems, population_problems
from personas.csv_rows import FaultyTableError
from personas.people import Persona
from personas.read_census import read_census
from personas.schema import PersonaFile, PopulationFile, Strict, is_public
from personas.schema_keys import ATTRIBUTE_LAWS, TRAIT_LAWS, allowed_keys
from personas.spelling import suggest
from personas.words import clean
from personas.yaml_tree import Place, Tree, UnreadableError, parse_tree

MAX_BYTES = 1_000_000
Model = TypeVar("Model", bound=Strict)


@dataclass(frozen=True)
class Problem:
    """One fault of a file. `line` counts from 1; None where the fault has no line.

    Files are written by anyone, and `field` and `message` tell what they say: both are cleaned, for the terminal.
    """

    file: Path
    line: int | None
    field: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", clean(self.field))
        object.__setattr__(self, "message", clean(self.message))

    def __str__(self) -> str:
        file = "".join(filter(str.isprintable, str(self.file)))
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class PersonaFileError(ValueError):
    """Persona or population files that cannot be used; `problems` has every fault that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Source(Protocol):
    """Plain data, and where in a file they stand: a `Tree`, or a row of a table."""

    @property
    def data(self) -> object: ...

    def line_of(self, place: Place) -> int | None: ...

    def name_of(self, place: Place) -> str: ...


def load_persona(path: Path) -> Persona:
    """One person. PersonaFileError with every fault of the file."""
    return persona_of(path, read_tree(path))


def parse_persona(path: Path, text: str) -> Persona:
    """The person whom a text tells that is to be the file at `path`. PersonaFileError as for `load_persona`."""
    return persona_of(path, _tree(path, text.encode("utf-8", "surrogatepass")))


def persona_of(path: Path, source: Source) -> Persona:
    """The person whom these data of the file at `path` tell. PersonaFileError as for `load_persona`."""
    file = _checked(path, source, PersonaFile, persona_problems)
    public = frozenset(name for name, entry in file.attributes.items() if is_public(name, entry.public))
    attributes = {name: entry.value for name, entry in file.attributes.items()}
    return Persona(file.id, file.name, file.biography, attributes, public, file.traits, file.words)


def load_population(path: Path) -> PopulationFile:
    """A population to sample from, with its table if it has one. PersonaFileError with every fault of the file."""
    file = _checked(path, read_tree(path), PopulationFile, population_problems)
    if file.table is None:
        return file
    table = path.parent / file.table.file
    try:
        return file.with_census(read_census(table, file.table, file.table_laws()))
    except FaultyTableError as error:
        raise PersonaFileError([Problem(table, f.line, f.field, f.message) for f in error.faults]) from None


def population_files(path: Path) -> list[Path]:
    """The files that a population file consists of: itself, and its table if it has one. PersonaFileError."""
    table = load_population(path).table
    return [path] if table is None else [path, path.parent / table.file]


def load_folder(folder: Path) -> list[Persona]:
    """Everyone in a folder, in the order of file names. PersonaFileError with the faults of all files."""
    paths = persona_paths(folder)
    people: list[tuple[Path, Persona]] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            people.append((path, load_persona(path)))
        except PersonaFileError as error:
            problems += error.problems
    problems += same_id_problems(people)
    if problems:
        raise PersonaFileError(problems)
    return [persona for _, persona in people]


def persona_paths(folder: Path) -> list[Path]:
    """The persona files of a folder. PersonaFileError if there is no such folder or nobody in it."""
    if not folder.is_dir():
        raise PersonaFileError([Problem(folder, None, "", "no such folder; give a folder of persona files")])
    paths = sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml") and not p.name.startswith("."))
    if not paths:
        message = "nobody lives here: the folder has no .yaml file; write one file per person"
        raise PersonaFileError([Problem(folder, None, "", message)])
    return paths


def same_id_problems(people: Iterable[tuple[Path, Persona]]) -> Iterator[Problem]:
    """A problem for every person whose id an earlier file already has."""
    first: dict[str, Path] = {}
    for path, persona in people:
        if persona.id in first:
            message = f"{persona.id!r} is already the id of {first[persona.id]}; every person needs an id of their own"
            yield Problem(path, read_tree(path).line_of(("id",)), "id", message)
        first.setdefault(persona.id, path)


def read_tree(path: Path) -> Tree:
    """A YAML file as plain data with line numbers. PersonaFileError if it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            message = f"the file is larger than {MAX_BYTES:,} bytes; a persona or population needs a few thousand"
            raise PersonaFileError([Problem(path, None, "", message)])
        return _tree(path, path.read_bytes())
    except OSError as error:
        raise PersonaFileError([Problem(path, None, "", f"cannot be read: {error.strerror}")]) from None


def _tree(path: Path, content: bytes) -> Tree:
    try:
        return parse_tree(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PersonaFileError([Problem(path, line, "", "not UTF-8 text; save the file as UTF-8")]) from None
    except UnreadableError as error:
        raise PersonaFileError([Problem(path, error.line, error.field, error.message)]) from None


def _checked(
    path: Path, tree: Source, kind: type[Model], check: Callable[[Model], Iterable[tuple[tuple[int | str, ...], str]]]
) -> Model:
    file, problems, left_out = _validated(path, tree, kind)
    checked = check(file) if file else ()
    problems += [
        Problem(path, tree.line_of(at), tree.name_of(at), message) for at, message in checked if at[-1] not in left_out
    ]
    if file is None or problems:
        raise PersonaFileError(sorted(problems, key=lambda problem: problem.line or 0))
    return file


def _validated(path: Path, tree: Source, kind: type[Model]) -> tuple[Model | None, list[Problem], frozenset[int | str]]:
    """The file, what is wrong with it, and the last keys of what it was read without: unknown keys, and of a person
    wrong values, so that they alone do not keep the rest unchecked.
    """
    data, problems, left_out = tree.data, list[Problem](), frozenset[int | str]()
    for _ in range(2):
        try:
            return kind.model_validate(data), problems, left_out
        except ValidationError as error:
            found = error.errors()
        problems = problems or [_problem(path, tree, kind, details) for details in found]
        wrong = [d["loc"] for d in found if d["type"] == "extra_forbidden" or _apart(kind, d["type"])]
        data, left_out = _without(data, wrong), frozenset(key for at in wrong for key in at[1:2])
    return None, problems, left_out


def _apart(kind: type[Strict], fault: str) -> bool:
    """Can what is wrong be left out, and the rest be right? In a population one thing hangs on another."""
    return kind is PersonaFile and fault != "missing"


def _without(data: object, places: Sequence[Place]) -> object:
    """The data less what stands at these places, which may name a law that the data do not nest by."""
    if not isinstance(data, dict):
        return data
    known = [at if at[0] in data else at[1:] for at in places]
    gone = {at[0] for at in known if len(at) == 1}
    inner = {key: [at[1:] for at in known if len(at) > 1 and at[0] == key] for key in data}
    return {key: _without(value, inner[key]) for key, value in data.items() if key not in gone}


def _problem(path: Path, tree: Source, kind: type[Strict], details: ErrorDetails) -> Problem:
    at = details["loc"]
    field = tree.name_of(at)
    if details["type"] == "missing":
        field = f"{field}.{at[-1]}" if field else str(at[-1])
    return Problem(path, tree.line_of(at), field, _message(kind, details))


def _message(kind: type[Strict], details: ErrorDetails) -> str:
    at, found = details["loc"], details["input"]
    match details["type"]:
        case "missing":
            return "missing; this key is needed"
        case "extra_forbidden":
            allowed = allowed_keys(kind, at[:-1])
            return f"unknown key{suggest(str(at[-1]), allowed)}; allowed here: {', '.join(allowed)}"
        case "union_tag_invalid" | "union_tag_not_found" | "model_attributes_type":
            laws = ATTRIBUTE_LAWS if at[0] == "attributes" else TRAIT_LAWS
            law = found.get("law") if isinstance(found, dict) else None
            hint = f"unknown law {law!r}{suggest(str(law), laws)}" if law is not None else "needs a law"
            return f"{hint}; the laws are {', '.join(laws)}, e.g. {{law: uniform, low: 0, high: 1}}"
        case "value_error":
            return details["msg"].removeprefix("Value error, ")
        case _:
            return f"found {_short(found)}; {details['msg'][:1].lower()}{details['msg'][1:]}"


def _short(found: object) -> str:
    if isinstance(found, float) and not isfinite(found):
        return str(found)
    text = repr(found)
    return text if len(text) <= 60 else text[:57] + "..."
