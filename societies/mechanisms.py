"""What principals propose, and what comes into force: rates inside their range, or one option of those open now."""

import torch
from gymnasium.spaces import Box
from torch import Tensor

from societies.base import Options, Society

ROUNDING = 1e-4  # in shares of a parameter's range: what a sigmoid and a sum in single precision may be out by


def size(society: Society) -> int:
    """M"""
    return len(society.default_mechanism())


def bounds(society: Society) -> tuple[Tensor, Tensor]:
    """Lowest and highest value of every parameter, [M] each. ValueError where the mechanism is one of some options."""
    if isinstance(society.mechanism, Options):
        raise ValueError(f"the rules of {society.name} are one of {size(society)} options, which have no range")
    return torch.as_tensor(society.mechanism.low), torch.as_tensor(society.mechanism.high)


def options(society: Society) -> Options:
    """The options that rules are chosen from. ValueError where rules are numbers."""
    if isinstance(society.mechanism, Box):
        raise ValueError(f"the rules of {society.name} are {size(society)} numbers, not one of some options")
    return society.mechanism


def option(society: Society, name: str) -> Tensor:
    """[M] the mark of the option of that name. ValueError where there is none, or where rules are numbers."""
    names = options(society).names
    if name not in names:
        raise ValueError(f"{society.name}: {name!r} is none of its {len(names)} options: {'; '.join(names)}")
    return torch.eye(len(names))[names.index(name)]


def check(society: Society, step: int, proposed: Tensor, worlds: int) -> None:
    """Before anybody is asked under such rules. ValueError where they are not [B, M] or [M], or not allowed at all."""
    m, shape = size(society), tuple(proposed.shape)
    where = f"{society.name}, step {step}"
    if shape not in ((m,), (1, m), (worlds, m)):
        raise ValueError(f"{where}: rules of shape {shape}; need [{m}], or [{worlds}, {m}]")
    if not proposed.isfinite().all():
        odd = ~proposed.isfinite()
        place, value = int(odd.nonzero()[0, -1]), float(proposed[odd][0])
        raise ValueError(f"{where}: parameter {place + 1} of the proposed rules is {value:g}, which is no number")
    if isinstance(society.mechanism, Options):
        _check_option(proposed, where)
    else:
        _check_range(society, proposed, where)


def _check_range(society: Society, proposed: Tensor, where: str) -> None:
    low, high = bounds(society)
    slack = ROUNDING * (high - low)
    outside = ((proposed < low - slack) | (proposed > high + slack)).reshape(-1, len(low))  # [B, M]
    if outside.any():
        row, place = (int(i) for i in outside.nonzero()[0])
        value = float(proposed.reshape(-1, len(low))[row, place])
        raise ValueError(
            f"{where}: parameter {place + 1} of the rules is {value:g}; "
            f"it must lie between {float(low[place]):g} and {float(high[place]):g}"
        )


def _check_option(proposed: Tensor, where: str) -> None:
    marks = proposed.reshape(-1, proposed.shape[-1])
    options = f"one of {marks.shape[-1]} options by 1 and the others by 0, or none of them"
    must = f"{where}: the rules must mark {options}; found"
    other = (marks != 0) & (marks != 1)
    if other.any():
        world, place = (int(i) for i in other.nonzero()[0])
        raise ValueError(f"{must} {marks[world, place]:g} for option {place + 1} of world {world + 1}")
    if (marks.sum(-1) > 1).any():
        raise ValueError(f"{must} {marks.sum(-1).max():g} marked in one world")


def in_force(society: Society, step: int, features: Tensor, proposed: Tensor) -> Tensor:
    """[B, M] what was proposed ([B, M] or [M]) where the principal decides, else the default.

    An option that is not open comes to nothing: none is taken.
    """
    decides = society.decides(step, features)
    if isinstance(society.mechanism, Options):
        return proposed * decides
    low, high = bounds(society)
    allowed = torch.minimum(torch.maximum(proposed, low), high)
    return torch.where(decides, allowed, society.default_mechanism())
