"""What became of the decisions of one round, as numbers for the learners and as rows for the journal."""

import hashlib
import math
import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

import torch
from torch import Tensor

from agents.base import Fallback
from agents.llm.asking import Ask
from agents.llm.engine import Request
from agents.llm.journal import Decided, Entry, Tag
from agents.llm.prompts import retry

FallbackName = Literal["repeat_last", "uniform", "skip", "abort"]


@dataclass
class Outcome:
    """One decision in the making. `offered` are those of the society's K choices that are allowed, in order."""

    world: int
    agent: int
    offered: Sequence[int]
    tag: Tag
    request: Request  # the next to be made, or the last that was
    entries: list[Entry] = field(default_factory=list[Entry])  # one per attempt; only the last may be usable
    attempt: int = 0  # how many answers to this request, and those it was a retry of, were of no use
    failed: bool = True  # has no attempt brought a usable reply?

    @property
    def ask(self) -> Ask:
        """What is to be asked next."""
        return Ask(self.request, self.tag, self.attempt)

    def hear(self, entry: Entry, retries: int) -> bool:
        """Takes in one answer. Is there something to be asked again? A reply that is of no use is shown to the model,
        at most `retries` times; where one tells only some of the probability, a single action is asked for instead.
        """
        self._take_in(entry)
        self.attempt += 1
        if self.failed:
            return self.attempt <= retries
        if self.request.way != "distribution" or self.tells:
            return False
        # all who have the same words share the first reply, and must not share its one action
        self.request, self.attempt = Request(self.request.question, "sample", draw_number(self.tag)), 0
        self.failed = True
        return True

    def _take_in(self, entry: Entry) -> None:
        """One that tells some of the probability has not failed."""
        self.entries.append(entry)
        self.failed = entry.verdict.problem is not None and entry.verdict.missing is None
        if self.failed and entry.reply.error is None:
            heard = sum(e.reply.error is None for e in self.entries)  # a replay has no entries of failed transport
            self.request = retry(self.request, entry.reply.text, entry.verdict, heard)

    @property
    def last(self) -> Entry:
        """The attempt that counts."""
        return self.entries[-1]

    @property
    def cached(self) -> bool:
        """Had every call about it been made for another decision?"""
        return all(entry.tag != self.tag for entry in self.entries)

    @property
    def tells(self) -> bool:
        """Is a whole distribution known?"""
        return not self.failed and self.last.verdict.told_distribution


def draw_number(tag: Tag) -> int:
    """Tells the samples of one text apart, in [0, 2^48): another episode, step or agent is another draw.

    The purpose is left out: two methods that put the same words to the same person share the answer.
    """
    packed = struct.pack("<qqqq", *tag[1:])
    return int.from_bytes(hashlib.blake2b(packed, digest_size=6).digest(), "little")


@dataclass(frozen=True)
class Instead:
    """What is done where there is no usable answer. ValueError: to do nothing, where that is no choice."""

    name: FallbackName
    idle: int | None  # the choice that is to do nothing

    def __post_init__(self) -> None:
        if self.name == "skip" and self.idle is None:
            raise ValueError("nobody can do nothing there, so no decision can be skipped: name another fallback")

    def row(self, offered: Sequence[int], last: int, choices: int) -> list[float]:
        """[K] log-probabilities, not yet normalised. last: what was done before, or -1."""
        if self.name == "uniform":
            return _spread(offered, [0.0] * len(offered), choices)
        wanted = self.idle if self.name == "skip" and self.idle is not None else last
        return _spread([wanted if wanted in offered else offered[len(offered) // 2]], [0.0], choices)


def told(outcomes: Sequence[Outcome], instead: Instead, last: Tensor, choices: int) -> Tensor:
    """Log-probabilities [B, N, K] of what everyone may do; one-hot where one action is known.

    `last` [B, N] holds the last actions, -1 where there is none. Rows of agents that did not decide are -inf.
    """
    table = torch.full((*last.shape, choices), -math.inf)  # [B, N, K]
    if outcomes:
        before: list[list[int]] = last.tolist()
        rows = [_row(o, instead, before[o.world][o.agent], choices) for o in outcomes]
        worlds, agents = [o.world for o in outcomes], [o.agent for o in outcomes]
        flat = torch.frombuffer(array("f", chain.from_iterable(rows)), dtype=torch.float32)
        table[worlds, agents] = flat.reshape(-1, choices).log_softmax(-1)
    return table


def _row(outcome: Outcome, instead: Instead, last: int, choices: int) -> Sequence[float]:
    """[K] log-probabilities, not yet normalised."""
    verdict, log_probs = outcome.last.verdict, outcome.last.reply.log_probs
    if verdict.problem is not None:
        return instead.row(outcome.offered, last, choices)
    if verdict.told_distribution and log_probs is not None:
        return log_probs if len(log_probs) == choices else _spread(outcome.offered, log_probs, choices)
    return _spread([outcome.offered[verdict.choice or 0]], [0.0], choices)


def _spread(places: Iterable[int], values: Iterable[float], choices: int) -> list[float]:
    row = [-math.inf] * choices
    for place, value in zip(places, values, strict=True):
        row[place] = value
    return row


def rows(outcomes: Sequence[Outcome], fallback: FallbackName, action: Tensor) -> list[Decided]:
    """The journal's rows of one round; `action` [B, N]."""
    chosen: list[list[int]] = action.tolist()
    return [
        Decided(
            o.tag,
            o.last.id,
            o.cached,
            len(o.entries),
            chosen[o.world][o.agent],
            fallback if o.failed else None,
            o.last.verdict.problem,
        )
        for o in outcomes
    ]


def fallbacks(outcomes: Sequence[Outcome], name: FallbackName) -> tuple[Fallback, ...]:
    """The decisions that could not be had from the model, by name and reason."""
    return tuple(Fallback(o.world, o.agent, name, o.last.verdict.problem or "") for o in outcomes if o.failed)
