"""How rules and what is known become gymnasium spaces, and actions become rules."""

from typing import Any, TypeVar

import numpy as np
import torch
from gymnasium import Space
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor

from societies.base import Options, Society
from societies.mechanisms import bounds, size

Numbers = NDArray[Any]
T = TypeVar("T")
LAST = 2**31 - 1  # number of an episode
ROUNDING = 1e-4  # what a clipped action may be outside of [-1, 1] by


def plain(tensor: Tensor) -> Numbers:
    """A copy as a NumPy array: who is given it may write into it."""
    return np.array(tensor.detach().cpu().numpy())


def unbounded(*shape: int) -> Box:
    """A space of single-precision numbers of any size."""
    return Box(-np.inf, np.inf, shape, np.float32)


def rules_space(society: Society) -> Space[Any]:
    """[-1, 1]^M for rules that are numbers, -1 and 1 being the ends of each range; M + 1 choices for options, of which
    the last takes none.
    """
    if isinstance(society.mechanism, Options):
        return Discrete(size(society) + 1)
    return Box(-1.0, 1.0, (size(society),), np.float32)


def to_rules(society: Society, actions: Numbers) -> Tensor:
    """Actions [B, M], or [B] where there are options, -> rules [B, M].

    ValueError naming the first that is not in the space.
    """
    m = size(society)
    if isinstance(society.mechanism, Options):
        taken = torch.as_tensor(np.asarray(actions, np.float64))  # [B]
        wrong = ~((taken >= 0) & (taken <= m) & (taken == taken.round()))
        if wrong.any():
            told = f"option {float(taken[wrong][0]):g} was taken of {m}"
            raise ValueError(f"{society.name}: {told}; they are numbered 0 to {m - 1}, and {m} takes none")
        return torch.nn.functional.one_hot(taken.long(), m + 1)[:, :m].float()
    asked = torch.as_tensor(np.asarray(actions, np.float32))  # [B, M]
    wrong = ~(asked.abs() <= 1 + ROUNDING)  # so that what is no number is wrong too
    if wrong.any():
        place, value = int(wrong.nonzero()[0, -1]), float(asked[wrong][0])
        raise ValueError(f"{society.name}: number {place + 1} of the action is {value:g}; it must lie within -1 and 1")
    low, high = bounds(society)
    return low + (high - low) * (asked.clamp(-1, 1) + 1) / 2


def to_actions(society: Society, rules: Tensor) -> Numbers:
    """The inverse of `to_rules`: rules [B, M] -> actions [B, M], or [B] where there are options."""
    if isinstance(society.mechanism, Options):
        none = 1 - rules.sum(-1, keepdim=True)  # [B, 1]
        return plain(torch.cat([rules, none], -1).argmax(-1))
    low, high = bounds(society)
    return plain(2 * (rules - low) / (high - low) - 1)


def batch_of(society: Society, action: object, worlds: int) -> Numbers:
    """One action for each of the worlds, as `to_rules` takes them. ValueError for another shape."""
    found = np.asarray(action)
    shape = (worlds,) if isinstance(society.mechanism, Options) else (worlds, size(society))
    if found.size != np.prod(shape) or (len(shape) == 2 and found.shape[-1:] != shape[-1:]):
        raise ValueError(
            f"{society.name}: an action of shape {found.shape}; need {shape[1:] if worlds == 1 else shape}"
        )
    return found.reshape(shape)


def episode_of(options: dict[str, Any] | None, following: int) -> int:
    """The episode that a reset asks for, or the one that follows. ValueError where it is no number of one."""
    asked = (options or {}).get("episode", following)
    if isinstance(asked, bool) or not isinstance(asked, int | np.integer) or not 0 <= asked <= LAST:
        raise ValueError(f"the episode {asked!r} was asked for; they are numbered 0 to {LAST}")
    return int(asked)


def first(told: dict[str, Numbers]) -> dict[str, Numbers]:
    """What is told of the first world alone."""
    return {name: np.array(value[0]) for name, value in told.items()}
