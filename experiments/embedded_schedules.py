"""Tax schedules for teaching and testing the embedded model: [B, T, 7] rates from counters only.

Training and test draw from different seeds, and the test adds two shapes that training never sees.
"""

import torch
from torch import Tensor

from learning.draws import Draws
from societies.taxes import US_RATES

NEAR_BEST = (0.0, 0.65, 0.73, 0.68, 0.66, 0.59, 0.51)  # near the best fixed one for equality x productivity
M = len(US_RATES)
TRAINING = ("us", "flat", "near_best", "ascending", "descending", "random", "random")
UNSEEN = ("two_level", "valley")


def schedules(draws: Draws, steps: int, warm_up: int, shapes: tuple[str, ...]) -> Tensor:
    """One path of rates for each world of `draws`, [B, steps, 7], US rates in the warm-up.

    A third of the worlds keep one schedule, a third drift from it by a random walk, a third jump to a new one
    with chance .4 a year.
    """
    worlds = len(draws.episodes)
    manner = draws.uniform("manner", 0, 1)[:, 0]  # [B]
    now = _fresh(draws, 0, shapes)  # [B, 7]
    path = [torch.tensor(US_RATES).expand(worlds, -1)] * warm_up
    for step in range(warm_up, steps):
        walk = (now + 0.07 * draws.normal("drift", step, M)).clamp(0.0, 1.0)
        jumps = draws.uniform("jump", step, 1) < 0.4
        jumped = torch.where(jumps, _fresh(draws, step, shapes), now)
        if step > warm_up:
            now = torch.where((manner < 1 / 3)[:, None], now, torch.where((manner < 2 / 3)[:, None], walk, jumped))
        path.append(now)
    return torch.stack(path, 1)


def _fresh(draws: Draws, step: int, shapes: tuple[str, ...]) -> Tensor:
    """New schedules [B, 7], each of a shape drawn evenly from `shapes`."""
    u = draws.uniform("rates", step, M)
    every = torch.stack([_shape(name, u, draws.normal("wobble", step, M)) for name in shapes])  # [shapes, B, 7]
    which = (draws.uniform("shape", step, 1)[:, 0] * len(shapes)).long()
    return every[which, torch.arange(len(u))].clamp(0.0, 1.0)


def _shape(name: str, u: Tensor, wobble: Tensor) -> Tensor:
    """Schedules of one shape from uniform draws u and normal draws wobble, both [B, 7]."""
    if name == "us":
        return torch.tensor(US_RATES).expand_as(u)
    if name == "flat":
        return (0.9 * u[:, :1]).expand_as(u)
    if name == "near_best":
        return torch.tensor(NEAR_BEST) + 0.08 * wobble
    if name == "ascending":
        return u.sort(1).values
    if name == "descending":
        return u.sort(1, descending=True).values
    if name == "random":
        return u
    low, high, turn = u[:, :1] * 0.5, 0.4 + 0.5 * u[:, 1:2], (1 + u[:, 2:3] * 4).floor()
    place = torch.arange(M, dtype=u.dtype)
    if name == "two_level":
        return torch.where(place < turn, low, high)
    return low + (high - low) * (place - turn).abs() / 4  # "valley"
