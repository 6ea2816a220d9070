"""The shuffle test: a policy whose history comes from another roster has nothing to go by but the calendar."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mechanism.observe import History
from mechanism.policy import Learned
from societies.base import PublicStep


@dataclass(frozen=True)
class Misled:
    """`learned`, told what the people of the next world did. The wages, the last rules and the year stay its own."""

    learned: Learned

    def start(self, worlds: int) -> History:
        """As the policy itself."""
        return self.learned.start(worlds)

    def propose(self, memory: History, seen: PublicStep) -> tuple[History, Tensor]:
        """[B, M]"""
        return self.learned.propose(memory, replace(seen, **self._swapped(seen)))

    def _swapped(self, seen: PublicStep) -> dict[str, Tensor | None]:
        names = self.learned.society.feature_names
        own = torch.tensor([name in self.learned.society.personal for name in names])

        def features(x: Tensor | None) -> Tensor | None:
            return None if x is None else torch.where(own, x, x.roll(1, 0))

        return {
            "features": features(seen.features),
            "last_features": features(seen.last_features),
            "last_response": None if seen.last_response is None else seen.last_response.roll(1, 0),
            "last_choice": None if seen.last_choice is None else seen.last_choice.roll(1, 0),
        }
