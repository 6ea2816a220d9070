"""What a run found out about a town: where facilities stand in the end, and how far people go."""

import numpy as np
import torch
from torch import Tensor

from experiments.report_data import Outings, Places
from experiments.statistics import mean_interval
from learning.draws import child_seed, draws
from mechanism.dreams import Dreams
from mechanism.explore import RandomRules
from societies.base import Episode, Society
from societies.facilities import PRESENT, Facilities

FEW = 20  # offers; a mean of fewer says nothing


def places(society: Society, name: str, label: str, episode: Episode) -> tuple[Places, ...]:
    """Where a method's facilities stand after the last step; nothing in a society that has none."""
    if not isinstance(society, Facilities):
        return ()
    built = episode.mechanism.sum(1).mean(0).double().numpy()  # [M] of every cell, in how many communities
    return (Places(name, label, built.reshape(society.side, society.side)),)


def outings(dreams: Dreams, lived: Episode) -> tuple[Outings, ...]:
    """How often an open place is gone to, by the distance: in the episodes learned from, and dreamt of."""
    society = dreams.stage.society
    if not isinstance(society, Facilities):
        return ()
    worlds = 10 * dreams.model.members
    rules = RandomRules(society, draws(child_seed(dreams.seed, "rules"), 0, worlds))
    with torch.no_grad():
        dreamt = dreams.dream(rules, 0, worlds).episode
    return (_outings(society, "lived", True, lived), _outings(society, "imagined", False, dreamt))


def _outings(society: Facilities, label: str, real: bool, episode: Episode) -> Outings:
    offered, gone = _by_distance(society, episode)  # [B, D] each
    known = np.flatnonzero(offered.sum(0).numpy() >= FEW)
    shares = [mean_interval((gone[:, d] / offered[:, d])[offered[:, d] > 0].double().numpy()) for d in known]
    low, high = np.array([s.low for s in shares]), np.array([s.high for s in shares])
    return Outings(label, real, known.astype(float), np.array([s.value for s in shares]), low, high)


def _by_distance(society: Facilities, episode: Episode) -> tuple[Tensor, Tensor]:
    """How many open places lay so far from somebody, and how many of those were gone to: [B, D] by whole blocks."""
    blocks = range(society.farthest + 1)
    offered, gone = torch.zeros(2, len(episode.ids), len(blocks))
    for t in range(society.steps):
        site, away = society.seen(episode.features[:, t], episode.mechanism[:, t])  # [B, N, S, 4], [B, N, S]
        there, chosen = site[..., PRESENT] > 0.5, episode.choice[:, t, :, 1:]
        for d in blocks:
            near = (there & (away == d)).float()
            offered[:, d] += near.sum((1, 2))
            gone[:, d] += (near * chosen).sum((1, 2))
    return offered, gone
