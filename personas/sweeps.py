"""Copies of one person that differ in one trait, or in several: to see what a trait does when all else is equal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

from personas.edit import edited
from personas.load import load_persona
from personas.people import Persona
from personas.words import trait_phrase

DECIMALS = 6  # of a step
MOST = 10_000  # copies


@dataclass(frozen=True)
class Copy:
    id: str
    values: Mapping[str, float]  # trait -> value
    text: str  # of the file


def evenly(low: float, high: float, steps: int) -> list[float]:
    """`steps` values from low to high, both included. ValueError: not in [0, 1], not in order, or fewer than two."""
    if not 0 <= low < high <= 1:
        raise ValueError(f"a sweep goes up within the scale of a trait, 0 to 1, not from {low:g} to {high:g}")
    values = [round(low + (high - low) * i / (steps - 1), DECIMALS) for i in range(steps)] if steps > 1 else []
    if len(set(values)) < max(steps, 2):
        raise ValueError(f"a sweep has at least 2 steps that differ by 0.000001 or more, not {steps} of them")
    return values


def copies(file: Path, grid: Mapping[str, Sequence[float]]) -> list[Copy]:
    """A copy of the person for every combination of the traits' values. An author's own words for these traits are
    left out: they would tell every copy the same. PersonaFileError; ValueError: more than `MOST` copies.
    """
    person, text = load_persona(file), file.read_bytes().decode("utf-8")
    size = 1
    for values in grid.values():
        size *= len(values)
    if size > MOST:
        raise ValueError(f"{size:,} copies; at most {MOST:,} are made")
    unsets = [("words", name) for name in own_words(person, grid)]
    made: list[Copy] = []
    for combination in product(*grid.values()):
        values = dict(zip(grid, combination, strict=True))
        id_ = "-".join([person.id, *(f"{name}-{_told(values[name], grid[name])}" for name in grid)])
        sets: dict[tuple[str, ...], object] = {
            ("id",): id_,
            **{("traits", name): value for name, value in values.items()},
        }
        made.append(Copy(id_, values, edited(file, text, sets, unsets)))
    return made


def own_words(person: Persona, traits: Mapping[str, object]) -> list[str]:
    """Those of the traits that the person's file tells in its own words."""
    return [name for name in traits if name in person.words]


def read_the_same(name: str, values: Sequence[float]) -> list[tuple[float, float]]:
    """Neighbouring values of a trait that a model is told in the same words."""
    return [(a, b) for a, b in pairwise(values) if trait_phrase(name, a) == trait_phrase(name, b)]


def _told(value: float, values: Sequence[float]) -> str:
    """The value in two decimals, or in as many more as the values have."""
    places = next(d for d in range(2, DECIMALS + 1) if d == DECIMALS or all(float(f"{v:.{d}f}") == v for v in values))
    return f"{value:.{places}f}"
