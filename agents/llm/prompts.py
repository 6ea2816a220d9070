"""A request as messages, as an answer schema, and as the key under which its reply is kept."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from agents.base import Question
from agents.llm.engine import Request, Setting
from agents.llm.replies import Verdict, shown

Message = tuple[str, str]  # (role, text)
NO_ANSWER = "(no answer)"


def messages(request: Request) -> list[Message]:
    """Who you are, the news and, on a retry, what was said and what is wrong with it."""
    told = [("system", request.question.system), ("user", request.question.user)]
    if request.complaint is not None:
        told += [("assistant", request.said or NO_ANSWER), ("user", request.complaint)]
    return told


def prompt_bytes(request: Request) -> int:
    """Of all its messages."""
    return sum(len(text.encode("utf-8", "replace")) for _, text in messages(request))


def retry(request: Request, text: str, verdict: Verdict, attempt: int) -> Request:
    """The request that shows the model its unusable reply. `attempt` counts from 1 for the first retry."""
    form = json.dumps({request.question.key: "…"}, ensure_ascii=False)
    how = f"with JSON only, in the form {form}, with one of: {', '.join(request.question.choices)}"
    if request.way == "words":
        how = "with a few words"
    complaint = f"That answer cannot be used ({verdict.problem}). Answer again (attempt {attempt + 1}), {how}."
    return replace(request, complaint=complaint, said=shown(text))


def answer_schema(question: Question) -> dict[str, object]:
    """The JSON schema of an answer: one key, one of the choices."""
    values = [json_value(c) for c in question.choices]
    kind = "integer" if all(isinstance(v, int) for v in values) else "string"
    offered = {"type": kind, "enum": values if kind == "integer" else list(question.choices)}
    return {
        "type": "object",
        "properties": {question.key: offered},
        "required": [question.key],
        "additionalProperties": False,
    }


def json_value(choice: str) -> int | str:
    """A choice as it is written in JSON: whole numbers as numbers."""
    return int(choice) if choice.isascii() and choice.isdigit() and str(int(choice)) == choice else choice


def in_words(request: Request, choice: int) -> str:
    """The JSON answer that names a choice."""
    return canonical({request.question.key: json_value(request.question.choices[choice])})


class CallKeys:
    """Keys of calls to one model with one set of parameters: SHA-256 over canonical JSON.

    What repeats (model, parameters, system message, form of the answer) is hashed once and enters as its own SHA-256.
    """

    def __init__(self, model: str, parameters: Mapping[str, Setting]) -> None:
        self.model, self.parameters_json = model, canonical(dict(parameters))
        self._lasting: dict[tuple[str, str, tuple[str, ...], str], str] = {}

    def of(self, request: Request) -> bytes:
        """The key [32 bytes] of one request."""
        parts = [self._what_lasts(request), request.question.user, request.draw, request.complaint, request.said]
        parts += [request.limit] if request.limit else []  # of words only
        return hashlib.sha256(canonical(parts).encode()).digest()

    def _what_lasts(self, request: Request) -> str:
        q = request.question
        known = self._lasting.get((q.system, q.key, q.choices, request.way))
        if known is None:
            parts = (self.model, self.parameters_json, q.system, q.key, q.choices, request.way)
            known = hashlib.sha256(canonical(parts).encode()).hexdigest()
            self._lasting[q.system, q.key, q.choices, request.way] = known
        return known


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: object) -> str:
    """JSON with one spelling only: sorted keys, no spaces, ASCII. ValueError for NaN and infinities."""
    return _ENCODER.encode(value)
