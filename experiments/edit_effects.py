"""What an edit of one trait does to a person's decisions in given situations: as predicted, and as people answer.

Shapes: B towns with the person in a seat of each, K choices, S members of the ensemble, D declared traits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.base import Population
from experiments.counterfactual import Answers, Standing, ask, worth
from experiments.persona_link import Fitted, Link, inputs, jackknife
from experiments.prediction_powered import Floats
from experiments.seats import Seated, edited, seated
from personas.people import Persona
from societies.labour import LabourMarket
from world_model.model import WorldModel
from world_model.records import personal

QUANTITIES = {"hours": "h/week", "income": "$/year"}


@dataclass(frozen=True)
class Edit:
    """One trait of a person, set to one value and to another."""

    person: Persona
    trait: str
    low: float
    high: float

    @property
    def ends(self) -> tuple[Persona, Persona]:
        """The person at both."""
        return edited(self.person, self.trait, self.low), edited(self.person, self.trait, self.high)


@dataclass(frozen=True)
class Move:
    """The mean of a quantity over towns at both ends of an edit."""

    before: float
    after: float
    ensemble: float = 0.0  # standard error of the shift, from how the members of the ensemble differ, stretched
    link: float = 0.0  # and from whom the link was fitted on

    @property
    def shift(self) -> float:
        return self.after - self.before

    @property
    def error(self) -> float:
        """Standard error of the shift."""
        return hypot(self.ensemble, self.link)


Moves = Mapping[str, Move]
"""By the name of the quantity."""


@dataclass(frozen=True)
class Place:
    """Towns, and the rules that they are under."""

    at: Standing
    market: LabourMarket
    rules: Tensor  # [B, M]

    def seated(self, person: Persona) -> Seated:
        """The towns with the person in them."""
        return seated(self.at, person)

    def worth(self, there: Seated) -> Mapping[str, Floats]:
        """[B, K] of each quantity, what each choice means for the person."""
        means = worth(self.market, there.at, self.rules).means
        return {name: means[name][1][there.who] for name in QUANTITIES}


def predicted(model: WorldModel, link: Fitted, edit: Edit, place: Place) -> Moves:
    """By the world model, of what the link says of the person. UserError outside the range of the people played."""
    for person in edit.ends:
        link.reach.check(person)
    there = place.seated(edit.person)
    facts = _facts(there, place.rules)
    told = [np.stack([_chances(model, _z(link, each, p, there), facts) for p in edit.ends]) for each in link.links]
    return {name: _predicted(told, value, link.stretch) for name, value in place.worth(there).items()}


def _facts(there: Seated, rules: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the person's seat: prospects [B, K, D'], features [B, F], and what is open [B, K]."""
    society, features = there.at.society, there.at.features
    prospects, open_ = society.prospects(features, rules), society.choices(there.at.step, features, rules)
    return there.of(prospects), there.of(features), there.of(open_)


def _z(of: Fitted, link: Link, person: Persona, there: Seated) -> Tensor:
    """[B, Z]"""
    covariates = there.of(personal(there.at.society, there.at.features))  # [B, V]
    traits = torch.tensor([person.traits[name] for name in of.names]).expand(len(covariates), -1)
    return link(inputs(traits, covariates, of.names, of.worded))


def _chances(model: WorldModel, z: Tensor, facts: tuple[Tensor, Tensor, Tensor]) -> Floats:
    """[S, B, K]"""
    prospects, features, open_ = facts
    with torch.no_grad():
        log_p = model.log_probs(*[x.expand(model.members, *x.shape) for x in (prospects, features, z, open_)])
    return log_p.exp().double().numpy()


def _predicted(told: Sequence[Floats], value: Floats, stretch: float) -> Move:
    """told: chances [2, S, B, K] at both ends, by every link, the whole one first; value [B, K]."""
    whole, *others = [(chances * value).sum(-1).mean(-1) for chances in told]  # [2, S]
    shifts = whole[1] - whole[0]  # [S]
    left_out = [torch.tensor((each[1] - each[0]).mean()) for each in others]
    before, after = whole.mean(1).tolist()
    spread = stretch * float(shifts.std())
    return Move(before, after, spread, float(jackknife(torch.tensor(shifts.mean()), left_out)))


@dataclass(frozen=True)
class Asked:
    """What people answered about an edit."""

    moves: Moves
    asked: int
    unusable: int  # towns in which one of the two replies was of no use; they do not count


def actual(before: Population, after: Population, edit: Edit, place: Place) -> Asked:
    """Asks people as the person is at both ends of the edit. ValueError where no town has two usable replies."""
    there = [place.seated(person) for person in edit.ends]
    pairs = zip((before, after), there, strict=True)
    said = [ask(people, each.at, place.rules, each.who) for people, each in pairs]
    usable = said[0].usable & said[1].usable
    if not usable.any():
        raise ValueError("no reply was of any use, so that it is not known how decisions move")
    moves = {name: _moved(said, value, usable) for name, value in place.worth(there[0]).items()}
    return Asked(moves, 2 * len(usable), int((~usable).sum()))


def _moved(said: Sequence[Answers], value: Floats, usable: NDArray[np.bool_]) -> Move:
    """value [B, K]"""
    before, after = (float((each.chances * value).sum(-1)[usable].mean()) for each in said)
    return Move(before, after)
