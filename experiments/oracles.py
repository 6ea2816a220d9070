"""The best that can be done by those who know more than any principal may: schedules found on the true society.

All by gradient ascent on logits through lived episodes, on rosters or choice noise that no score is taken on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from experiments.lived import Lived, live
from learning.draws import Draws, child_seed, draws
from mechanism.policy import to_logits, to_mechanism
from personas.incomes import HOURS_PER_YEAR, standing
from personas.people import People
from personas.sample import Sampler
from societies.base import PublicStep
from societies.library.income_tax import IncomeTax
from societies.play import Fixed

Knows = Literal["wages", "community", "everything"]


@dataclass(frozen=True)
class Climb:
    """How long an ascent is, and over how many episodes each gradient is taken."""

    iterations: int
    episodes: int  # per iteration; for oracles of single rosters, per roster
    rate: float = 0.1  # of Adam, on logits; falls linearly to a twentieth


def ascend(start: Tensor, reward: Callable[[Tensor, int], Tensor], climb: Climb) -> Tensor:
    """Adam from `start` on reward(logits, iteration), a number; returns the mean of the later half of its way."""
    logits = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], climb.rate, eps=1e-12)
    later = range(climb.iterations // 2, climb.iterations)
    total = torch.zeros_like(start)
    for i in range(climb.iterations):
        for group in optimizer.param_groups:
            group["lr"] = climb.rate * max(0.05, 1 - i / climb.iterations)
        optimizer.zero_grad()
        (-reward(logits, i)).backward()
        optimizer.step()
        total += logits.detach() if i in later else 0
    return total / len(later)


def best_fixed(lived: Lived, climb: Climb) -> Tensor:
    """[M] the best schedule for everyone and all years."""
    return best_common(lived, lived.society.default_mechanism(), climb)


def best_common(lived: Lived, start: Tensor, climb: Climb) -> Tensor:
    """The best mechanism for every roster, from `start`: one schedule [M], or one for each step [T, M]."""

    def reward(logits: Tensor, iteration: int) -> Tensor:
        principal = Fixed(to_mechanism(lived.society, logits))
        return lived.rewards(principal, iteration * climb.episodes, climb.episodes).mean()

    return to_mechanism(lived.society, ascend(to_logits(lived.society, start), reward, climb))


@dataclass(frozen=True)
class Each:
    """A principal with a schedule of its own for every world: [B, M], or a path for each [B, T, M]."""

    mechanism: Tensor

    def start(self, worlds: int) -> None:
        return None

    def propose(self, memory: None, seen: PublicStep) -> tuple[None, Tensor]:
        """[B, M]"""
        return None, self.mechanism if self.mechanism.dim() == 2 else self.mechanism[:, seen.step]
