"""What is read from answers in OpenAI's form, whoever sent them: everything in them is untrusted."""

from collections.abc import Mapping
from typing import Any

from agents.llm.logprobs import Token

_CERTAIN = 1e-3  # the largest log-probability that is believed: 0, and some rounding
_MOST_TOKENS = 10**9  # in or out, that one call is believed to have taken


def token_count(told: object) -> int:
    """Within what one call can take: a negative count would lower what is spent, a huge one cannot be kept."""
    return int(min(max(0, told), _MOST_TOKENS)) if isinstance(told, int | float) else 0


def told_tokens(told: Mapping[str, Any]) -> list[Token]:
    """Those of a choice's `logprobs`. ValueError, TypeError, KeyError or AttributeError: they are of another form."""
    return [
        Token(
            str(token["token"]),
            tuple((str(t["token"]), log_prob(t["logprob"])) for t in token.get("top_logprobs") or []),
        )
        for token in told.get("content") or []
    ]


def log_prob(told: Any) -> float:
    """ValueError if it is none."""
    value = float(told)
    if not value <= _CERTAIN:  # NaN is not <= anything
        raise ValueError(f"{value:g} is no log-probability")
    return value
