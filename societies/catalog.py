"""Societies by name: a society is a file societies/library/NAME.py with a function `society(objective) -> Society`.

It takes `talk` besides where people can hear each other.
"""

import importlib
import inspect
import pkgutil

import societies.library
from societies.base import Society


def names() -> tuple[str, ...]:
    """Every society in the library (files that only hold a society's words are not societies)."""
    found = (m.name for m in pkgutil.iter_modules(societies.library.__path__))
    return tuple(sorted(n for n in found if not n.endswith("_words")))


def load(name: str, objective: str | None = None, talk: str | None = None) -> Society:
    """The society of that name, with its own headline objective and its own way to talk unless another is named.

    ValueError: no such society, objective or talk, naming those there are.
    """
    if name not in names():
        raise ValueError(f"there is no society {name!r}; choose one of: {', '.join(names())}")
    module = importlib.import_module(f"societies.library.{name}")
    if talk is not None and "talk" not in inspect.signature(module.society).parameters:
        raise ValueError(f"{name}: nobody can talk there; leave talk out")
    given = {key: value for key, value in (("objective", objective), ("talk", talk)) if value is not None}
    made: Society = module.society(**given)
    return made
