"""Imagined experience for the principal: fresh communities, whole episodes, rewards less the ensemble's doubt."""

from dataclasses import dataclass

from torch import Tensor

from learning.draws import Draws, child_seed, draws
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

    def dream(self, principal: Principal, start: int, worlds: int, copies: int = 1) -> Dream:
        """Imagined episodes from number `start` on, worlds / copies different ones, each `copies` times over.

        Copies of a world share its people and every draw but the principal's own. ValueError unless worlds is a
        multiple of copies x members.
        """
        different, rest = divmod(worlds, copies)
        if rest or different % self.model.members:
            raise ValueError(
                f"{worlds} imagined worlds cannot be shared out evenly: "
                f"give a multiple of {copies} copies x {self.model.members} ensemble members"
            )
        seed = child_seed(self.seed, "dreams")
        census = Stage(self.stage.society, self.stage.population, self.stage.rosters, seed).census(start, different)
        ids = draws(seed, start, different).episodes.repeat(copies)
        start_features = census.repeat(copies, 1, 1)
        return imagine(self.model, self.stage.society, start_features, principal, Draws(seed, ids), self.soft)

    def rewards(self, principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
        """[B, T] welfare of each counted step less the penalty, for `mechanism.improve`."""
        dream = self.dream(principal, start, worlds, copies)
        reward = dream.episode.welfare - self.penalty * dream.disagreement
        return reward * dream.episode.counted
