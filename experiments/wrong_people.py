"""Towns whose people are not of the form that a world model of two kinds assumes, nor know that they should be.

    right        two kinds, a fair coin each, as everywhere else
    three kinds  a third of them go where the crowd goes, however far
    alike        kinds are patches of the map, other ones in every roster: who lives near is mostly of the same kind
    drifting     in every step after the first one in five changes to the other kind
    habits       half of the time everyone does again what it did last, if that is open

Shapes: B worlds, T steps, N agents.
"""

from dataclasses import dataclass
from math import pi
from typing import Literal, get_args

import torch
from torch import Tensor

from learning.draws import Draws
from personas.people import People
from personas.rosters import Rosters
from societies.base import State
from societies.facilities import Facilities, Tastes

Form = Literal["right", "three kinds", "alike", "drifting", "habits"]
FORMS: tuple[Form, ...] = get_args(Form)
THIRD = 0.5  # the trait value of the third kind
FOLLOWERS = Tastes(worth=(0.0, 0.0), steepness=(0.3, 0.3), crowding=(-8.0, -8.0), liked_distance=(0.0, 0.0))
WAVES, LENGTH = 8, 1.2  # of the map of patches: how many are added up, and waves across the town
CHANGES = 0.2  # chance of a change of kind in a step
REPEATS = 0.5  # chance of doing the same again


class OddTown(Facilities):
    """The town of that name, with people of another form."""

    def __init__(self, town: Facilities, form: Form) -> None:
        super().__init__(f"{town.name}, {form}", town.agents, town.side, town.tastes, town.objective, town.sites)
        self.form = form

    def utilities(self, state: State, mechanism: Tensor) -> Tensor:
        if self.form == "drifting":
            state = State(state.step, state.features, _as_of(state.people, state.step))
        found = super().utilities(state, mechanism)
        if self.form != "three kinds":
            return found
        third = Facilities("followers", self.agents, self.side, FOLLOWERS, self.objective, self.sites)
        is_third = (state.people.trait("roaming") == THIRD)[..., None]
        return torch.where(is_third, third.utilities(state, mechanism), found)

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        fresh = super().teacher(state, mechanism)
        last = self._last(state.features)
        if self.form != "habits" or state.step == 0:
            return fresh
        return (REPEATS * last + (1 - REPEATS) * fresh.exp()).log()


@dataclass(frozen=True)
class OddRosters:
    """The same rosters with other kinds. Drifting people have a trait for every step: `roaming`, `roaming_1` and on."""

    rosters: Rosters
    form: Form
    steps: int

    def people(self, draws: Draws) -> People:
        """One roster for each of the worlds that `draws` names."""
        who = self.rosters.people(draws)
        if self.form == "three kinds":
            lots = draws.uniform("kind of three", 0, who.agents)
            return _with(who, ((lots * 3).floor() / 2)[..., None])
        if self.form == "alike":
            homes = torch.stack([who.attribute("home_x"), who.attribute("home_y")], -1)
            return _with(who, _patches(homes, draws)[..., None])
        return _with(who, _drifting(who.trait("roaming"), draws, self.steps)) if self.form == "drifting" else who


def _with(who: People, traits: Tensor) -> People:
    names = ("roaming", *(f"roaming_{t}" for t in range(1, traits.shape[-1])))
    return People(who.attribute_names, who.public, names, traits, who.persona)


def _as_of(people: People, step: int) -> People:
    return People(people.attribute_names, people.public, ("roaming",), people.traits[..., step, None], people.persona)


def _patches(homes: Tensor, draws: Draws) -> Tensor:
    """[B, N] 1 where a sum of random waves over the map is positive; homes [B, N, 2] in shares of the town's width."""
    way = draws.uniform("ways of the waves", 0, WAVES) * 2 * pi  # [B, W]
    start = draws.uniform("starts of the waves", 0, WAVES) * 2 * pi
    along = homes[..., :1] * way.cos()[:, None] + homes[..., 1:] * way.sin()[:, None]  # [B, N, W]
    return ((2 * pi * LENGTH * along + start[:, None]).cos().sum(-1) > 0).float()


def _drifting(first: Tensor, draws: Draws, steps: int) -> Tensor:
    """[B, N, T] kinds by step, from those at first [B, N]."""
    path = [first]
    for t in range(1, steps):
        change = (draws.uniform("change of kind", t, first.shape[1]) < CHANGES).float()
        path.append((path[-1] - change).abs())
    return torch.stack(path, -1)
