"""Edits of a persona file that leave everything else of its text as it was: comments, order, layout."""

import io
import re
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import CommentMark
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, FoldedScalarString
from ruamel.yaml.tokens import CommentToken

from personas.fields import Field
from personas.load import PersonaFileError, Problem
from personas.schema import PersonaFile, is_public
from personas.write import hours_comment, is_plain, lines_of, trait_text
from personas.yaml_tree import UnreadableError, parse_tree

SECTIONS = tuple(PersonaFile.model_fields)  # in the order in which a file has them
_HOURS = re.compile(r"# *\d+ hours a week")


def edited(path: Path, text: str, sets: Mapping[Field, object], unsets: Iterable[Field] = ()) -> str:
    """The text of a persona file with values set and others taken out. Whether it is right is not checked.

    PersonaFileError: the text of `path` cannot be read, or a field to take out is not there.
    """
    try:
        parse_tree(text)
    except UnreadableError as error:
        raise PersonaFileError([Problem(path, error.line, error.field, error.message)]) from None
    yaml = _yaml()
    root: CommentedMap = yaml.load(text)
    for field in unsets:
        _take_out(path, root, field)
    for field, value in sets.items():
        _put(root, field, value)
    out = io.StringIO()
    yaml.dump(root, out)
    return out.getvalue().replace("\n", "\r\n") if "\r\n" in text else out.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 1_000_000  # lines stay as long as they are
    return yaml


def _put(root: CommentedMap, field: Field, value: object) -> None:
    value = _text(value, field == ("biography",)) if isinstance(value, str) else value
    if len(field) == 1:
        _set(root, field[0], value)
        return
    if not isinstance(root.get(field[0]), CommentedMap):
        _set(root, field[0], CommentedMap())
    group: CommentedMap = root[field[0]]
    if len(field) == 3:
        _put_fact(group, field[1], field[2], value)
        return
    if field[0] == "traits" and isinstance(value, float | int):
        told = trait_text(value)
        value = float(value) if "e" in told else _yaml().load(told)  # a number that keeps its zeros
    _set(group, field[1], value)
    if field == ("traits", "preferred_hours"):
        _tell_hours(group, value)


def _set(group: CommentedMap, key: str, value: object) -> None:
    """Sets a key. A new one goes to its place, in front of the comments that stand between it and what follows."""
    if key in group:
        group[key] = value
        return
    before = [name for name in group if name not in SECTIONS[SECTIONS.index(key) :]] if key in SECTIONS else list(group)
    group.insert(len(before), key, value)
    comments: Any = group.ca.items.get(before[-1]) if before else None
    token = comments[2] if comments else None
    if token is not None:
        own, _, after = token.value.partition("\n")
        token.value = own + "\n"
        if after:
            group.ca.items[key] = [None, None, CommentToken("\n" + after, CommentMark(0), None), None]


def _text(text: str, folded: bool) -> str:
    """A text in the style that keeps it: over several lines if it may be, plain, or in double quotes."""
    lines = lines_of(text) if folded else []
    if not lines:
        return text if is_plain(text) else DoubleQuotedScalarString(text)
    made: Any = FoldedScalarString(text)
    made.fold_pos = list(accumulate((len(line) + 1 for line in lines[1:]), initial=len(lines[0])))[: len(lines) - 1]
    return made


def _put_fact(group: CommentedMap, name: str, leaf: str, value: object) -> None:
    entry = group.get(name)
    if isinstance(entry, CommentedMap):
        _set(entry, leaf, value)
    elif leaf == "value" and entry is not None:
        group[name] = value  # a bare value stays one
    else:
        marked = CommentedMap({leaf: value} if entry is None else {"value": entry, leaf: value})
        marked.setdefault("public", is_public(name, None))
        marked.fa.set_flow_style()
        _set(group, name, marked)


def _tell_hours(group: CommentedMap, value: object) -> None:
    """The comment that says how many hours these are says so of the new value."""
    comments: Any = group.ca.items.get("preferred_hours")
    token = comments[2] if comments else None
    if token is not None and _HOURS.search(token.value) and isinstance(value, float | int):
        token.value = _HOURS.sub(hours_comment(float(value)), token.value)


def _take_out(path: Path, root: CommentedMap, field: Field) -> None:
    """A fact goes with its mark. A section that is left empty goes too."""
    keys = field[:2] if field[2:] == ("value",) else field
    holder: Any = root
    for key in keys[:-1]:
        holder = holder.get(key) if isinstance(holder, CommentedMap) else None
    if not isinstance(holder, CommentedMap) or keys[-1] not in holder:
        raise PersonaFileError([Problem(path, None, ".".join(keys), "is not there, so it cannot be taken out")])
    del holder[keys[-1]]
    if len(keys) == 2 and not holder:
        del root[keys[0]]
