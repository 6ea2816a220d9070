"""What people write of a persona on the command line, and what a society needs of one."""

from collections.abc import Iterable

from experiments.errors import UserError
from personas.fields import Field, field_of, value_of
from personas.people import Persona
from personas.rosters import shared_numbers
from personas.spelling import suggest
from personas.traits import TRAITS

ANY = "any"  # of the societies: none in particular
MIDDLE, WAGE = 0.5, 20.0  # of whom nothing is said: the middle of a scale, and dollars an hour


def fields(pairs: Iterable[str], option: str) -> dict[Field, object]:
    """The fields and values of NAME=VALUE. UserError: one has no value, or no field has that name."""
    found: dict[Field, object] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise UserError("a value is missing", where=f"{option} {pair}", fix=f"write {option} {name}=VALUE")
        field = named(name, option)
        found[field] = value_of(field, text)
    return found


def named(name: str, option: str) -> Field:
    """The field of that name. UserError."""
    try:
        return field_of(name)
    except ValueError as error:
        raise UserError(
            str(error),
            where=f"{option} {name}",
            fix="name a trait, a fact (wage, age, occupation, attributes.NAME), words.TRAIT, name or biography",
        ) from None


def trait(name: str) -> str:
    """The trait of that name, with or without `traits.` in front. UserError."""
    known = name.removeprefix("traits.")
    if known not in TRAITS:
        raise UserError(
            f"there is no trait {name!r}{suggest(known, TRAITS)}",
            where=f"--trait {name}",
            fix=f"name one of: {', '.join(TRAITS)}",
        )
    return known


def needs(society: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The public numbers and the traits that a society needs of everyone. UserError: there is none of that name."""
    from societies.catalog import load

    if society == ANY:
        return (), ()
    try:
        found = load(society)
    except ValueError as error:
        raise UserError(str(error), where="--for", fix=f"name one of them, or {ANY}") from None
    return found.attributes_used, found.traits_used


def completed(person: Persona, attributes: Iterable[str], traits: Iterable[str]) -> dict[Field, object]:
    """Values for what the society needs and nobody said."""
    lacking = [name for name in attributes if name not in shared_numbers([person])]
    numbers: dict[Field, object] = {}
    for name in lacking:
        if name not in person.attributes:
            numbers["attributes", name, "value"] = WAGE if name == "wage" else MIDDLE
        numbers["attributes", name, "public"] = True
    return numbers | {("traits", name): MIDDLE for name in traits if name not in person.traits}
