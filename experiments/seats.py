"""A person in somebody's seat in each of some towns: the situations in which an edit is looked at.

The seat is that of whoever is nearest in what is public (the wage), so that the town stays as nearly as it can what it
was. Whoever sits down there worked as long last year as the one who sat there; what that brought follows from the
public rules and the own wage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from experiments.counterfactual import Standing
from experiments.prediction_powered import Ints
from personas.people import People, Persona
from societies.base import Society


@dataclass(frozen=True)
class Seated:
    """The towns with the person in them."""

    at: Standing
    seat: Tensor  # [B] int64

    @property
    def who(self) -> Ints:
        """[B] the person's place in each town, counted through all towns."""
        return (torch.arange(len(self.seat)) * self.at.people.agents + self.seat).numpy()

    def of(self, x: Tensor) -> Tensor:
        """[B, A, ...] -> [B, ...] what belongs to the person's seat."""
        return x[torch.arange(len(self.seat)), self.seat]


def seated(at: Standing, person: Persona) -> Seated:
    """KeyError where the person lacks a trait or a public number that the others have."""
    seat = _nearest(at.people, person)
    people = _with(at.people, seat, person)
    return Seated(replace(at, features=_features(at, people, seat), people=people), seat)


def edited(person: Persona, name: str, value: float) -> Persona:
    """The same person with one trait set; the author's own words for it no longer hold."""
    words = {trait: text for trait, text in person.words.items() if trait != name}
    return replace(person, traits={**person.traits, name: value}, words=words)


def _nearest(people: People, person: Persona) -> Tensor:
    """[B] the seat of whoever is nearest in public attributes, in spreads."""
    own = _row(person.attributes, people.attribute_names)
    spread = people.public.flatten(0, 1).std(0).nan_to_num().clamp_min(1e-6)
    return ((people.public - own) / spread).square().sum(-1).argmin(1)


def _row(values: Mapping[str, float | str], names: tuple[str, ...]) -> Tensor:
    return torch.tensor([float(values[name]) for name in names])


def _with(people: People, seat: Tensor, person: Persona) -> People:
    """The same people but for one seat in each town."""
    rows, places = torch.arange(people.worlds), seat.tolist()
    public, traits = people.public.clone(), people.traits.clone()
    public[rows, seat] = _row(person.attributes, people.attribute_names)
    traits[rows, seat] = _row(person.traits, people.trait_names)

    def who(world: int, agent: int) -> Persona:
        return person if agent == places[world] else people.persona(world, agent)

    return People(people.attribute_names, public, people.trait_names, traits, who)


def _features(at: Standing, people: People, seat: Tensor) -> Tensor:
    """[B, A, F] the public state with the newcomer in it: the last step's accounts, drawn up again."""
    census = at.society.census(people.public, people.attribute_names)
    if at.step == 0:
        return census
    before = at.seen.features[:, -1].clone()
    own, rows = _personal(at.society), torch.arange(len(seat))
    before[rows[:, None], seat[:, None], own] = census[rows[:, None], seat[:, None], own]
    return at.society.settle(before, at.seen.mechanism[:, -1], at.seen.response[:, -1]).features


def _personal(society: Society) -> Tensor:
    """[V] the features that describe a person and never change."""
    return torch.tensor([society.feature_names.index(name) for name in society.personal])
