"""Keeps secrets out of everything that is written or shown."""

import os
import re
from collections.abc import Callable, Iterable, Mapping

_SECRET_NAME = re.compile(
    r"(api|access|private)[_-]?key|^key$|^sig(nature)?$|token$|secret|passw|authorization|credential", re.IGNORECASE
)
_SECRET_FORM = re.compile(r"\b(?:sk|pk|rk|hf|gsk|xai)[-_][A-Za-z0-9_-]{12,}|\bbearer\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_LOGIN = re.compile(r"(https?://)[^/\s@]+@")
_SHORTEST = 8  # characters; shorter values of such variables are no keys, and would blot out ordinary words


def redactor() -> Callable[[str], str]:
    """A function that removes the values of this process's secret variables, key-like words and logins in URLs."""
    found = {v for k, v in os.environ.items() if len(v) >= _SHORTEST and _SECRET_NAME.search(k)}
    secrets = sorted(found, key=len, reverse=True)

    def redact(text: str) -> str:
        for value in secrets:
            text = text.replace(value, "[redacted]")
        return _LOGIN.sub(r"\1", _SECRET_FORM.sub("[redacted]", text))

    return redact


def redact(text: str) -> str:
    """One text without secrets."""
    return redactor()(text)


def refuse_secret_values(settings: Mapping[str, object]) -> None:
    """ValueError if a setting, by its name or its value, is a key or a login: settings are written to the journal."""
    refuse_secrets(settings)
    for name, value in settings.items():
        if isinstance(value, str) and redact(value) != value:
            raise ValueError(
                f"setting {name!r} holds a key or a login, which would be written to the journal; remove it and use "
                "the provider's environment variable instead"
            )


def refuse_secrets(names: Iterable[str]) -> None:
    """ValueError if a setting looks like a key: settings are written to the journal, keys never are."""
    for name in names:
        if _SECRET_NAME.search(name):
            raise ValueError(
                f"setting {name!r} looks like a secret and would be written to the journal; "
                "remove it and set the provider's environment variable (for example OPENAI_API_KEY) instead"
            )
