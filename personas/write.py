"""Persona files as they are written: one text per person in the layout of the village, and folders that are whole."""

import os
import re
import shutil
import tempfile
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path

from personas.load import PersonaFileError, Problem, load_persona, parse_persona, persona_paths
from personas.people import Persona
from personas.traits import hours_told

WIDTH = 118  # characters in a line of a biography
_PLAIN = re.compile(r"[^\W\d_]([\w '’(),;./-]*[\w'’)./])?")  # needs no quotes in a line of its own
_WORDS_OF_YAML = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def persona_text(persona: Persona) -> str:
    """The YAML file of a person; what is read from it is that person again."""
    lines = [f"id: {_scalar(persona.id)}", f"name: {_scalar(persona.name)}"]
    lines += _biography(persona.biography) if persona.biography else []
    lines += _section("attributes", {name: _attribute(persona, name) for name in persona.attributes})
    lines += _section("traits", {name: _trait(name, value) for name, value in persona.traits.items()})
    lines += _section("words", {name: _scalar(words) for name, words in persona.words.items()})
    return "\n".join(lines) + "\n"


def _section(name: str, entries: Mapping[str, str]) -> list[str]:
    return [f"{name}:", *(f"  {_scalar(key)}: {text}" for key, text in entries.items())] if entries else []


def _biography(text: str) -> list[str]:
    lines = lines_of(text)
    return ["biography: >-", *(f"  {line}" for line in lines)] if lines else [f"biography: {quoted(text)}"]


def lines_of(text: str) -> list[str]:
    """A text broken into lines as the village's biographies are; none where it would not come back as it is."""
    lines = textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return lines if text.isprintable() and text == text.strip() and " ".join(lines) == text else []


def _attribute(persona: Persona, name: str) -> str:
    value, public = persona.attributes[name], str(name in persona.public).lower()
    told = quoted(value) if isinstance(value, str) and "," in value else _scalar(value)  # a comma ends it in {...}
    return f"{{value: {told}, public: {public}}}" + ("  # dollars an hour" if name == "wage" else "")


def _trait(name: str, value: float) -> str:
    return f"{trait_text(value)}  {hours_comment(value)}" if name == "preferred_hours" else trait_text(value)


def trait_text(value: float) -> str:
    """A trait's value in two decimals, or in as many as it has."""
    return f"{value:.2f}" if float(f"{value:.2f}") == value else repr(float(value))


def hours_comment(value: float) -> str:
    """What stands behind preferred hours, for people to read."""
    return f"# {hours_told(value)} hours a week"


def _scalar(value: float | str) -> str:
    if isinstance(value, str):
        return value if is_plain(value) else quoted(value)
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def is_plain(text: str) -> bool:
    """Does a text need no quotes where it stands alone?"""
    return bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS_OF_YAML


def quoted(text: str) -> str:
    """A text in double quotes, with everything escaped that YAML or a terminal might take for something else."""
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def place_people(texts: Mapping[str, str], folder: Path, force: bool) -> None:
    """Writes a file for each id into `folder`: all of them, or none.

    A folder that is not there yet appears whole. In one that is there the new files take their places one after the
    other, and go again if one cannot. PersonaFileError: a text is not that of a person, a file is there already and
    `force` is not given, or another file has that id.
    """
    problems = [*_faults(texts, folder), *_in_the_way(texts, folder, force)]
    if problems:
        raise PersonaFileError(problems)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        new = staging / "new"
        new.mkdir()
        for id_, text in texts.items():
            (new / f"{id_}.yaml").write_text(text, encoding="utf-8")
        _move(new, folder, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _faults(texts: Mapping[str, str], folder: Path) -> list[Problem]:
    problems: list[Problem] = []
    for id_, text in texts.items():
        try:
            parse_persona(folder / f"{id_}.yaml", text)
        except PersonaFileError as error:
            problems += error.problems
    return problems


def _in_the_way(texts: Mapping[str, str], folder: Path, force: bool) -> list[Problem]:
    if not folder.exists():
        return []
    if not folder.is_dir():
        return [Problem(folder, None, "", "this is a file; name a folder")]
    files = [folder / f"{id_}.yaml" for id_ in texts]
    there = [] if force else [path for path in files if os.path.lexists(path)]
    problems = [Problem(folder, None, "", _replaced(there))] if there else []
    return [*problems, *same_ids(texts, folder, files)]


def same_ids(ids: Collection[str], folder: Path, but: Collection[Path]) -> list[Problem]:
    """A problem for every file of a folder, but for some, whose person has one of these ids."""
    return [
        Problem(path, None, "id", f"{id_!r} is already the id of this file; give the new one another id, or remove it")
        for path in _persons(folder)
        if path not in but and (id_ := _id(path)) in ids
    ]


def _replaced(there: list[Path]) -> str:
    names = ", ".join(path.name for path in there[:3]) + (", ..." if len(there) > 3 else "")
    return f"already there: {names} ({len(there)} in all); --force replaces what is there"


def _persons(folder: Path) -> list[Path]:
    try:
        return persona_paths(folder)
    except PersonaFileError:  # nobody is there
        return []


def _id(path: Path) -> str | None:
    try:
        return load_persona(path).id
    except PersonaFileError:  # was wrong before, and is told by `personas validate`
        return None


def _move(new: Path, folder: Path, staging: Path) -> None:
    if not folder.exists():
        new.replace(folder)
        return
    done: list[tuple[Path, Path]] = []  # (the file, what was there before)
    try:
        for file in sorted(new.iterdir()):
            target, before = folder / file.name, staging / file.name
            if os.path.lexists(target):
                target.replace(before)
            done.append((target, before))
            file.replace(target)
    except BaseException:
        for target, before in done:
            target.unlink(missing_ok=True)
            if os.path.lexists(before):
                before.replace(target)
        raise
