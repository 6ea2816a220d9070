"""A facility town in which everyone's private traits are public: the ablation that is told who is who.

The same learner is put into it, with nothing left to infer: what it does better there, inference could still win.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws
from personas.people import People
from personas.rosters import Rosters
from societies.base import Settled
from societies.facilities import Facilities


class OpenTown(Facilities):
    """The town of that name, its people's traits as features at the end."""

    def __init__(self, town: Facilities) -> None:
        super().__init__(town.name, town.agents, town.side, town.tastes, town.objective, town.sites)
        self.feature_names = (*town.feature_names, *town.traits_used)
        self.attributes_used = (*town.attributes_used, *town.traits_used)
        self.own = town.traits_used

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        traits = [public[..., attribute_names.index(name), None] for name in self.own]
        return torch.cat([super().census(public, attribute_names), *traits], -1)

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        settled = super().settle(features, mechanism, response)
        return Settled(torch.cat([settled.features, features[..., -len(self.own) :]], -1), settled.accounts)


@dataclass(frozen=True)
class Told:
    """The same rosters, with everyone's traits among the public attributes."""

    rosters: Rosters

    def people(self, draws: Draws) -> People:
        """One roster for each of the worlds that `draws` names."""
        who = self.rosters.people(draws)
        names, public = (*who.attribute_names, *who.trait_names), torch.cat([who.public, who.traits], -1)
        return People(names, public, who.trait_names, who.traits, who.persona)
