"""Language-model people: a whole round of decisions is asked at once, kept before it is used, and never guessed.

An engine that answers batches gets work split into chunks by position first; within a chunk only what the journal does
not know is asked, as one batch, and committed together. After a kill every committed chunk is read back and every other
one is asked whole: the engine sees the same batches as in an uninterrupted run, and gives the same numbers. An engine
whose calls do not depend on each other has as many in flight as it may, all the time, and what comes in is committed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from typing import get_args

import torch
from torch import Tensor

from agents.base import Decisions, Question, Round
from agents.llm.asking import Desk
from agents.llm.budget import Budget
from agents.llm.engine import Concurrent, Engine, Request, Setting, Way
from agents.llm.journal import Journal, Tag
from agents.llm.outcomes import FallbackName, Instead, Outcome, draw_number, fallbacks, rows, told
from agents.llm.replies import shown
from agents.llm.settling import PopulationStopped, Told, settle_batch, settle_stream
from learning.draws import Draws
from personas.people import People

_FEWEST = 100  # decisions over which a share of fallbacks is taken at least, so that one early failure stops nothing


_Make = Callable[[int, int, Tag, Way], Outcome]
"""(world, agent, tag, how a decision is asked for) -> what is to be asked"""


@dataclass(frozen=True)
class Progress:
    """How far this process is, for a live display."""

    decided: int
    cached: int  # answered without a new call: known words, or an earlier run
    retried: int
    failed: int  # ended in a fallback
    calls: int  # in the journal, earlier runs included
    tokens: int  # likewise
    money: str = ""  # likewise, and of how much, where prices are known


@dataclass
class Tally:
    """Counts of this process, shared by all the purposes of one population."""

    decided: int = 0
    cached: int = 0
    retried: int = 0
    failed: int = 0
    fresh: int = 0  # of the failed, those that count against the model
    single: int = 0  # asked for a single action, since not all probabilities were told
    told: int = 0  # whole distributions
    written: int = 0  # free words that were asked for
    silent: int = 0  # of them, those that there were none of

    @property
    def asked(self) -> int:
        """Decisions and free words that were settled."""
        return self.decided + self.written


@dataclass
class _Here:
    """Of one round."""

    known: int  # the last call in the journal before it
    before: int  # decisions and words before it
    free: bool  # are free words asked for, rather than decisions?
    size: int = 0  # of them, up to the end of the piece that is being asked
    made: list[Outcome] = field(default_factory=list[Outcome])
    failed: list[Outcome] = field(default_factory=list[Outcome])  # those that count


@dataclass
class LanguagePopulation:
    """People whose decisions an engine makes. Implements `agents.base.Population`; its memory is the last actions.

    `way`: "distribution" asks for the log-probability of every choice and draws the action here; "sample" asks for one
    action. An engine that cannot tell distributions is asked for samples; where a reply leaves some of the probability
    out, that decision is asked for again as a sample; `notes` say so. `retries` show the model its error; after them
    comes the `fallback`: "repeat_last" (the agent's last action, or the middle choice), "uniform" (a draw), "skip" (it
    does nothing, where a society has that choice) or "abort". It is acted on, but no learner takes it for an answer.
    Above `max_fallback_share` of a round, or of all, PopulationStopped is raised.
    """

    engine: Engine
    journal: Journal
    budget: Budget = field(default_factory=Budget)
    way: Way = "distribution"
    retries: int = 2
    fallback: FallbackName = "repeat_last"
    max_fallback_share: float = 0.05
    parameters: Mapping[str, Setting] = field(default_factory=dict[str, Setting])  # more of what decides the answers
    chunk: int = 256  # decisions per batch and commit, where an engine answers batches; and that are asked first of all
    purpose: str = ""  # what the decisions are for, in the ledger
    progress: Callable[[Progress], None] | None = None
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._check()
        self._desk = Desk(self.engine, self.journal, self.budget, self.parameters)

    def _check(self) -> None:
        _one_of("way", self.way, ("sample", "distribution"))
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
        model, kept = self.engine.model, self.journal.how_asked(self.engine.model)
        found = list[str]()
        if self.way not in self.engine.ways:
            found.append(f"{model} tells no probabilities of choices; it is asked for single actions.")
        elif self.way == "distribution" and kept.single:
            found.append(
                f"{model} did not tell the probability of every choice in {kept.single:,} of {kept.decisions:,} "
                "decisions; there it was asked for a single action."
            )
        if kept.silent:
            found.append(
                f"{model} wrote nothing in place of {kept.silent:,} of {kept.written:,} notes, thoughts and messages: "
                "there were none."
            )
        return tuple(found)

    @property
    def _way(self) -> Way:
        """How to ask next. A model that told no whole distribution so far is not asked for one twice per decision."""
        t = self.tally
        hopeless = t.single >= _FEWEST and t.told == 0
        return "sample" if hopeless or self.way not in self.engine.ways else self.way

    def start(self, people: People) -> Tensor:
        """Nobody has done anything yet: [B, N] of -1."""
        return torch.full((people.worlds, people.agents), -1)

    def decide(self, memory: Tensor, round: Round, draws: Draws) -> tuple[Tensor, Decisions]:
        """Everyone's decision. `memory` [B, N] holds each one's last action.

        BudgetSpent, PopulationStopped: what was answered before is in the journal.
        """
        instead, turn = Instead(self.fallback, round.idle), round.choices.any(-1)  # [B, N]
        outcomes = self._decisions(round, draws, turn.nonzero().tolist())
        log_probs = told(outcomes, instead, memory, round.choices.shape[-1])  # [B, N, K]
        action = torch.where(turn, draws.choice("decision", round.step, log_probs), -1)
        self.journal.decided(rows(outcomes, self.fallback, action))
        whole = any(o.tells for o in outcomes)
        decisions = Decisions(action, log_probs if whole else None, fallbacks(outcomes, self.fallback))
        return torch.where(turn, action, memory), decisions

    def words(
        self, round: Round, draws: Draws, question: Callable[[int, int], Question], limit: int
    ) -> dict[tuple[int, int], str]:
        """Free text of everyone whose turn it is, in answer to `question` (world, agent); "" where there was none.
        limit: characters of it that are of use.

        Untrusted: it is kept as it came. BudgetSpent, PopulationStopped: as in `decide`.
        """

        def asked(w: int, n: int, tag: Tag, _: Way) -> Outcome:
            return Outcome(w, n, (), tag, Request(question(w, n), "words", draw_number(tag), limit=limit))

        turn: list[list[int]] = round.choices.any(-1).nonzero().tolist()
        made = self._outcomes(round.step, draws, turn, asked, free=True)
        return {(o.world, o.agent): "" if o.failed else o.last.reply.text for o in made}

    def _decisions(self, round: Round, draws: Draws, places: list[list[int]]) -> list[Outcome]:
        offered: list[list[list[bool]]] = round.choices.tolist()  # [B][N][K]

        def asked(w: int, n: int, tag: Tag, way: Way) -> Outcome:
            return _asked(round.question(w, n), tag, w, offered[w][n], way)

        return self._outcomes(round.step, draws, places, asked, free=False)

    def _outcomes(self, step: int, draws: Draws, places: list[list[int]], make: _Make, free: bool) -> list[Outcome]:
        episodes: list[int] = draws.episodes.tolist()  # [B]
        here = _Here(self.journal.last_call, self.tally.asked, free)

        def asked(part: list[list[int]], way: Way) -> Iterator[Outcome]:
            for w, n in part:
                here.made.append(make(w, n, Tag(self.purpose, draws.seed, episodes[w], step, n), way))
                yield here.made[-1]

        try:
            for start, end in pairwise(self._cuts(len(places), free)):
                here.size = end
                self._settle(asked(places[start:end], self._way), lambda done: self._settled(done, here))
        except PopulationStopped:
            self._void(here)  # again, with what was still in flight
            raise
        return here.made

    def _cuts(self, size: int, free: bool) -> list[int]:
        """Where a round of decisions, or of words, is cut: what the first of all show (is the model of use, how is it
        asked) is known before the others are asked.
        """
        before = self.tally.written if free else self.tally.decided
        first = [min(self.chunk, size)] if before < self.chunk else []
        return list(dict.fromkeys([0, *first, size]))

    def _settle(self, asked: Iterator[Outcome], told: Told) -> None:
        if isinstance(self.engine, Concurrent):
            settle_stream(self.engine, self._desk, asked, self.retries, told)
            return
        while chunk := list(islice(asked, self.chunk)):
            settle_batch(self._desk, chunk, self.retries, told)

    def _settled(self, done: list[Outcome], here: "_Here") -> None:
        """Counts what has just been settled. PopulationStopped: too much of it is of no use."""
        t = self.tally
        if here.free:
            t.written += len(done)
            t.silent += sum(o.failed for o in done)
        else:
            self._count(done, here)
        failed = [o for o in done if o.failed and (self.fallback == "abort" or o.last.id > here.known)]
        t.fresh += len(failed)
        here.failed += failed
        if self.progress is not None:
            spent = self.journal.spent
            money = self.budget.told(spent)
            self.progress(Progress(t.decided, t.cached, t.retried, t.failed, spent.calls, spent.tokens, money))
        self._stop_if_unusable(here)

    def _count(self, done: list[Outcome], here: "_Here") -> None:
        t = self.tally
        t.decided += len(done)
        t.cached += sum(o.cached or o.last.id <= here.known for o in done)
        t.retried += sum(len(o.entries) > 1 for o in done)
        t.failed += sum(o.failed for o in done)
        t.single += sum(o.request.way != self.way for o in done)
        t.told += sum(o.tells for o in done)

    def _stop_if_unusable(self, here: "_Here") -> None:
        """By shares of all that is under way, so that the order in which replies come does not matter; failures that an
        earlier run went past do not count.
        """
        limit = 0.0 if self.fallback == "abort" else self.max_fallback_share
        shares = ((len(here.failed), here.size), (self.tally.fresh, here.before + here.size))
        if here.failed and any(bad > limit * max(asked, _FEWEST) for bad, asked in shares):
            self._void(here)
            raise PopulationStopped(self._explained(here.failed, here.size, limit))

    def _void(self, here: "_Here") -> None:
        """What failed in this round is asked again when the run goes on."""
        own = {o.tag for o in here.made}
        entries = (e for o in here.made if o.failed for e in o.entries)
        self.journal.void(e.id for e in entries if e.reply.error is not None and e.tag in own)

    def _explained(self, failed: list[Outcome], asked: int, limit: float) -> str:
        reply, problem = failed[-1].last.reply, failed[-1].last.verdict.problem
        example = "there was none" if reply.error else f"“{shown(reply.text)}”"
        return (
            f"{self.engine.model} gave no usable answer to {len(failed)} of {asked} questions "
            f"({self.tally.failed + self.tally.silent} of {self.tally.asked} that were settled in all; allowed: "
            f"{limit:.0%}), after "
            f"{self.retries + 1} attempts each.\n"
            f"The last reason: {(problem or '').rstrip('.')}. The last reply: {example}\n"
            f"Every answer so far is saved in {self.journal.path}. Check the model and its server, or raise "
            "population.max_fallback_share; then issue the same command again: it resumes. A model that follows the "
            "answer format better is another run: give it a name of its own."
        )


def _asked(question: Question, tag: Tag, world: int, offered: list[bool], way: Way) -> Outcome:
    """A decision that nothing has been asked for yet. offered: [K]"""
    places: Sequence[int] = range(len(offered))
    if not all(offered):
        places = [i for i, allowed in enumerate(offered) if allowed]
        question = replace(question, choices=tuple(question.choices[i] for i in places))
    draw = 0 if way == "distribution" else draw_number(tag)
    return Outcome(world, tag.agent, places, tag, Request(question, way, draw))


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} {value!r} is not known; choose one of: {', '.join(allowed)}")
