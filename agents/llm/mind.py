"""What a person keeps in mind between the periods of one episode, and how it is put in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Literal

from torch import Tensor

from agents.llm.wording import Wording

Reasoning = Literal["off", "short", "long"]
LONGEST = {"short": 400, "long": 2_000}  # characters of thoughts that are kept in mind
Who = tuple[int, int]  # (world, agent)


@dataclass(frozen=True)
class Mind:
    """What there is of it: periods that are remembered, the best and the worst ones besides; characters of a note to
    oneself; thoughts before a decision.
    """

    last: int = 0
    best: int = 0
    worst: int = 0
    note: int = 0
    reasoning: Reasoning = "off"

    @property
    def writes(self) -> bool:
        """Does the model have to write words of its own?"""
        return self.note > 0 or self.reasoning != "off"

    @property
    def is_empty(self) -> bool:
        """Is there nothing of it?"""
        return self == Mind()


@dataclass(frozen=True)
class Past:
    """One period as somebody remembers it."""

    number: int  # from 1
    news: str
    answer: str
    went: float | None = None  # how it went, as one sees it; None = cannot be told (yet)
    answered: bool = True  # False = something was done in place of an answer that could not be had


@dataclass(frozen=True)
class Minds:
    """Everybody's, and the last actions [B, N], which a population keeps for itself."""

    last: Tensor
    past: Mapping[Who, tuple[Past, ...]] = field(default_factory=dict[Who, tuple[Past, ...]])
    notes: Mapping[Who, str] = field(default_factory=dict[Who, str])

    def judged(self, period: int, went: Tensor) -> "Minds":
        """went: [B, N] how that period, the last, went for everybody, as is seen now."""
        seen: list[list[float]] = went.tolist()

        def known(who: Who, past: tuple[Past, ...]) -> tuple[Past, ...]:
            value = seen[who[0]][who[1]]
            if past[-1].number != period or isnan(value):
                return past
            return (*past[:-1], replace(past[-1], went=value))

        return replace(self, past={who: known(who, past) for who, past in self.past.items()})

    def remembering(self, who: Who, period: Past) -> tuple[Past, ...]:
        """With one more period."""
        return (*self.past.get(who, ()), period)


def remembered(mind: Mind, past: Sequence[Past], words: Wording, what: str) -> str:
    """What somebody remembers, oldest first; a period is told once, the best and worst ones as such. "" = nothing.

    what: how a period went is told by.
    """
    judged = sorted((p for p in past if p.went is not None), key=lambda p: (p.went, -p.number))
    best = {p.number for p in judged[max(0, len(judged) - mind.best) :]}
    worst = {p.number for p in judged[: mind.worst]} - best
    last = {p.number for p in past[max(0, len(past) - mind.last) :]}

    def told(p: Past) -> str:
        name = "best" if p.number in best else "worst" if p.number in worst else "period"
        name = name if p.answered else "unanswered"
        outcome = "" if p.went is None else words.fill("outcome", what=what, value=f"{p.went:,.0f}")
        return words.fill(name, number=p.number, news=p.news, answer=p.answer, outcome=outcome).rstrip()

    periods = [told(p) for p in past if p.number in best | worst | last]
    return words.fill("memory", periods="\n".join(periods)) if periods else ""
