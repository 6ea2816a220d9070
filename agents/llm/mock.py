"""Stand-ins for a model: scripted replies for tests and dry runs."""

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b

from agents.llm.engine import Reply, Request, Way
from agents.llm.prompts import in_words

Answer = Reply | str | int  # a whole reply, its words, or the index of the choice that is named
BOTH_WAYS: frozenset[Way] = frozenset({"sample", "distribution"})
ALL_WAYS: frozenset[Way] = frozenset({"sample", "distribution", "words"})


class MockEngine:
    """Answers from a list (in the order of the requests; ValueError when it is used up) or by a function.

    Where a distribution is asked for, an index is told with certainty.
    """

    def __init__(
        self,
        answers: Sequence[Answer] | Callable[[Request], Answer],
        model: str = "mock",
        ways: frozenset[Way] = BOTH_WAYS,
    ) -> None:
        self.model, self.ways = model, ways
        self.batches: list[list[Request]] = []  # what it was asked, batch by batch
        self._answers = answers
        self._used = 0

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        self.batches.append(list(requests))
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        answer = self._next(request)
        if isinstance(answer, Reply):
            return answer
        text = in_words(request, answer) if isinstance(answer, int) else answer
        known = isinstance(answer, int) and request.way == "distribution"
        log_probs = tuple(0.0 if i == answer else -math.inf for i in range(len(request.question.choices)))
        return Reply(text, log_probs if known else None, *_tokens(request, text))

    def _next(self, request: Request) -> Answer:
        if callable(self._answers):
            return self._answers(request)
        if self._used >= len(self._answers):
            raise ValueError(f"{self.model} was given {len(self._answers)} answers and is asked for one more")
        self._used += 1
        return self._answers[self._used - 1]


def _tokens(request: Request, text: str) -> tuple[int, int]:
    """About four characters a token, as a stand-in."""
    return (len(request.question.system) + len(request.question.user)) // 4 + 1, len(text) // 4 + 1


_WORDS = "I have nothing to say."


def _uniform(request: Request) -> Reply:
    if request.way == "words":
        return Reply(_WORDS, None, *_tokens(request, _WORDS))
    size = len(request.question.choices)
    seen = f"{request.question.system}|{request.question.user}|{request.draw}".encode("utf-8", "replace")
    text = in_words(request, int.from_bytes(blake2b(seen, digest_size=8).digest(), "little") % size)
    log_probs = (-math.log(size),) * size if request.way == "distribution" else None
    return Reply(text, log_probs, *_tokens(request, text))


def _broken(request: Request) -> str:
    return "I would rather talk about the weather."


def _middle(request: Request) -> int | str:
    return _WORDS if request.way == "words" else len(request.question.choices) // 2


MOCKS: dict[str, Callable[[Request], Answer]] = {"uniform": _uniform, "middle": _middle, "broken": _broken}


def mock(name: str) -> MockEngine:
    """A ready-made mock: "uniform" (all choices alike), "middle" (always the same), "broken" (never in format)."""
    if name not in MOCKS:
        raise ValueError(f"there is no mock {name!r}; choose one of: {', '.join(f'mock:{m}' for m in MOCKS)}")
    return MockEngine(MOCKS[name], f"mock:{name}", ALL_WAYS)
