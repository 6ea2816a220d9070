"""What a run would ask of its model, before it asks: decisions, calls, tokens, money."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from agents.base import Decisions, Question, Round
from agents.llm.engine import Counting, Engine, Request
from agents.llm.models import check_name
from agents.llm.prices import Bill
from agents.llm.prompts import in_words, messages
from agents.llm.reader import JournalReader
from agents.scripted import ScriptedPopulation
from experiments import runs
from experiments.bills import bill_of
from experiments.cast import check, society_of
from experiments.compared_kinds import as_kind, label_of
from experiments.config import Config, differences, load_config
from experiments.config_people import PartConfig
from experiments.minds import check_minds, foreseen, has_minds, words_of
from experiments.models import check_named, engine_of, located, parts_of, shares_of
from experiments.people_files import people_file
from experiments.pipeline import LEARNING
from learning.draws import Draws, child_seed, draws
from mechanism.explore import RandomRules
from mechanism.swm_ap import most_episodes
from personas.people import People
from personas.rosters import Rosters, open_rosters
from societies.base import Society
from societies.play import play

LETTERS = 4  # characters of a token, about, of most models in English
_AT_HAND = ("embedded", "transformers", "vllm")  # models that count a prompt's tokens without being paid for it
_TOLD_LENGTHS = (*_AT_HAND, "openai", "mock", "recorded")  # models whose words are as short as they are wanted
_LONGEST = 512  # tokens of a reply, unless the settings say otherwise
_SAMPLE = 64  # prompts that are looked at


@dataclass(frozen=True)
class Part:
    """Those of the people who are asked of one model."""

    model: str  # as the journal will name it
    share: float  # of all calls
    tokens_in: float  # of one prompt, on average
    tokens_out: float  # of one reply
    counted: bool  # by the model's own tokenizer, rather than by characters

    def told(self, alone: bool) -> str:
        """In words."""
        how = "as its tokenizer counts" if self.counted else f"about: {LETTERS} characters a token"
        whose = "" if alone else f", for {self.share:.0%} of the people"
        return (
            f"{self.model}{whose}: a prompt of {self.tokens_in:,.0f} tokens ({how}), a reply of {self.tokens_out:,.0f}"
        )


@dataclass(frozen=True)
class Estimate:
    """Decisions by stage, at most; a decision is a call, less where words repeat, more where a reply is of no use.
    Of recorded models nothing is asked.
    """

    decisions: dict[str, int]
    parts: list[Part]  # by model that is asked; [] = none is
    bill: Bill | None
    kept: int  # calls that the run's journal holds already
    each: float = 1.0  # calls of a decision, with the notes, messages and thoughts before it

    @property
    def calls(self) -> int:
        """At most, without those that are asked again; of models only."""
        return round(self.each * sum(self.decisions.values()) * sum(part.share for part in self.parts))

    def of(self, part: Part) -> float:
        """Calls to one model."""
        return self.each * sum(self.decisions.values()) * part.share

    @property
    def tokens(self) -> tuple[float, float]:
        """In and out."""
        return (
            sum(self.of(part) * part.tokens_in for part in self.parts),
            sum(self.of(part) * part.tokens_out for part in self.parts),
        )

    @property
    def money(self) -> float | None:
        """Where prices are known."""
        if self.bill is None:
            return None
        calls = [(part, self.of(part)) for part in self.parts]
        return sum(self.bill.of({p.model: (n * p.tokens_in, n * p.tokens_out)}) for p, n in calls)

    def plain(self) -> dict[str, object]:
        """As JSON."""
        return {
            "decisions": self.decisions,
            "calls": self.calls,
            "tokens_in": round(self.tokens[0]),
            "tokens_out": round(self.tokens[1]),
            "counted_by_the_model": all(part.counted for part in self.parts),
            "models": [{"model": part.model, "calls": round(self.of(part))} for part in self.parts],
            "money": self.money,
            "currency": self.bill.currency if self.bill else None,
            "calls_in_the_journal": self.kept,
        }

    def told(self, config: Config) -> list[str]:
        """In words, a line each."""
        if not self.parts:
            return ["no language model is asked"]
        lines = [
            *(part.told(alone=part.share > 0.999) for part in self.parts),
            f"at most {self.calls:,} calls, {self.tokens[0]:,.0f} tokens in and {self.tokens[1]:,.0f} out: fewer where "
            "words repeat, more where a reply is of no use",
        ]
        if self.bill is not None:
            lines.append(f"that is {self.bill.written(self.money or 0.0)}")
        if self.kept:
            lines.append(f"{self.kept:,} calls are in the journal already, and are not made again")
        return [*lines, *self._beyond(config)]

    def _beyond(self, config: Config) -> list[str]:
        """Budgets that would stop the run before its end."""
        limits, money = config.budget, self.money or 0.0
        tokens = sum(self.tokens)
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
        return Estimate(decisions, [], None, 0)
    return replace(_asked(config, society, decisions), kept=_kept(config))


def estimate_of_kinds(config: Config, decisions: Mapping[str, int]) -> Estimate:
    """What the models are asked where kinds of people are compared that make so many `decisions`, by label."""
    of_models = {label_of("llm"): decisions.get(label_of("llm"), 0)}
    if not of_models[label_of("llm")]:
        return Estimate({}, [], None, 0)
    own = as_kind(config, "llm")
    return replace(_asked(own, society_of(own), of_models), kept=_kept(config))


def _asked(config: Config, society: Society, decisions: dict[str, int]) -> Estimate:
    """Of language-model people who make so many decisions, by stage."""
    people, seed = people_file(config), child_seed(config.seed, "estimate")
    rosters = open_rosters(people, society.agents, "all", society.attributes_used, society.traits_used)
    check_named(config, rosters)
    shares = shares_of(config, rosters.people(draws(seed, 0, 1)))
    engines = [started(part) for part in parts_of(config)]
    for engine in engines:
        check_minds(config, society, engine)
    words_of(config)
    asked, each = sampled(config, society, rosters, seed)
    whole = zip(parts_of(config), engines, shares, strict=True)
    parts = [_part(config, part, engine, share, asked) for part, engine, share in whole if not part.recorded]
    return Estimate(decisions, parts, bill_of(config, engines), 0, each)


def started(part: PartConfig) -> Engine | None:
    """The model, where it is at hand; else None. ValueError: there can be no such model."""
    if at_hand(part.model, part.base_url):
        return engine_of(part)
    check_name(located(part.model), part.base_url, **part.settings)
    return None


def _part(config: Config, part: PartConfig, engine: Engine | None, share: float, asked: Sequence[Request]) -> Part:
    length, counted = tokens(engine, asked)
    said = statistics.fmean(_said(config, part, request) for request in asked)
    return Part(engine.model if engine else part.model, share, length, said, counted)


def _methods(config: Config) -> tuple[str, ...]:
    return ("swm_ap", *config.baselines)


def sampled(config: Config, society: Society, rosters: Rosters, seed: int) -> tuple[list[Request], float]:
    """Some requests of one episode under random rules, spread over its steps and its people; and how many there are
    for each decision.
    """
    if has_minds(config, society):
        asked = [request for wave in foreseen(config, society, rosters, seed, longest=True) for request in wave]
    else:
        asked = [Request(question, config.population.way) for question in questions(society, rosters, seed)]
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


def tokens(engine: Engine | None, prompts: Sequence[Request]) -> tuple[float, bool]:
    """Of a prompt on average; and were they counted by the model itself?"""
    if isinstance(engine, Counting):
        return statistics.fmean(engine.tokens(request) for request in prompts), True
    lengths = [sum(len(text) for _, text in messages(request)) for request in prompts]
    return statistics.fmean(lengths) / LETTERS, False


def _said(config: Config, part: PartConfig, request: Request) -> float:
    """Tokens of a reply: one where the chance of every next token is asked for, else about three characters each. Of
    words, as many as there may be: one a character, or all that a provider may write who cannot be told to write less.
    """
    kind, most = part.model.partition(":")[0], part.settings.get("max_tokens", _LONGEST)
    if request.way == "words":
        longest = most if isinstance(most, int) else _LONGEST
        return min(request.limit, longest) if kind in _TOLD_LENGTHS else longest
    one = config.population.way == "distribution" and kind in _AT_HAND
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
