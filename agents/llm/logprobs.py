"""The probability of every choice, read off the likeliest tokens at the place where a reply names its choice."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agents.base import Question

_AROUND = " \t\r\n\"'{}:,"  # what may stand beside a choice within a token


@dataclass(frozen=True)
class Token:
    """One token of a reply, and the likeliest tokens at its place with their log-probabilities."""

    text: str
    likeliest: tuple[tuple[str, float], ...]


def choice_log_probs(tokens: Sequence[Token], question: Question) -> tuple[float, ...] | None:
    """[K] log-probabilities of the choices, -inf where a choice is not among the likeliest tokens.

    None if the reply does not name the question's key. Nothing is made up for choices that are not seen, and a token
    that may be the beginning of several choices ("4" of 40 and 45) counts for none of them.
    """
    place = _value_place(tokens, question.key)
    if place is None:
        return None
    told = [(text.strip(_AROUND), log_prob) for text, log_prob in tokens[place].likeliest]
    whole = any(text in question.choices and len(text) > 1 for text, _ in told)
    mass = [0.0] * len(question.choices)
    for text, log_prob in told:
        choice = _meant(text, question.choices, whole)
        if choice is not None:
            mass[choice] += math.exp(log_prob)
    return tuple(math.log(m) if m > 0 else -math.inf for m in mass)


def _value_place(tokens: Sequence[Token], key: str) -> int | None:
    """The place of the token in which the value of `key` begins."""
    text = "".join(token.text for token in tokens)
    found = re.search(rf'"{re.escape(key)}"\s*:\s*"?', text)
    if found is None:
        return None
    end = 0
    for place, token in enumerate(tokens):
        end += len(token.text)
        if end > found.end():
            return place
    return None


def _meant(text: str, choices: tuple[str, ...], whole: bool) -> int | None:
    """The choice that a token stands for. `whole`: the tokenizer writes choices of several characters as one token."""
    begun = [i for i, choice in enumerate(choices) if text and choice.startswith(text)]
    if len(begun) > 1 and not (whole and text in choices):
        return None
    return choices.index(text) if text in choices else next(iter(begun), None)
