"""The one batch interface between people and models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from agents.base import Question

Way = Literal["sample", "distribution", "words"]
"""One choice, the chance of every choice, or free text, which has no choices."""
Setting = str | int | float | bool | None


@dataclass(frozen=True)
class Request:
    """One question to a model. `draw` tells repeated samples of one question apart."""

    question: Question
    way: Way
    draw: int = 0
    complaint: str | None = None  # what was wrong with the last reply, when this is a retry
    said: str | None = None  # the reply that is complained of
    limit: int = 0  # of words: the characters that are of use, and so the tokens that may be paid for


@dataclass(frozen=True)
class Reply:
    """What a model answered: its words, and the log-probability of every choice where that was asked for."""

    text: str
    log_probs: tuple[float, ...] | None = None  # [K], in the question's order of choices
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    error: str | None = None  # why there is no answer (time-out, refused connection, ...)
    faults: tuple[str, ...] = ()  # why earlier tries of the same call failed, "cause: detail", if it was sent again


class Engine(Protocol):
    """A language model that answers a whole batch at once. Replies come in the order of the requests."""

    model: str  # as the user names it, e.g. "embedded", "openai:gpt-x"
    ways: frozenset[Way]  # how it can be asked

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request. Never raises for a single bad reply: that goes into `Reply.error`."""
        ...


class Line(Protocol):
    """Calls in flight to one engine."""

    def send(self, requests: Sequence[tuple[int, Request]]) -> None:
        """Puts them in flight, without waiting; the numbers are free, and name them."""
        ...

    def replies(self, seconds: float | None = None) -> list[tuple[int, Reply]]:
        """Those that have come in since the last time, in any order; waits until there is one, or so long."""
        ...

    def close(self) -> None:
        """Gives up what is still in flight."""
        ...


@runtime_checkable
class Concurrent(Engine, Protocol):
    """An engine whose answers do not depend on what else is asked meanwhile: they may come one by one."""

    max_in_flight: int

    def line(self) -> Line:
        """A line of its own, for one thread."""
        ...


@runtime_checkable
class Described(Protocol):
    """An engine that says what else decides its answers: temperature, a hash of the weights, ..."""

    parameters: Mapping[str, Setting]


@runtime_checkable
class Counting(Protocol):
    """An engine that knows how many tokens a prompt has, before it is sent."""

    def tokens(self, request: Request) -> int:
        """Of the whole prompt. ValueError: it cannot be told."""
        ...


@runtime_checkable
class Rewording(Protocol):
    """An engine that asks for the chances of choices in words of its own."""

    def sent(self, request: Request) -> list[tuple[str, str]]:
        """The messages (role, text) as the model gets them; the last is the beginning of its answer, where that is
        begun for it. ValueError: it cannot be told.
        """
        ...


def parameters_of(engine: Engine) -> dict[str, Setting]:
    """What the engine says of itself; part of the key under which its answers are kept."""
    return dict(engine.parameters) if isinstance(engine, Described) else {}
