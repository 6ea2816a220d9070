"""Rules drawn at random, to see how people answer them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws
from societies.base import Options, PublicStep, Society
from societies.mechanisms import bounds, size


@dataclass(frozen=True)
class RandomRules:
    """Rules that are numbers: a level for all of them and an offset for each, drawn anew in every `hold`-th step of the
    episode; levels are uniform over the allowed range, offsets normal with a fifth of its width. Options: any of those
    that are open, in every step anew.
    """

    society: Society
    draws: Draws
    hold: int = 3  # steps

    def start(self, worlds: int) -> int:
        """The number of worlds is all it needs to know."""
        return worlds

    def propose(self, memory: int, seen: PublicStep) -> tuple[int, Tensor]:
        """[B, M]"""
        if isinstance(self.society.mechanism, Options):
            return memory, self._any_option(seen)
        block = seen.step // self.hold
        lows, highs = bounds(self.society)
        low, high = float(lows.min()), float(highs.max())
        level = self.draws.uniform("explored level", block, 1)
        offset = 0.2 * self.draws.normal("explored offset", block, size(self.society))
        return memory, (low + (high - low) * (level + offset)).clamp(low, high)

    def _any_option(self, seen: PublicStep) -> Tensor:
        lots = self.draws.uniform("explored option", seen.step, size(self.society))  # [B, M]
        return one_of(lots, self.society.decides(seen.step, seen.features))


@dataclass(frozen=True)
class VariedRules:
    """Rules of all kinds, one kind in each world: as `RandomRules` draws them; each number drawn by itself; each at one
    of its ends; and the default. Options: as `RandomRules`.
    """

    society: Society
    draws: Draws

    def start(self, worlds: int) -> int:
        """The number of worlds is all it needs to know."""
        return worlds

    def propose(self, memory: int, seen: PublicStep) -> tuple[int, Tensor]:
        """[B, M]"""
        _, drawn = RandomRules(self.society, self.draws).propose(memory, seen)
        if isinstance(self.society.mechanism, Options):
            return memory, drawn
        low, high = bounds(self.society)
        lots = self.draws.uniform("varied rules", 0, len(low))  # [B, M]
        default = self.society.default_mechanism().expand_as(drawn)
        kinds = torch.stack([drawn, low + (high - low) * lots, torch.where(lots < 0.5, low, high), default])
        kind = (len(kinds) * self.draws.uniform("kind of rules", 0, 1)[:, 0]).long()  # [B]
        return memory, kinds[kind, torch.arange(memory)]


def one_of(scores: Tensor, open_: Tensor) -> Tensor:
    """[B, M] one-hot of the highest score among the open options; all zero where none is open."""
    best = scores.masked_fill(~open_, -torch.inf).argmax(-1)
    return torch.nn.functional.one_hot(best, scores.shape[-1]).to(scores.dtype) * open_
