"""How much of people's declared traits the online belief knows: for the report only, after everything is learned."""

import numpy as np
import torch
from torch import Tensor

from experiments.report_data import Recovery
from societies.base import Episode, Sealed, Society
from world_model.model import WorldModel
from world_model.records import records

HARDLY = ("risk_aversion", "loss_aversion", "habit", "preferred_hours")  # swapping low and high costs under .3%


def recovery(model: WorldModel, society: Society, episode: Episode, sealed: Sealed | None) -> Recovery | None:
    """R^2 of a ridge read-out from the belief's mean to each declared trait, after each counted step.

    Fitted on one half of the communities and scored on the other, both ways; None without an answer key or with
    fewer than four communities.
    """
    if sealed is None or len(episode.ids) < 4:
        return None
    data = records(society, episode)
    with torch.no_grad():
        belief = model.tracker.beliefs(
            model.evidence(data.prospects, data.features, data.choice, data.open), data.covariates
        )
    inputs = torch.cat([belief.mean, data.covariates[:, None].expand(-1, belief.mean.shape[1], -1, -1)], -1)
    known = inputs[:, episode.counted]  # [B, Y, N, Z + V] after each counted step
    names = [name for name in sealed.trait_names if name in society.traits_used]
    traits = torch.stack([sealed.traits[..., sealed.trait_names.index(name)] for name in names], -1)  # [B, N, Z*]
    r2 = [[_r2(known[:, year], traits[..., z]) for year in range(known.shape[1])] for z in range(len(names))]
    return Recovery(tuple(names), np.array(r2), tuple(name not in HARDLY for name in names))


def _r2(known: Tensor, trait: Tensor) -> float:
    """known [B, N, X], trait [B, N]: cross-fitted over two halves of the communities."""
    half = len(known) // 2
    folds = [(slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))]
    residual, total = 0.0, 0.0
    for fit, score in folds:
        weights = _ridge(known[fit].flatten(0, 1), trait[fit].flatten())
        truth = trait[score].flatten()
        residual += float(((truth - _with_one(known[score].flatten(0, 1)) @ weights) ** 2).sum())
        total += float(((truth - trait[fit].mean()) ** 2).sum())
    return 1 - residual / max(total, 1e-9)


def _ridge(x: Tensor, y: Tensor) -> Tensor:
    design = _with_one(x)
    return torch.linalg.solve(design.T @ design + 1e-2 * torch.eye(design.shape[1]), design.T @ y)


def _with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[:, :1])], -1)
