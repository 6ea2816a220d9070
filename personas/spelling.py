"""'Did you mean': the closest allowed word to a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(word: str, allowed: Iterable[str]) -> str:
    """A clause to put after the misspelt word, empty when nothing is close."""
    close = get_close_matches(word.lower(), list(allowed), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
