"""Edits drawn at random among people who were not played: what is predicted of each, beside what people answer."""

from collections.abc import Generator
from dataclasses import asdict, dataclass
from itertools import count, islice
from typing import Any

import torch

from experiments.coverage_cells import World, rules_called
from experiments.edit_effects import Edit, Move, Place, actual, predicted
from experiments.errors import UserError
from experiments.persona_link import Fitted, Played, played
from learning.draws import child_seed, draws
from mechanism.explore import RandomRules
from personas.people import Persona
from personas.words import trait_phrase
from societies.library.income_tax import MARKET
from world_model.model import WorldModel


@dataclass(frozen=True)
class Pair:
    """One edit: the shift of mean hours a week over towns, predicted and actual."""

    person: str
    trait: str
    low: float  # the trait before
    high: float  # and after; not always the higher one
    rules: str
    predicted: float  # h/week
    ensemble: float  # standard error of that, from the ensemble
    link: float  # and from the link
    actual: float  # h/week

    @property
    def agrees(self) -> bool:
        """In sign; a shift of zero agrees with zero only."""
        return (self.predicted > 0) == (self.actual > 0) and (self.predicted < 0) == (self.actual < 0)

    @property
    def held(self) -> bool:
        """Is the actual shift within 1.96 standard errors of the predicted one?"""
        return abs(self.actual - self.predicted) <= 1.96 * (self.ensemble**2 + self.link**2) ** 0.5


@dataclass(frozen=True)
class Trial:
    """An edit, and the rules under which it is looked at."""

    edit: Edit
    rules: str


def people_of(world: World) -> Played:
    """Those that the world model was fitted to, with what they declared."""
    stage = world.stage("training")
    d = draws(stage.seed, 0, world.episodes)
    seen = stage.play(RandomRules(stage.society, d), 0, world.episodes)
    return played(stage.society, stage.rosters.people(d), seen, worded=True)


def trials(world: World, link: Fitted, rules: tuple[str, ...], number: int) -> list[Trial]:
    """So many edits of as many others, each of one trait between two values that are told in different words."""
    return list(islice(_trials(world, link, rules), number))


def _trials(world: World, link: Fitted, rules: tuple[str, ...]) -> Generator[Trial]:
    for i, person in enumerate(_others(world)):
        lots = draws(child_seed(world.seed, "edits"), i, 1).uniform("edit", 0, 4)[0].tolist()
        trait = link.names[int(lots[0] * len(link.names))]
        low, high = link.reach.named[trait]
        ends = [low + (high - low) * lot for lot in lots[1:3]]
        edit = Edit(person, trait, *ends)
        if trait_phrase(trait, ends[0]) != trait_phrase(trait, ends[1]) and _within(link, edit):
            yield Trial(edit, rules[int(lots[3] * len(rules))])


def _others(world: World) -> Generator[Persona]:
    """New people, one town after the other."""
    stage = world.stage("edited")
    for town in count():
        people = stage.rosters.people(draws(stage.seed, town, 1))
        yield from (people.persona(0, agent) for agent in range(people.agents))


def _within(link: Fitted, edit: Edit) -> bool:
    """Is everything that the person declares within the range of the people played?"""
    try:
        for person in edit.ends:
            link.reach.check(person)
    except UserError:
        return False
    return True


def pairs(world: World, model: WorldModel, link: Fitted, state: str, tried: list[Trial]) -> list[dict[str, Any]]:
    """Each as `Pair` has it. ValueError where nobody gave a usable answer."""
    at, made = world.standing(state), list[Pair]()
    for trial in tried:
        place = Place(at, MARKET, rules_called(trial.rules, at.society).expand(world.towns, -1))
        edit = trial.edit
        with torch.no_grad():
            told = predicted(model, link, edit, place)["hours"]
        said = actual(world.people, world.people, edit, place).moves["hours"]
        made.append(_pair(trial, told, said))
    return [asdict(pair) for pair in made]


def _pair(trial: Trial, told: Move, said: Move) -> Pair:
    edit = trial.edit
    ends = (edit.person.id, edit.trait, edit.low, edit.high)
    return Pair(*ends, trial.rules, told.shift, told.ensemble, told.link, said.shift)
