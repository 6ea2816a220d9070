"""Settings of engines: what they may be, and errors that name them."""

import math
from dataclasses import dataclass

_MOST = 1_000_000


def check_seconds(name: str, value: object) -> None:
    """ValueError unless it is a number above 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError(f"setting {name!r} must be a number of seconds above 0, such as 60; it is {value!r}")


def check_temperature(value: object) -> None:
    """ValueError unless it is a number of at least 0, or None."""
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise ValueError(f"setting 'temperature' must be a number of at least 0, such as 1.0; it is {value!r}")


def check_whole(name: str, value: object) -> None:
    """ValueError unless it is a whole number from 1 to a million."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise ValueError(f"setting {name!r} must be a whole number of at least 1, at most {_MOST:,}; it is {value!r}")


@dataclass(frozen=True)
class Limits:
    """Of one engine's calls. ValueError: a setting that cannot be."""

    timeout: float = 120.0  # seconds for one try
    patience: float = 600.0  # seconds in which a call is sent again
    max_in_flight: int = 512

    def __post_init__(self) -> None:
        check_seconds("timeout", self.timeout)
        check_seconds("patience", self.patience)
        check_whole("max_in_flight", self.max_in_flight)
