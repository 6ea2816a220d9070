"""Rules drawn at random, to see how people answer them."""

from dataclasses import dataclass

from torch import Tensor

from learning.draws import Draws
from societies.base import PublicStep, Society


@dataclass(frozen=True)
class RandomRules:
    """A level for the whole mechanism and an offset per parameter, drawn anew in every `hold`-th step of the episode.

    Levels are uniform over the allowed range, offsets normal with a fifth of its width.
    """

    society: Society
    draws: Draws
    hold: int = 3  # steps

    def start(self, worlds: int) -> int:
        """The number of worlds is all it needs to know."""
        return worlds

    def propose(self, memory: int, seen: PublicStep) -> tuple[int, Tensor]:
        """[B, M]"""
        size = len(self.society.default_mechanism())
        block = seen.step // self.hold
        low, high = float(self.society.mechanism.low.min()), float(self.society.mechanism.high.max())
        level = self.draws.uniform("explored level", block, 1)
        offset = 0.2 * self.draws.normal("explored offset", block, size)
        return memory, (low + (high - low) * (level + offset)).clamp(low, high)
