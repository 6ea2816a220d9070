"""Imagined experience for the principal: fresh communities, whole episodes, rewards less the ensemble's doubt."""

from dataclasses import dataclass

from torch import Tensor

from learning.draws import child_seed, draws
from societies.base import Principal
from societies.stage import Stage
from world_model.imagine import Dream, imagine
from world_model.model import WorldModel


@dataclass(frozen=True)
class Dreams:
    """Episodes among imagined people whose public facts come from the census of fresh rosters (nobody is asked)."""

    stage: Stage  # of the real society; used for its rules and its census only
    model: WorldModel
    seed: int
    soft: bool  # the imagined people reply as the real ones do
    penalty: float = 0.0  # welfare taken off per unit of disagreement between ensemble members

    def dream(self, principal: Principal, start: int, worlds: int) -> Dream:
        """Imagined episodes numbered start .. start + worlds - 1; worlds is rounded up to a multiple of the members."""
        worlds = -(-worlds // self.model.members) * self.model.members
        seed = child_seed(self.seed, "dreams")
        census = Stage(self.stage.society, self.stage.population, self.stage.rosters, seed).census(start, worlds)
        return imagine(self.model, self.stage.society, census, principal, draws(seed, start, worlds), self.soft)

    def rewards(self, principal: Principal, start: int, worlds: int) -> Tensor:
        """[B, T] welfare of each counted step less the penalty, for `mechanism.improve`."""
        dream = self.dream(principal, start, worlds)
        reward = dream.episode.welfare - self.penalty * dream.disagreement
        return reward * dream.episode.counted
