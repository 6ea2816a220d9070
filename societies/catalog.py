"""Societies by name: a society is a file societies/library/NAME.py with a function `society(objective) -> Society`.

It takes `talk` besides where people can hear each other, and `payoffs` where these make the game.
"""

import importlib
import inspect
import pkgutil

import societies.library
from societies.base import Society
from societies.games import Nested


def names() -> tuple[str, ...]:
    """Every society in the library (files that only hold a society's words are not societies)."""
    found = (m.name for m in pkgutil.iter_modules(societies.library.__path__))
    return tuple(sorted(n for n in found if not n.endswith("_words")))


def load(
    name: str, objective: str | None = None, talk: str | None = None, payoffs: str | Nested | None = None
) -> Society:
    """The society of that name, with its own headline objective, way to talk and payoffs unless others are named.

    ValueError: no such society, objective or talk, naming those there are.
    """
    if name not in names():
        raise ValueError(f"there is no society {name!r}; choose one of: {', '.join(names())}")
    module = importlib.import_module(f"societies.library.{name}")
    told = {"objective": objective, "talk": talk, "payoffs": payoffs}
    given = {key: value for key, value in told.items() if value is not None}
    known = inspect.signature(module.society).parameters
    for key, why in (("talk", "nobody can talk there"), ("payoffs", "it is not played by payoffs")):
        if key in given and key not in known:
            raise ValueError(f"{name}: {why}; leave {key} out")
    made: Society = module.society(**given)
    return made
