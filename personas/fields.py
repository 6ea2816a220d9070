"""Names of a persona's fields as people write them on a command line or above a column, and the values they write.

`habit`, `wage`, `wage.public` and `attributes.height` are short for places in a persona file. A value is text; where a
number belongs it is read as one.
"""

import re
import unicodedata
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

from personas.spelling import suggest
from personas.traits import TRAITS

Field = tuple[str, ...]  # a place in a persona file, e.g. ("traits", "habit") or ("attributes", "wage", "public")

TEXTS = ("id", "name", "biography")
ATTRIBUTES = (
    "wage",
    "age",
    "occupation",
    "household",
    "town",
    "pastime",
    "home_x",
    "home_y",
    "arrival",
)  # by short name
_NUMBER = re.compile(r"-?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?")  # "02139" is no number, but a postal code
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


def field_of(name: str) -> Field:
    """The place that a name means. ValueError with a suggestion if it means none."""
    first, *others = name.strip().split(".")
    head, rest = re.sub(r"[ -]", "_", first.strip().lower()), tuple(others)
    if head in TEXTS and not rest:
        return (head,)
    if head in ("traits", "words") and len(rest) == 1 and rest[0] in TRAITS:
        return (head, rest[0])
    if head in TRAITS and not rest:
        return ("traits", head)
    if head in ATTRIBUTES:
        return _fact(name, head, rest)
    if head == "attributes" and rest:
        return _fact(name, rest[0], rest[1:])
    raise ValueError(f"there is no field {name!r}{_near(head, rest)}")


def _fact(name: str, fact: str, leaf: Field) -> Field:
    if leaf in ((), ("value",), ("public",)):
        return ("attributes", fact, *(leaf or ("value",)))
    raise ValueError(f"there is no field {name!r}; a fact has .value and .public")


def _near(head: str, rest: tuple[str, ...]) -> str:
    if head in ("traits", "words"):
        return suggest(rest[0], TRAITS) if rest else f"; name the trait, such as {head}.habit"
    return (
        suggest(head, (*TEXTS, *TRAITS, *ATTRIBUTES))
        or "; a fact of your own is attributes.NAME, such as attributes.sex"
    )


def value_of(field: Field, text: str) -> object:
    """What a text means in a field: a number, yes or no, or a text. Whether it may stand there is checked elsewhere."""
    tidy = text.strip()
    if field[-1] == "public" and len(field) == 3:
        return True if tidy.lower() in _YES else False if tidy.lower() in _NO else tidy
    numeric = field[0] == "traits" or (field[0] == "attributes" and field[1] != "occupation")
    if numeric and _NUMBER.fullmatch(tidy):
        return int(tidy) if re.fullmatch(r"-?\d{1,15}", tidy) else float(tidy)
    return tidy


def place(data: MutableMapping[str, Any], field: Field, value: object) -> None:
    """Writes a value into data with the structure of a persona file; a bare attribute becomes one with marks."""
    if len(field) == 1:
        data[field[0]] = value
        return
    group = data.setdefault(field[0], {})
    if not isinstance(group, dict):
        return  # what stands there is wrong, and is told when the data are checked
    if len(field) == 2:
        group[field[1]] = value
        return
    entry = group.get(field[1], {})
    marked = cast(dict[str, object], entry) if isinstance(entry, dict) else {"value": entry}
    group[field[1]] = {**marked, field[2]: value}


def stands(data: Mapping[str, Any], field: Field) -> bool:
    """Is anything written in this field?"""
    node: Any = data
    for part in field:
        if not isinstance(node, Mapping):
            return part == "value"  # a bare attribute is its value
        if part not in node:
            return False
        node = node[part]
    return node is not None


def id_of(name: str) -> str:
    """An id made of a name: 'Maria Keller' becomes maria-keller. ValueError if nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-")
    if not made:
        raise ValueError(f"no id can be made of the name {name!r}; give an id, in letters a to z and digits")
    return made
