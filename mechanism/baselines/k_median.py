"""Greedy k-median: every new place goes where it brings people's nearest place closest, whoever they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.explore import one_of
from societies.base import PublicStep, Society
from societies.mechanisms import options


@dataclass(frozen=True)
class KMedian:
    """Places one option per step so that the mean distance to the nearest falls most (Kuehn & Hamburger 1963).

    Reads group g of an option as g blocks away. ValueError, when it is first asked, where rules are not options.
    """

    society: Society

    def start(self, worlds: int) -> Tensor | None:
        """[B, N] blocks to the nearest place; None while there is none."""
        return None

    def propose(self, memory: Tensor | None, seen: PublicStep) -> tuple[Tensor, Tensor]:
        """[B, M] one-hot"""
        groups = options(self.society).groups(seen.features)  # [B, M, G, N]
        blocks = torch.arange(groups.shape[2], dtype=groups.dtype)
        away = (groups * blocks[:, None]).sum(2)  # [B, M, N]
        nearest = away if memory is None else torch.minimum(away, memory[:, None])
        chosen = one_of(-nearest.mean(-1), self.society.decides(seen.step, seen.features))
        return (nearest * chosen[..., None]).sum(1), chosen
