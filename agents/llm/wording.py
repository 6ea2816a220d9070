"""The words around a society's own, from a file that a user may change."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from personas.load import PersonaFileError, Problem, read_tree
from personas.spelling import suggest

STANDARD = Path(__file__).parent / "words.yaml"
_HOLE = re.compile(r"\{(\w+)\}")
_PERIOD = {"news", "answer"}
_MUST = {  # what may not be left out, lest nobody is told it
    "system": {"persona"},
    "user": {"news"},
    "memory": {"periods"},
    "period": _PERIOD,
    "best": _PERIOD,
    "worst": _PERIOD,
    "unanswered": _PERIOD,
    "note": {"note"},
    "thoughts": {"thoughts"},
    "heard": {"messages"},
    "message": {"message"},
}


@dataclass(frozen=True)
class Wording:
    """Texts by name, with holes in braces."""

    texts: Mapping[str, str]

    def fill(self, name: str, **values: object) -> str:
        """The text with its holes filled. What is put in is never looked at for holes; a line that is nothing but a
        hole for nothing goes.
        """
        lines = self.texts[name].split("\n")
        empty = {f"{{{hole}}}" for hole, value in values.items() if value == ""}
        kept = "\n".join(line for line in lines if line.strip() not in empty)
        return _HOLE.sub(lambda hole: str(values[hole[1]]), kept)

    def is_standard(self, name: str) -> bool:
        """Is this text as it ships?"""
        return self.texts[name] == _standard()[name]


def wording(file: Path | None = None) -> Wording:
    """The standard words, with those of a file put over them. PersonaFileError naming line and fix."""
    standard = _standard()
    if file is None:
        return Wording(standard)
    given = _texts(file)
    problems = [problem for name in given for problem in _problems(file, name, given[name], standard)]
    if problems:
        raise PersonaFileError(problems)
    return Wording({**standard, **given})


@cache
def _standard() -> dict[str, str]:
    return _texts(STANDARD)


def _texts(file: Path) -> dict[str, str]:
    tree = read_tree(file)
    assert isinstance(tree.data, dict)  # read_tree refuses all else
    data: dict[str, object] = tree.data
    odd = [name for name, text in data.items() if not isinstance(text, str)]
    if odd:
        place = tree.line_of((odd[0],))
        raise PersonaFileError([Problem(file, place, odd[0], "it should be text; put it in quotes")])
    return {name: str(text) for name, text in data.items()}


def _problems(file: Path, name: str, text: str, standard: Mapping[str, str]) -> list[Problem]:
    line = read_tree(file).line_of((name,))
    if name not in standard:
        fix = suggest(name, standard) or f"; there are: {', '.join(standard)}"
        return [Problem(file, line, name, f"there are no words of this name{fix}")]
    holes, known = set(_HOLE.findall(text)), set(_HOLE.findall(standard[name]))
    strange = [f"{{{hole}}} is nothing that can be put in here" for hole in sorted(holes - known)]
    lacking = [f"{{{hole}}} must be in it" for hole in sorted(_MUST.get(name, set()) - holes)]
    allowed = ", ".join(f"{{{hole}}}" for hole in sorted(known)) or "none"
    return [Problem(file, line, name, f"{what}; allowed here: {allowed}") for what in (*strange, *lacking)]
