"""Mechanisms that never change."""

import torch

from societies.base import Episode, Options, Society
from societies.mechanisms import bounds
from societies.play import Fixed


def default(society: Society) -> Fixed:
    """The society's own default: US federal rates in the income tax."""
    return Fixed(society.default_mechanism())


def flat(society: Society, level: float) -> Fixed:
    """Every parameter at `level`. ValueError outside the society's range."""
    lows, highs = bounds(society)
    low, high = float(lows.max()), float(highs.min())
    if not low <= level <= high:
        raise ValueError(f"{society.name}: a flat mechanism of {level:g} is outside {low:g} to {high:g}")
    return Fixed(torch.full_like(society.default_mechanism(), level))


def average_rules(society: Society, episode: Episode) -> Fixed:
    """The average rules of the counted steps; of options, the one that was taken most often in each step."""
    if isinstance(society.mechanism, Options):
        often = episode.mechanism.mean(0)  # [T, M]
        return Fixed(torch.nn.functional.one_hot(often.argmax(-1), often.shape[-1]).to(often.dtype))
    return Fixed(episode.mechanism[:, episode.counted].mean((0, 1)))
