"""How far the world model can be trusted: next-step likelihood, k-step error, coverage; all on people never seen."""

from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws
from societies.base import Episode, Society
from world_model.imagine import World
from world_model.model import Believed, WorldModel
from world_model.records import Records


def beliefs(model: WorldModel, data: Records) -> Believed:
    """The online tracker after each of the T decisions: [B, T, N, Z]."""
    with torch.no_grad():
        return model.tracker.beliefs(
            model.evidence(data.prospects, data.features, data.choice, data.open), data.covariates
        )


def next_choice(model: WorldModel, data: Records, step: int, samples: int, draws: Draws) -> Tensor:
    """[B, N, K] predicted distribution of the choice at `step`, from the history before it.

    Averages members and `samples` draws of z from the online belief. step >= 1.
    """
    belief = beliefs(model, data)
    total = torch.zeros_like(data.choice[:, step])
    for i in range(samples):
        z = _drawn(model, belief, step, draws, i)
        total = total + _all_members(model, data, step, z).exp().mean(0)
    return total / samples


def _drawn(model: WorldModel, belief: Believed, step: int, draws: Draws, sample: int) -> Tensor:
    common = draws.normal("belief of the community", sample, model.prior.community)
    own = draws.normal("belief", sample, *belief.mean.shape[2:])
    return belief.at(torch.tensor([step - 1])).draw(common[:, None], own[:, None])[:, 0]


def _all_members(model: WorldModel, data: Records, step: int, z: Tensor) -> Tensor:
    """Every member on every world: [S, B, N, K]."""
    facts = (data.prospects[:, step], data.features[:, step], z, data.open[:, step])
    with torch.no_grad():
        return model.log_probs(*[x.expand(model.members, *x.shape) for x in facts])


@dataclass(frozen=True)
class Forecast:
    """One account some steps ahead, sampled, beside what came."""

    sampled: Tensor  # [samples, B, H]
    came: Tensor  # [B, H]

    def error(self) -> Tensor:
        """[H] mean over worlds of |mean forecast - truth| / |truth|."""
        return ((self.sampled.mean(0) - self.came).abs() / self.came.abs()).mean(0)

    def coverage(self, level: float = 0.9) -> float:
        """Share of worlds and steps whose truth lies inside the central interval of that level."""
        tail = (1 - level) / 2
        low, high = self.sampled.quantile(tail, 0), self.sampled.quantile(1 - tail, 0)
        return float(((self.came >= low) & (self.came <= high)).float().mean())


def forecast(
    model: WorldModel, society: Society, episode: Episode, data: Records, account: str, ahead: tuple[int, int], n: int
) -> Forecast:
    """Roll the learned people on from a real state under the rules that were really in force.

    `ahead`: (first step, number of steps H); n samples: each draws z from the belief before the first step, and is
    answered by another member of the ensemble. The worlds of `episode` must be a multiple of the members.
    ValueError where accounts are not computed, or not this one.
    """
    if account not in episode.accounts:
        raise ValueError(f"{society.name} keeps no account {account!r}; it keeps {', '.join(episode.accounts)}")
    if model.settings.dynamics == "learned":
        raise ValueError(f"learned dynamics keep no accounts; forecast {account!r} with model.dynamics: settled")
    first, steps = ahead
    belief = beliefs(model, data)
    sampled = list[Tensor]()
    for i in range(n):
        draws = Draws(i, episode.ids)
        world = World(model, society, _drawn(model, belief, first, draws, i), draws, episode.soft, shift=i)
        features, values = episode.features[:, first], list[Tensor]()
        for t in range(first, first + steps):
            with torch.no_grad():
                step, features = world.step(t, features, episode.mechanism[:, t])
            values.append(step.accounts[account])
        sampled.append(torch.stack(values, 1))
    return Forecast(torch.stack(sampled), episode.accounts[account][:, first : first + steps])
