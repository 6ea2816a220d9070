"""What other installed packages bring along, found by their entry points: societies, and populations."""

from collections.abc import Callable, Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any

POPULATIONS = "solon.populations"
OWN_KINDS = ("llm", "scripted", "rl")


def offered(group: str) -> tuple[str, ...]:
    """The names that installed packages offer under a group of entry points."""
    return tuple(sorted(entry_points(group=group).names))


def load(group: str, name: str, own: Collection[str] = ()) -> Callable[..., Any]:
    """What a package offers under that name; `own` are the names that Solon's own go by.

    ValueError naming the package: the name is taken, by Solon or by another package; or it cannot be loaded.
    """
    found = tuple(entry_points(group=group).select(name=name))
    owners = [*(["Solon"] if name in own else []), *map(origin_of, found)]
    if len(owners) != 1:
        whose = " and ".join(owners) or "nobody"
        raise ValueError(
            f"{name!r} in {group} is offered by {whose}; rename it in the entry points of a package, or uninstall one"
        )
    try:
        made = found[0].load()
    except Exception as error:  # whatever a package's own code may raise
        raise _broken(group, found[0], f"cannot be loaded ({type(error).__name__}: {error})") from error
    if not callable(made):
        raise _broken(group, found[0], f"is a {type(made).__name__}; it must be a function that makes one")
    return made


def origin(group: str, name: str) -> str | None:
    """The package that offers a name, and its version: "my-pot 1.2". None where no package does."""
    found = tuple(entry_points(group=group).select(name=name))
    return origin_of(found[0]) if found else None


def origin_of(entry: EntryPoint) -> str:
    """The package of an entry point, and its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package without metadata"


def population(kind: str) -> Callable[..., Any]:
    """The function (society, **settings) -> Population that a package offers as `population.kind`. ValueError."""
    return load(POPULATIONS, kind, OWN_KINDS)


def _broken(group: str, entry: EntryPoint, what: str) -> ValueError:
    return ValueError(f"{origin_of(entry)}: {entry.value}, its {entry.name!r} in {group}, {what}; mend that package")
