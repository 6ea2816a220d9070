"""What if: people in a given state under other rules, for one year. What is forecast, and what those say who are asked.

Shapes: B towns of A people, N = B A people in all, town by town; n of them are asked; K choices.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.base import Decisions, Population
from experiments.inequality import Incomes
from experiments.prediction_powered import Floats, Ints
from experiments.whom_to_ask import Past
from learning.draws import Draws
from personas.people import People
from societies.base import Episode, Society, State
from societies.labour import FULL_TIME, LabourMarket
from societies.rounds import round_of
from world_model.expect import Expected, expected
from world_model.model import WorldModel
from world_model.records import Records, personal, records

SAMPLES = 32  # draws of z, each of which every member of the ensemble is asked about


@runtime_checkable
class Taxed(Protocol):
    """A society in which people earn by the hour and are taxed."""

    market: LabourMarket


@dataclass(frozen=True)
class Standing:
    """A state that people are in, and the public record of how they came there."""

    society: Society
    step: int
    features: Tensor  # [B, A, F]
    seen: Records  # of the steps before
    people: People
    draws: Draws

    @property
    def size(self) -> int:
        """N"""
        return self.people.worlds * self.people.agents

    def first(self, towns: int) -> "Standing":
        """The first towns only."""
        people, few = self.people, torch.arange(towns)
        held = replace(people, public=people.public[few], traits=people.traits[few])
        draws = Draws(self.draws.seed, self.draws.episodes[few])
        return Standing(self.society, self.step, self.features[few], self.seen.take(few), held, draws)


def standing(society: Society, episode: Episode, people: People, draws: Draws, step: int) -> Standing:
    """Before `step` of an episode. ValueError where it has fewer steps."""
    steps = episode.mechanism.shape[1]
    if not 0 <= step <= steps:
        raise ValueError(f"the record has {steps} steps, so that there is no state before step {step}")
    return Standing(society, step, episode.features[:, step], _until(records(society, episode), step), people, draws)


def newcomers(society: Society, people: People, draws: Draws) -> Standing:
    """People of whom nothing is known but the census, before their first step."""
    features = society.census(people.public, people.attribute_names)  # [B, A, F]
    rules = society.default_mechanism().expand(people.worlds, -1)
    prospects, open_ = society.prospects(features, rules), society.choices(0, features, rules)
    one = Records(prospects, features, open_, open_.float(), rules, features, features, rules[:, 0], features)
    whole = Records(*(x[:, None] for x in vars(one).values()))  # of a step that is cut off again: for the shapes
    seen = replace(_until(whole, 0), covariates=personal(society, features))
    return Standing(society, 0, features, seen, people, draws)


def _until(data: Records, step: int) -> Records:
    """The first steps of the records."""
    cut = {name: part[:, :step] for name, part in vars(data).items() if name != "covariates"}
    return Records(**cut, covariates=data.covariates)


@dataclass(frozen=True)
class Forecast:
    """The world model's word on everyone's next choice."""

    chances: Floats  # [N, K]
    doubt: Floats  # [N] how far the ensemble disagrees, hours a week
    past: tuple[Past, ...]  # of the last steps, the latest first, likewise


def forecast(model: WorldModel, at: Standing, mechanism: Tensor, draws: Draws) -> Forecast:
    """Under `mechanism` [B, M]. What was answered in the last two steps shows what the ensemble's doubt is worth."""
    now = expected(model, at.society, at.seen, at.features, mechanism, SAMPLES, draws)
    steps = range(at.step - 1, max(at.step - 3, -1), -1)
    return Forecast(_flat(now.chances), _hours(now), tuple(_missed(model, at, step, draws) for step in steps))


def _missed(model: WorldModel, at: Standing, step: int, draws: Draws) -> Past:
    """What was answered in a step that was seen, beside what would have been forecast."""
    features, rules = at.seen.features[:, step], at.seen.mechanism[:, step]
    then = expected(model, at.society, _until(at.seen, step), features, rules, SAMPLES, draws)
    told, levels = _flat(at.seen.choice[:, step]), hours_of(at.society)
    known = told.sum(1) > 0
    return Past(_hours(then), np.where(known, told @ levels - _flat(then.chances) @ levels, 0.0), known)


def _flat(x: Tensor) -> Floats:
    """[B, A, ...] -> [N, ...]"""
    return x.flatten(0, 1).double().numpy()


def _hours(of: Expected) -> Floats:
    """[N] doubt about hours a week."""
    return FULL_TIME * _flat(of.doubt[..., 0])


def hours_of(society: Society) -> Floats:
    """[K] hours a week of each choice."""
    actions = torch.arange(len(society.choice_names))[None]
    return FULL_TIME * society.respond(actions)[0, :, 0].double().numpy()


@dataclass(frozen=True)
class Answers:
    """What those said who were asked."""

    chances: Floats  # [n, K] whole distributions, or one-hot
    usable: NDArray[np.bool_]  # [n] False where nothing could be made of the reply, after all retries


def ask(population: Population, at: Standing, mechanism: Tensor, who: Ints) -> Answers:
    """Asks people `who` [n] about the year under `mechanism` [B, M], and nobody else."""
    asked = torch.zeros(at.size, dtype=torch.bool)
    asked[torch.from_numpy(who)] = True
    state = State(at.step, at.features, at.people)
    round = round_of(at.society, state, mechanism, (), at.draws)
    turn = asked.reshape(at.people.worlds, at.people.agents, 1)
    few = replace(round, choices=round.choices & turn)
    _, said = population.decide(population.start(at.people), few, at.draws)
    usable = np.ones(at.size, dtype=np.bool_)
    usable[[fallback.world * at.people.agents + fallback.agent for fallback in said.fallbacks]] = False
    return Answers(_flat(_chances(said, round.choices.shape[-1]))[who], usable[who])


def _chances(said: Decisions, size: int) -> Tensor:
    """[B, A, K]"""
    if said.log_probs is not None:
        return said.log_probs.exp()
    return torch.nn.functional.one_hot(said.action.clamp_min(0), size).float()


@dataclass(frozen=True)
class Worth:
    """What each choice means for each person, by the public rules."""

    hours: Floats  # [K] a week
    gross: Floats  # [N, K] dollars a year
    owed: Floats  # [N, K] tax, dollars a year
    full: Floats  # [N] income at full time, dollars a year
    town: Floats  # [N] mean of that in the own town

    @cached_property
    def means(self) -> dict[str, tuple[str, Floats]]:
        """What is a mean of one number a person: name -> unit, and what each choice counts for [N, K]."""
        return {
            "hours": ("h/week", np.broadcast_to(self.hours, self.gross.shape)),
            "income": ("$/year", self.gross),
            "tax": ("$/year", self.owed),
            "productivity": ("", self.gross / self.town[:, None]),
        }

    @cached_property
    def incomes(self) -> Incomes:
        """For the measures of equality."""
        return Incomes(self.gross, self.gross - self.owed, float(self.full.mean()))


def worth(market: LabourMarket, at: Standing, mechanism: Tensor) -> Worth:
    """Under `mechanism` [B, M]."""
    gross, owed, _ = market.money(at.features, mechanism)  # [B, A, K]
    full = market.income(at.features)  # [B, A]
    town = full.mean(1, keepdim=True).expand_as(full)
    return Worth(hours_of(at.society), _flat(gross), _flat(owed), _flat(full), _flat(town))
