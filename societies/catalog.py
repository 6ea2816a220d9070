"""Societies by name: a society is a file societies/library/NAME.py with a function `society(objective) -> Society`.

It takes `talk` besides where people can hear each other, and `payoffs` where these make the game. Other installed
packages bring societies along by entry points of the group `solon.societies`, each of which names such a function.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import societies.library
from agents.packages import load as load_offered
from agents.packages import offered, origin
from societies.base import Society
from societies.games import Nested

GROUP = "solon.societies"
WITHOUT = {
    "objective": "it has one objective only",
    "talk": "nobody can talk there",
    "payoffs": "it is not played by payoffs",
}


def library() -> tuple[str, ...]:
    """Every society in the library (files that only hold a society's words are not societies)."""
    found = (m.name for m in pkgutil.iter_modules(societies.library.__path__))
    return tuple(sorted(n for n in found if not n.endswith("_words")))


def names() -> tuple[str, ...]:
    """Every society: those in the library, and those of other packages."""
    return tuple(sorted({*library(), *offered(GROUP)}))


def load(
    name: str, objective: str | None = None, talk: str | None = None, payoffs: str | Nested | None = None
) -> Society:
    """The society of that name, with its own headline objective, way to talk and payoffs unless others are named.

    ValueError: no such society, objective or talk, naming those there are; or what a package offers is no society.
    """
    if name not in names():
        raise ValueError(f"there is no society {name!r}; choose one of: {', '.join(names())}")
    make = _maker(name)
    told = {"objective": objective, "talk": talk, "payoffs": payoffs}
    given = {key: value for key, value in told.items() if value is not None}
    for key in given.keys() - inspect.signature(make).parameters.keys():
        raise ValueError(f"{name}: {WITHOUT[key]}; leave {key} out")
    made: Society = make(**given)
    _check_whole(name, made)
    return made


def _maker(name: str) -> Callable[..., Any]:
    if name in offered(GROUP):
        return load_offered(GROUP, name, library())
    return importlib.import_module(f"societies.library.{name}").society


def _check_whole(name: str, made: object) -> None:
    """ValueError where what a package made is no society, or goes by another name."""
    package = origin(GROUP, name)
    if package is None:
        return
    methods = (member for member in vars(Society) if not member.startswith("_"))
    lacking = [member for member in (*Society.__annotations__, *methods) if not hasattr(made, member)]
    if lacking:
        raise ValueError(
            f"{package}: its society {name!r} lacks {', '.join(lacking)}; societies/base.py says what it is"
        )
    called = getattr(made, "name", name)
    if called != name:
        raise ValueError(f"{package}: its society {name!r} calls itself {called!r}; give both the same name")
