"""From the words of a config to the settings of the method."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from experiments.config import MethodConfig, Scalar
from experiments.errors import UserError
from mechanism.swm_ap import SWMSettings
from personas.spelling import suggest


def settings_of(method: MethodConfig) -> SWMSettings:
    """The settings of SWM-AP, with its real episodes split between exploring, checking and later rounds.

    UserError: an unknown setting, a value of the wrong type, or too few episodes for that split.
    """
    nested = _nested(method.settings)
    _refuse_unknown(nested, SWMSettings(), "method.settings")
    try:
        settings = TypeAdapter(SWMSettings).validate_python(nested)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["method", "settings", *map(str, first["loc"])])
        raise UserError(f"{first['msg'].lower()}, found {first['input']!r}", where=where) from None
    return _with_episodes(settings, nested, method.episodes)


def _with_episodes(settings: SWMSettings, given: Mapping[str, Any], episodes: int) -> SWMSettings:
    if "first_episodes" in given:
        raise UserError(
            "first_episodes follows from method.episodes", where="method.settings", fix="set method.episodes instead"
        )
    later = settings.rounds * 2 * settings.check_episodes + (settings.rounds - 1) * settings.later_episodes
    if episodes - later < 2:
        raise UserError(
            f"{episodes} episodes leave {episodes - later} to explore with, after {later} for checks and later rounds",
            where="method.episodes",
            fix=f"give at least {later + 2}, or set method.settings.check_episodes=0",
        )
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return SWMSettings(**{**values, "first_episodes": episodes - later})


def _nested(flat: Mapping[str, Scalar]) -> dict[str, Any]:
    """{"fit.steps": 3} -> {"fit": {"steps": 3}}"""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        inner = nested
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return nested


def _refuse_unknown(given: Mapping[str, Any], known: Any, where: str) -> None:
    names = [f.name for f in fields(known)]
    for name, value in given.items():
        if name not in names:
            fix = f"choose from: {', '.join(names)}"
            raise UserError(f"no setting {name!r}{suggest(name, names)}", where=where, fix=fix)
        if isinstance(value, dict) and is_dataclass(getattr(known, name)):
            _refuse_unknown(value, getattr(known, name), f"{where}.{name}")
