"""Language-model people: a whole round of decisions is asked at once, kept before it is used, and never guessed.

Work is split into chunks by position first; within a chunk only what the journal does not know is asked, as one
batch, and committed together. After a kill every committed chunk is read back and every other one is asked whole:
the engine sees the same batches as in an uninterrupted run, and gives the same numbers.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import torch
from torch import Tensor

from agents.base import Decisions, Round
from agents.llm.asking import Desk
from agents.llm.budget import Budget
from agents.llm.engine import Engine, Request, Setting, Way
from agents.llm.journal import Journal, Tag
from agents.llm.outcomes import FallbackName, Outcome, fallbacks, rows, told
from agents.llm.replies import shown
from learning.draws import Draws
from personas.people import People

_FEWEST = 100  # decisions over which a share of fallbacks is taken at least, so that one early failure stops nothing


class PopulationStopped(ValueError):
    """Too many decisions could not be had from the model. The message names the model, the share and an example."""


@dataclass(frozen=True)
class Progress:
    """How far this process is, for a live display."""

    decided: int
    cached: int  # answered without a new call: known words, or an earlier run
    retried: int
    failed: int  # ended in a fallback
    calls: int  # in the journal, earlier runs included
    tokens: int  # likewise


@dataclass
class Tally:
    """Counts of this process, shared by all the purposes of one population."""

    decided: int = 0
    cached: int = 0
    retried: int = 0
    failed: int = 0
    single: int = 0  # asked for a single action, since not all probabilities were told


@dataclass
class LanguagePopulation:
    """People whose decisions an engine makes. Implements `agents.base.Population`; its memory is the last actions.

    `way`: "distribution" asks for the log-probability of every choice and draws the action here; "sample" asks for one
    action. An engine that cannot tell distributions is asked for samples; where a reply leaves some of the probability
    out, that decision is asked for again as a sample; `notes` say so. `retries` show the model its error; after them
    comes the `fallback`: "repeat_last" (the agent's last action, or the middle choice), "uniform" (a draw) or "abort".
    It is acted on, but no learner takes it for an answer. Above `max_fallback_share` of a round, or of all,
    PopulationStopped is raised.
    """

    engine: Engine
    journal: Journal
    budget: Budget = field(default_factory=Budget)
    way: Way = "distribution"
    retries: int = 2
    fallback: FallbackName = "repeat_last"
    max_fallback_share: float = 0.05
    parameters: Mapping[str, Setting] = field(default_factory=dict[str, Setting])  # more of what decides the answers
    chunk: int = 256  # decisions per batch, and per commit
    purpose: str = ""  # what the decisions are for, in the ledger
    progress: Callable[[Progress], None] | None = None
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._check()
        self._desk = Desk(self.engine, self.journal, self.budget, self.parameters)

    def _check(self) -> None:
        _one_of("way", self.way, get_args(Way))
        _one_of("fallback", self.fallback, get_args(FallbackName))
        if self.way not in self.engine.ways and "sample" not in self.engine.ways:
            raise ValueError(f"{self.engine.model} cannot be asked for a {self.way}")
        if self.retries < 0 or self.chunk < 1 or not 0 <= self.max_fallback_share <= 1:
            raise ValueError("retries must be at least 0, chunk at least 1, max_fallback_share between 0 and 1")

    def under(self, purpose: str) -> "LanguagePopulation":
        """The same people, with their decisions kept under another purpose."""
        return replace(self, purpose=purpose)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how these people were asked."""
        model, t = self.engine.model, self.tally
        if self.way not in self.engine.ways:
            return (f"{model} tells no probabilities of choices; it is asked for single actions.",)
        if not t.single:
            return ()
        told = f"{model} did not tell the probability of every choice in {t.single:,} of {t.decided:,} decisions"
        return (f"{told}; those were asked again, for a single action.",)

    @property
    def _way(self) -> Way:
        """How to ask next. A model that told no whole distribution so far is not asked for one twice per decision."""
        t = self.tally
        hopeless = t.single >= _FEWEST and t.single + t.failed == t.decided
        return "sample" if hopeless or self.way not in self.engine.ways else self.way

    def start(self, people: People) -> Tensor:
        """Nobody has done anything yet: [B, N] of -1."""
        return torch.full((people.worlds, people.agents), -1)

    def decide(self, memory: Tensor, round: Round, draws: Draws) -> tuple[Tensor, Decisions]:
        """Everyone's decision. `memory` [B, N] holds each one's last action.

        BudgetSpent, PopulationStopped: what was answered before is in the journal.
        """
        turn = round.choices.any(-1)  # [B, N]
        outcomes = self._outcomes(round, draws, turn.nonzero().tolist())
        log_probs = told(outcomes, self.fallback, memory, round.choices.shape[-1])  # [B, N, K]
        action = torch.where(turn, draws.choice("decision", round.step, log_probs), -1)
        self.journal.decided(rows(outcomes, self.fallback, action))
        whole = any(o.tells for o in outcomes)
        decisions = Decisions(action, log_probs if whole else None, fallbacks(outcomes, self.fallback))
        return torch.where(turn, action, memory), decisions

    def _outcomes(self, round: Round, draws: Draws, places: list[list[int]]) -> list[Outcome]:
        offered: list[list[list[bool]]] = round.choices.tolist()  # [B][N][K]
        episodes: list[int] = draws.episodes.tolist()  # [B]
        done: list[Outcome] = []
        for start in range(0, len(places), self.chunk):
            chunk = [
                self._asked(round, Tag(self.purpose, draws.seed, episodes[w], round.step, n), w, offered[w][n])
                for w, n in places[start : start + self.chunk]
            ]
            self._settle(chunk)
            done += chunk
            self._stop_if_unusable(done)
        return done

    def _asked(self, round: Round, tag: Tag, world: int, offered: list[bool]) -> Outcome:
        question = round.question(world, tag.agent)
        places: Sequence[int] = range(len(offered))
        if not all(offered):
            places = [i for i, allowed in enumerate(offered) if allowed]
            question = replace(question, choices=tuple(question.choices[i] for i in places))
        way = self._way
        return Outcome(
            world, tag.agent, places, tag, Request(question, way, 0 if way == "distribution" else _draw(tag))
        )

    def _settle(self, chunk: list[Outcome]) -> None:
        """Asks until every decision of a chunk has a usable reply, or its attempts are used up."""
        known = self.journal.last_call
        self._ask(chunk)
        single = [o for o in chunk if o.request.way == "distribution" and not o.failed and not o.tells]
        for outcome in single:  # all who have the same words share the first reply, and must not share its one action
            outcome.ask_for_one(_draw(outcome.tag))
        self._ask(single)
        self._count(chunk, known)
        self.tally.single += sum(o.request.way != self.way for o in chunk)

    def _ask(self, waiting: list[Outcome]) -> None:
        for attempt in range(self.retries + 1):
            if not waiting:
                return
            entries = self._desk.answers([(o.request, o.tag) for o in waiting], attempt)
            for outcome, entry in zip(waiting, entries, strict=True):
                outcome.hear(entry)
            waiting = [o for o in waiting if o.failed]

    def _count(self, chunk: list[Outcome], known: int) -> None:
        """`known`: the last call in the journal before this chunk."""
        t = self.tally
        t.decided += len(chunk)
        t.cached += sum(o.cached or o.last.id <= known for o in chunk)
        t.retried += sum(len(o.entries) > 1 for o in chunk)
        t.failed += sum(o.failed for o in chunk)
        if self.progress is not None:
            spent = self.journal.spent
            self.progress(Progress(t.decided, t.cached, t.retried, t.failed, spent.calls, spent.tokens))

    def _stop_if_unusable(self, done: list[Outcome]) -> None:
        """`done`: the decisions of this round so far."""
        failed = [o for o in done if o.failed]
        limit = 0.0 if self.fallback == "abort" else self.max_fallback_share
        shares = ((len(failed), len(done)), (self.tally.failed, self.tally.decided))
        if failed and any(bad > limit * max(asked, _FEWEST) for bad, asked in shares):
            self.journal.void(e.id for o in failed for e in o.entries if e.reply.error is not None)
            raise PopulationStopped(self._explained(failed, len(done), limit))

    def _explained(self, failed: list[Outcome], asked: int, limit: float) -> str:
        reply, problem = failed[-1].last.reply, failed[-1].last.verdict.problem
        example = "there was none" if reply.error else f"“{shown(reply.text)}”"
        return (
            f"{self.engine.model} gave no usable answer to {len(failed)} of the last {asked} decisions "
            f"({self.tally.failed} of {self.tally.decided} in all; allowed: {limit:.0%}), after "
            f"{self.retries + 1} attempts each.\n"
            f"The last reason: {(problem or '').rstrip('.')}. The last reply: {example}\n"
            f"Every answer so far is saved in {self.journal.path}. Check the model and its server, name a model that "
            "follows the answer format, or raise max_fallback_share; then issue the same command again: it resumes."
        )


def _draw(tag: Tag) -> int:
    """Tells the samples of one text apart, in [0, 2^48): another episode, step or agent is another draw.

    The purpose is left out: two methods that put the same words to the same person share the answer.
    """
    packed = struct.pack("<qqqq", *tag[1:])
    return int.from_bytes(hashlib.blake2b(packed, digest_size=6).digest(), "little")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} {value!r} is not known; choose one of: {', '.join(allowed)}")
