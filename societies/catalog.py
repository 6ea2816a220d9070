"""Societies by name: a society is a file societies/library/NAME.py with a function `society(objective) -> Society`."""

import importlib
import pkgutil

import societies.library
from societies.base import Society


def names() -> tuple[str, ...]:
    """Every society in the library (files that only hold a society's words are not societies)."""
    found = (m.name for m in pkgutil.iter_modules(societies.library.__path__))
    return tuple(sorted(n for n in found if not n.endswith("_words")))


def load(name: str, objective: str | None = None) -> Society:
    """The society of that name, with its own headline objective unless another is named.

    ValueError: no such society or objective, naming those there are.
    """
    if name not in names():
        raise ValueError(f"there is no society {name!r}; choose one of: {', '.join(names())}")
    module = importlib.import_module(f"societies.library.{name}")
    made: Society = module.society() if objective is None else module.society(objective)
    return made
