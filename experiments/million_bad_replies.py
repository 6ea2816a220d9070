"""Claim: whatever a model writes, nothing breaks, and nothing is taken for an answer that is none.

Replies are mutations of real ones (cut, repeated, misspelt, with marks, digits and controls of all scripts put in), and
texts that hypothesis makes up; some come with log-probabilities, of which many cannot be. What is taken for an answer
is checked by a second reading of the rules, which shares no code with the first.
"""

import json
import math
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.base import Question
from agents.llm.engine import Reply, Request, Way
from agents.llm.redact import redactor
from agents.llm.replies import Verdict, bounded, read
from experiments.claims import Outcome

SEED = 0
MUTATIONS, MADE_UP = 950_000, 50_000  # replies
QUESTIONS = (
    Question("You are Ada.", "The tax is 30%.", "hours", tuple(str(h) for h in range(0, 101, 5))),
    Question("You are Ben.", "Where to?", "move", ("up", "down", "left", "right", "stay")),
)
REAL = (
    '{"hours":40}',
    '{"hours": 40}',
    '{"hours": "40"}',
    '{"hours": 40.0}',
    '```json\n{"hours": 40}\n```',
    'Sure! {"hours": 40}',
    '{"hours": 40, "why": "I need the money"}',
    '{"move":"up"}',
    '{"move": "stay"}',
    '```\n{"move":"left"}\n```',
    "I would rather not.",
    "",
)
MARKS = (
    "{}[]\":,'`\\/ \t\n\r\0\x1b0123456789eE+-._abcdefjsontrulhomvpdw\u00a0\u200b\u202e\ufeff\uff14\u0664½é漢🙂\ud800"
)
PIECES = (
    "40",
    "1e1",
    "-0",
    "NaN",
    "Infinity",
    "null",
    "true",
    '"hours":',
    '"move":"up"',
    "{",
    "}",
    "[" * 50,
    "\\u0034",
    "```",
)
LONGEST = 10_000  # characters
CHANCES = (0.0, -0.1, -1.0, -3.0, -50.0, 0.5, 1e3, math.nan, math.inf, -math.inf)


@dataclass
class Found:
    """What became of the replies."""

    redact: Callable[[str], str] = field(default_factory=redactor)
    replies: int = 0
    seconds: float = 0.0  # spent in reading them
    causes: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])  # taken for what they are not, or crashed
    told: int = 0  # whole distributions


def claim(smoke: bool) -> Outcome:
    """Reads them all."""
    mutations, made_up = (2_000, 200) if smoke else (MUTATIONS, MADE_UP)
    found = Found()
    for request, reply in mutated(random.Random(SEED), mutations):
        _examine(request, reply, found)
    for text in invented(made_up):
        for question in QUESTIONS:
            _examine(Request(question, "sample"), Reply(text), found)
    each = found.seconds / found.replies
    return Outcome(
        claim="whatever a model writes, nothing breaks, and nothing is taken for an answer that is none",
        passed=not found.wrong,
        figure=f"{len(found.wrong)} of {found.replies:,} bad replies crashed or were wrongly taken, {1 / each:,.0f}/s",
        bar="0",
        figures={
            "replies": found.replies,
            "answers": found.causes["an answer"],
            "distributions": found.told,
            "causes": dict(found.causes.most_common()),
            "wrong": [*found.wrong[:20]],
            "replies_a_second": round(1 / each),
        },
        seeds=(SEED,),
        smoke=smoke,
    )


def mutated(lots: random.Random, count: int) -> Iterator[tuple[Request, Reply]]:
    """Real replies with one to six changes, for either question, asked for in either way."""
    for _ in range(count):
        text = lots.choice(REAL)
        for _ in range(lots.randint(1, 6)):
            text = lots.choice(CHANGES)(text, lots)[:LONGEST]
        question = lots.choice(QUESTIONS)
        way: Way = lots.choice(("sample", "distribution"))
        yield Request(question, way), Reply(text, _log_probs(lots, len(question.choices)))


def _cut(text: str, lots: random.Random) -> str:
    start, end = sorted((lots.randint(0, len(text)), lots.randint(0, len(text))))
    return text[:start] + text[end:]


def _repeated(text: str, lots: random.Random) -> str:
    start, end = sorted((lots.randint(0, len(text)), lots.randint(0, len(text))))
    return text[:end] + text[start:end] * lots.choice((1, 1, 2, 300)) + text[end:]


def _with_mark(text: str, lots: random.Random) -> str:
    place = lots.randint(0, len(text))
    return text[:place] + lots.choice(MARKS) + text[place + lots.randint(0, 1) :]


def _with_piece(text: str, lots: random.Random) -> str:
    place = lots.randint(0, len(text))
    return text[:place] + lots.choice(PIECES) + text[place:]


def _other_number(text: str, lots: random.Random) -> str:
    return re.sub(r"[0-9]+", lambda _: str(lots.choice((lots.randint(-9, 120), 10**18, 0.1, 45))), text, count=1)


CHANGES: Sequence[Callable[[str, random.Random], str]] = (
    _cut,
    _repeated,
    _with_mark,
    _with_mark,
    _with_piece,
    _other_number,
)


def _log_probs(lots: random.Random, choices: int) -> tuple[float, ...] | None:
    if lots.random() < 0.5:
        return None
    if lots.random() < 0.3:  # such as a server would tell: some of the whole
        weights = [lots.random() for _ in range(choices)]
        whole = sum(weights) / lots.choice((1.0, 0.999, 0.96, 0.9, 1.01))
        return tuple(math.log(weight / whole) for weight in weights)
    return tuple(lots.choice(CHANCES) for _ in range(lots.choice((0, 1, choices, choices, choices + 1))))


def invented(count: int) -> list[str]:
    """Texts that hypothesis makes up: any text, any JSON, and objects with our keys."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    trees = st.recursive(
        scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8
    )
    ours = st.dictionaries(st.sampled_from(("hours", "move", "Hours", "hours ")), scalars | st.sampled_from((40, "up")))
    texts = st.text() | trees.map(json.dumps) | ours.map(json.dumps)
    found: list[str] = []

    @seed(SEED)
    @settings(
        max_examples=count,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        deadline=None,
    )
    @given(texts)
    def gather(text: str) -> None:
        found.append(text)

    gather()
    return found


def _examine(request: Request, reply: Reply, found: Found) -> None:
    began = time.perf_counter()
    try:
        kept = bounded(reply, found.redact)
        verdict = read(request, kept)
    except Exception as error:  # the very thing that must not happen: it is counted, and shown
        found.wrong.append(f"{type(error).__name__}: {reply.text[:200]!r}")
        found.replies += 1
        return
    found.seconds += time.perf_counter() - began
    found.replies += 1
    found.told += verdict.told_distribution
    found.causes[(verdict.problem or "an answer").partition(":")[0]] += 1
    if not _right(request, kept, verdict):
        found.wrong.append(f"{verdict}: {reply.text[:200]!r} {reply.log_probs}")


def _right(request: Request, reply: Reply, verdict: Verdict) -> bool:
    """Is what was taken for an answer one? By a second reading of the rules."""
    whole = request.way == "distribution" and _is_whole(reply.log_probs, len(request.question.choices))
    if verdict.told_distribution != whole:
        return False
    if verdict.choice is None:
        return whole or verdict.problem is not None
    return _names(reply.text, request.question, request.question.choices[verdict.choice])


def _is_whole(log_probs: tuple[float, ...] | None, choices: int) -> bool:
    """Do they leave at most a twentieth out, and not exceed one by more than rounding?"""
    if log_probs is None or len(log_probs) != choices or any(math.isnan(x) or x > 1 for x in log_probs):
        return False
    return 0.95 <= math.fsum(math.exp(x) for x in log_probs) <= 1.001


class _Object(list[tuple[str, Any]]):
    """A JSON object, with every key as often as it stands there."""


def _names(text: str, question: Question, choice: str) -> bool:
    """Is the text JSON with the key and no other, and that choice under it, as a number or in words?"""
    body = text.strip()
    if body.startswith("```"):
        body = body.strip("`").strip().removeprefix("json").removeprefix("JSON").strip()
    try:
        pairs = json.loads(body, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return False
    if not isinstance(pairs, _Object) or len(pairs) != 1 or pairs[0][0] != question.key:
        return False
    value = pairs[0][1].strip() if isinstance(pairs[0][1], str) else pairs[0][1]
    return value == choice or (choice.isdecimal() and _number(value) == float(choice))


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None
