"""Where a method learns, and how it is judged on the way: on held-out communities, which costs it nothing.

Shapes: P checkpoints, C held-out communities.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mechanism.evaluate import welfare
from societies.base import Principal
from societies.stage import Stage

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Place:
    """Where a method learns and where it is judged. Whether others meet the same training communities is for those to
    say who compare them.
    """

    training: Stage
    judged: Stage
    held_out: int  # communities


@dataclass
class Checkpoints:
    """A method's welfare as it learns."""

    place: Place
    episodes: list[int] = field(default_factory=list[int])  # real ones spent so far
    welfare: list[Tensor] = field(default_factory=list[Tensor])  # each [C]

    def add(self, episodes: int, principal: Principal) -> None:
        """Judge it as it is now. This costs it nothing."""
        self.episodes.append(episodes)
        self.welfare.append(judge(self.place, principal)["welfare"][0])

    def tensors(self) -> Tensors:
        """episodes [P], welfare [P, C]"""
        return {"episodes": torch.tensor(self.episodes), "welfare": torch.stack(self.welfare)}


def judge(at: Place, principal: Principal, episodes: int = 0) -> Tensors:
    """One checkpoint: episodes [1], welfare [1, C]."""
    found = welfare(at.judged, principal, at.held_out)
    return {"episodes": torch.tensor([episodes]), "welfare": found[None]}
