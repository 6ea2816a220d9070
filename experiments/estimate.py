"""What a run would ask of its model, before it asks: decisions, calls, tokens, money."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from agents.base import Decisions, Question, Round
from agents.llm.engine import Counting, Engine, Request
from agents.llm.models import engine_for
from agents.llm.prices import Bill
from agents.llm.prompts import in_words, messages
from agents.llm.reader import JournalReader
from agents.scripted import ScriptedPopulation
from experiments import runs
from experiments.bills import bill_of
from experiments.config import Config, differences, load_config
from experiments.minds import check_minds, foreseen, has_minds, limits
from experiments.pipeline import LEARNING, check, society_of
from experiments.runs import people_file
from learning.draws import Draws, child_seed, draws
from mechanism.explore import RandomRules
from mechanism.swm_ap import most_episodes
from personas.people import People
from personas.rosters import Rosters, open_rosters
from societies.base import Society
from societies.play import play

LETTERS = 4  # characters of a token, about, of most models in English
_AT_HAND = ("embedded", "transformers", "vllm")  # models that count a prompt's tokens without being paid for it
_SAMPLE = 64  # prompts that are looked at


@dataclass(frozen=True)
class Estimate:
    """Decisions by stage, at most; a decision is a call, less where words repeat, more where a reply is of no use."""

    decisions: dict[str, int]
    tokens_in: float  # of one prompt, on average
    tokens_out: float  # of one reply
    counted: bool  # by the model's own tokenizer, rather than by characters
    bill: Bill | None
    kept: int  # calls that the run's journal holds already
    asked: bool = True  # is a language model?
    each: float = 1.0  # calls of a decision, with the notes, messages and thoughts before it

    @property
    def calls(self) -> int:
        """At most, without those that are asked again; of a model only."""
        return round(self.each * sum(self.decisions.values())) if self.asked else 0

    def plain(self) -> dict[str, object]:
        """As JSON."""
        money = self.bill.price.of(self.calls * self.tokens_in, self.calls * self.tokens_out) if self.bill else None
        return {
            "decisions": self.decisions,
            "calls": self.calls,
            "tokens_in": round(self.calls * self.tokens_in),
            "tokens_out": round(self.calls * self.tokens_out),
            "counted_by_the_model": self.counted,
            "money": money,
            "currency": self.bill.currency if self.bill else None,
            "calls_in_the_journal": self.kept,
        }

    def told(self, config: Config) -> list[str]:
        """In words, a line each."""
        if not self.asked:
            return ["no language model is asked"]
        tokens_in, tokens_out = self.calls * self.tokens_in, self.calls * self.tokens_out
        how = "as its tokenizer counts" if self.counted else f"about: {LETTERS} characters a token"
        lines = [
            f"{config.population.model}: a prompt of {self.tokens_in:,.0f} tokens ({how}), a reply of "
            f"{self.tokens_out:,.0f}",
            f"at most {self.calls:,} calls, {tokens_in:,.0f} tokens in and {tokens_out:,.0f} out: fewer where words "
            "repeat, more where a reply is of no use",
        ]
        if self.bill is not None:
            lines.append(f"that is {self.bill.told(tokens_in, tokens_out)}")
        if self.kept:
            lines.append(f"{self.kept:,} of these calls are in the journal already, and are not made again")
        return [*lines, *self._beyond(config)]

    def _beyond(self, config: Config) -> list[str]:
        """Budgets that would stop the run before its end."""
        limits = config.budget
        tokens = self.calls * (self.tokens_in + self.tokens_out)
        money = self.bill.price.of(self.calls * self.tokens_in, self.calls * self.tokens_out) if self.bill else 0.0
        pairs = (("calls", limits.calls, self.calls), ("tokens", limits.tokens, tokens), ("money", limits.money, money))
        return [
            f"budget.{name}={most:,} may stop it before its end"
            for name, most, needed in pairs
            if most is not None and needed > most
        ]


def estimate(config: Config) -> Estimate:
    """Of a run. Nothing is asked of the model; its people's prompts are taken from an episode of scripted people."""
    society = society_of(config)
    check(config, society)
    per_episode = society.steps * society.agents
    learning = most_episodes(config.method.settings) * per_episode
    judged = {f"evaluation: {name}": config.evaluation.communities * per_episode for name in _methods(config)}
    decisions = {LEARNING: learning, **judged}
    if config.population.kind != "llm":
        return Estimate(decisions, 0.0, 0.0, True, None, 0, asked=False)
    who = config.population
    engine = engine_for(who.model, who.base_url, **who.settings) if at_hand(who.model, who.base_url) else None
    check_minds(config, society, engine)
    asked, each = sampled(config, society)
    length, counted = tokens(engine, [request.question for request in asked])
    said = statistics.fmean(_said(config, society, request) for request in asked)
    return Estimate(decisions, length, said, counted, bill_of(config), _kept(config), each=each)


def _methods(config: Config) -> tuple[str, ...]:
    return ("swm_ap", *config.baselines)


def sampled(config: Config, society: Society) -> tuple[list[Request], float]:
    """Some requests of one episode under random rules, spread over its steps and its people; and how many there are
    for each decision.
    """
    people, seed = people_file(config), child_seed(config.seed, "estimate")
    rosters = open_rosters(people, society.agents, "all", society.attributes_used, society.traits_used)
    if has_minds(config, society):
        asked = [request for wave in foreseen(config, society, rosters, seed, longest=True) for request in wave]
    else:
        asked = [Request(question, "sample") for question in questions(society, rosters, seed)]
    each = len(asked) / sum(request.way != "words" for request in asked)
    return asked[:: max(1, len(asked) // _SAMPLE)][:_SAMPLE], each


def questions(society: Society, rosters: Rosters, seed: int) -> list[Question]:
    """All of one episode of scripted people under random rules, step by step and agent by agent."""
    heard, lots = _Heard(), draws(seed, 0, 1)
    with torch.no_grad():
        play(society, heard, rosters.people(lots), RandomRules(society, lots), lots)
    return heard.questions


@dataclass
class _Heard:
    """Scripted people, whose questions are written down."""

    people: ScriptedPopulation = field(default_factory=ScriptedPopulation)
    questions: list[Question] = field(default_factory=list[Question])

    def start(self, people: People) -> None:
        """They keep no memory."""

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        """What scripted people decide."""
        turn: list[list[int]] = round.choices.any(-1).nonzero().tolist()
        self.questions += [round.question(world, agent) for world, agent in turn]
        return self.people.decide(memory, round, draws)


def at_hand(model: str, base_url: str | Sequence[str] | None) -> bool:
    """Can its prompts be measured without a key, and without starting vLLM?"""
    kind = model.partition(":")[0]
    return kind in _AT_HAND and (kind != "vllm" or base_url is not None)


def tokens(engine: Engine | None, prompts: Sequence[Question]) -> tuple[float, bool]:
    """Of a prompt on average; and were they counted by the model itself?"""
    if isinstance(engine, Counting):
        return statistics.fmean(engine.tokens(question) for question in prompts), True
    lengths = [sum(len(text) for _, text in messages(Request(question, "sample"))) for question in prompts]
    return statistics.fmean(lengths) / LETTERS, False


def _said(config: Config, society: Society, request: Request) -> float:
    """Tokens of a reply: one where the chance of every next token is asked for, else about three characters each. Of
    words, as many as there may be.
    """
    if request.way == "words":
        return limits(config, society)[request.question.key] / LETTERS
    one = config.population.way == "distribution" and config.population.model.partition(":")[0] in _AT_HAND
    return 1.0 if one else math.ceil(len(in_words(request, 0)) / 3)


def _kept(config: Config) -> int:
    """Calls in the journal of this very run; another's of the same name would not be gone on with."""
    folder = runs.RUNS / config.name
    file, known = folder / "journal.sqlite", folder / "config.yaml"
    if not file.is_file() or not known.is_file() or differences(config, load_config(known)):
        return 0
    reader = JournalReader(file)
    try:
        return reader.ledger().calls
    finally:
        reader.close()
