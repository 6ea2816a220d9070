"""'Did you mean': the closest allowed word to a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(word: str, allowed: Iterable[str]) -> str:
    """A clause to put after the misspelt word, empty when nothing is close."""
    known = {name.lower(): name for name in allowed}
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f" (did you mean {known[close[0]]!r}?)" if close else ""
