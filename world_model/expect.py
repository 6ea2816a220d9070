"""What everyone is expected to choose next, and how far the ensemble disagrees about it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws
from societies.base import Society
from world_model.model import Believed, WorldModel
from world_model.records import Records, personal


@dataclass(frozen=True)
class Expected:
    """Everyone's next choice by the world model, from the history so far."""

    chances: Tensor  # [B, N, K] averaged over members and draws of z
    doubt: Tensor  # [B, N, R] standard deviation of the expected response over members and draws of z


def expected(
    model: WorldModel, society: Society, seen: Records, features: Tensor, mechanism: Tensor, samples: int, draws: Draws
) -> Expected:
    """In the public state `features` [B, N, F] after the steps that were `seen` (none are needed), under `mechanism`
    [B, M]. Each of `samples` draws of z from the online belief is asked of every member.
    """
    step = seen.features.shape[1]
    open_ = society.choices(step, features, mechanism)
    facts = (society.prospects(features, mechanism), features)
    belief, levels = believed(model, society, seen, features), _levels(society)
    total = torch.zeros(*open_.shape)
    mean, square = (torch.zeros(*open_.shape[:2], levels.shape[-1], dtype=torch.float64) for _ in range(2))
    for i in range(samples):
        z = drawn(model, belief, draws, i)
        spread = [x.expand(model.members, *x.shape) for x in (*facts, z, open_)]
        with torch.no_grad():
            chances = model.log_probs(*spread).exp()  # [S, B, N, K]
        response = (chances @ levels).double()  # [S, B, N, R]
        total, mean, square = total + chances.mean(0), mean + response.mean(0), square + response.square().mean(0)
    variance = square / samples - (mean / samples).square()
    return Expected(total / samples, variance.clamp_min(0).sqrt().float())


def believed(model: WorldModel, society: Society, seen: Records, features: Tensor) -> Believed:
    """[B, N, Z] after the last step that was seen, or before the first."""
    covariates = personal(society, features)
    with torch.no_grad():
        if seen.features.shape[1] == 0:
            return model.tracker.at_first(covariates)
        evidence = model.evidence(seen.prospects, seen.features, seen.choice, seen.open)
        return model.tracker.beliefs(evidence, covariates)


def drawn(model: WorldModel, belief: Believed, draws: Draws, sample: int) -> Tensor:
    """z [B, N, Z] of people of whom that is believed."""
    common = draws.normal("belief of the community", sample, model.prior.community)
    if belief.mean.dim() == 3:  # before the first step
        return belief.draw(common, draws.normal("belief", sample, *belief.mean.shape[1:]))
    own = draws.normal("belief", sample, *belief.mean.shape[2:])
    last = torch.tensor([belief.mean.shape[1] - 1])
    return belief.at(last).draw(common[:, None], own[:, None])[:, 0]


def _levels(society: Society) -> Tensor:
    """[K, R] the response that each choice makes."""
    return society.respond(torch.arange(len(society.choice_names))[None])[0]
