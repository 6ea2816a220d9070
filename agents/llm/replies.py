"""What a reply means. A model's text is untrusted: it is cut, cleaned, parsed by a schema and never run."""

import json
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import JsonValue, TypeAdapter, ValidationError

from agents.base import Question
from agents.llm.engine import Reply, Request

LONGEST = 4000  # characters of a reply that are kept and read
ENOUGH_MASS = 0.95  # share of probability on the offered choices from which on it counts as the whole distribution
_SLACK = 1e-3  # rounding allowed in a sum of probabilities
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "“": "'", "”": "'", '"': "'"})
_OBJECT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)


@dataclass(frozen=True)
class Verdict:
    """What can be used of a reply."""

    choice: int | None  # index of the one choice that the words name, among the question's choices
    problem: str | None  # why the reply cannot be used, "cause: detail"; None if it can
    missing: float | None = None  # probability that the told distribution leaves out; None where none was told

    @property
    def told_distribution(self) -> bool:
        """Is (nearly) all probability on the choices known?"""
        return self.missing is not None and self.missing <= 1 - ENOUGH_MASS


def shown(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters without control or invisible characters."""
    tidy = re.sub(r" +", " ", text if text.isprintable() else _visible(text)).strip()
    return tidy if len(tidy) <= limit else tidy[: limit - 1] + "…"


def _visible(text: str) -> str:
    """What a printable text is already: with no white space but blanks, and no character of the categories "other"."""
    return "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")


def harmless(text: str, limit: int = 200) -> str:
    """`shown`, and such that it can be put into a prompt in quotes: without what may end them, or what a chat template
    may take for the beginning or the end of somebody's turn.
    """
    return shown(text.translate(_HARMLESS), limit)


def bounded(reply: Reply, redact: Callable[[str], str]) -> Reply:
    """The reply as it is kept and used: cut to LONGEST, storable as UTF-8, without secrets."""
    text = redact(_utf8(reply.text[:LONGEST]))
    error = None if reply.error is None else shown(redact(_utf8(reply.error[:LONGEST]))) or "unknown error"
    return reply if (text, error) == (reply.text, reply.error) else replace(reply, text=text, error=error)


def read(request: Request, reply: Reply) -> Verdict:
    """The verdict on one reply. Never raises, whatever the model wrote."""
    if reply.error is not None:
        return Verdict(None, reply.error)
    if request.way == "words":
        return Verdict(None, None if shown(reply.text) else "empty reply")
    choice, problem = read_choice(reply.text, request.question)
    if request.way == "sample":
        return Verdict(choice, problem)
    missing = missing_mass(reply.log_probs, len(request.question.choices))
    verdict = Verdict(choice, None, missing)
    return verdict if verdict.told_distribution else Verdict(choice, problem, missing)


def missing_mass(log_probs: tuple[float, ...] | None, choices: int) -> float | None:
    """Probability outside the told choices, in [0, 1]; None if there is no distribution over `choices` choices."""
    if log_probs is None or len(log_probs) != choices:
        return None
    try:
        mass = sum(map(math.exp, log_probs))
    except OverflowError:
        return None
    return max(0.0, 1 - mass) if mass <= 1 + _SLACK else None  # NaN is not <= anything


def read_choice(text: str, question: Question) -> tuple[int | None, str | None]:
    """(index of the choice, None) or (None, the named reason why the text is no answer to the question)."""
    body = text[:LONGEST].strip()
    if not body:
        return None, "empty reply"
    fenced = _FENCED.fullmatch(body)
    words = fenced[1] if fenced else body
    try:
        answer = _OBJECT.validate_json(words)
    except ValidationError as error:
        kind = error.errors(include_input=False, include_url=False)[0]["type"]
        return None, "not a JSON object" if kind == "dict_type" else "not JSON"
    if question.key not in answer:
        return None, f"no key {question.key!r}"
    if len(answer) > 1:
        extra = next(k for k in answer if k != question.key)
        return None, f"more than the key {question.key!r}: {shown(extra, 40)}"
    if len(json.loads(words, object_pairs_hook=list)) > 1:
        return None, f"more than the key {question.key!r}: it is there more than once"
    return _index(answer[question.key], question.choices)


def _index(value: JsonValue, choices: tuple[str, ...]) -> tuple[int | None, str | None]:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None, f"choice not offered: {shown(str(value), 40)}"
    said = value.strip() if isinstance(value, str) else _plain(value)
    if said in choices:
        return choices.index(said), None
    number = _number(said)
    for place, choice in enumerate(choices):
        if number is not None and number == _number(choice):
            return place, None
    return None, f"choice not offered: {shown(said, 40)}"


def _plain(value: int | float) -> str:
    """A JSON number in plain digits: 40.0 -> 40. Python refuses to print whole numbers of over 4300 digits."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "a huge number" if isinstance(value, int) and abs(value) >= 10**30 else str(value)


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _utf8(text: str) -> str:
    """Lone surrogates cannot be stored as UTF-8; they become '?'."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
