"""What every society refuses, in the same words: unknown names, counts that cannot be, and moves against the rules."""

from collections.abc import Collection

import torch
from torch import Tensor

from societies.base import Options, Society, State
from societies.mechanisms import check, size


def known_name(society: str, what: str, value: str, known: Collection[str]) -> None:
    """ValueError where a setting is none of those that are known."""
    if value not in known:
        raise ValueError(f"{society}: {what} {value!r} is not known; choose one of: {', '.join(known)}")


def count(society: str, what: str, value: float, least: int = 1, most: int | None = None) -> None:
    """ValueError where so many cannot be, or where they are no whole number."""
    range_ = f"at least {least}" if most is None else f"{least} to {most}"
    if not isinstance(value, int) or value < least or (most is not None and value > most):
        raise ValueError(f"{society}: {value!r} {what}; there must be {range_}, and a whole number of them")


def column(society: str, attribute: str, names: tuple[str, ...]) -> int:
    """The place of a public attribute among those of a roster. ValueError where it has none of that name."""
    if attribute not in names:
        raise ValueError(
            f"{society}: people need the public attribute {attribute!r}; these have: {', '.join(names) or 'none'}"
        )
    return names.index(attribute)


def check_step(society: Society, state: State, mechanism: Tensor, action: Tensor) -> None:
    """Before a real step. ValueError for a step after the last, rules [B, M] that are not allowed, an option that is
    not open, and choices [B, N] that are not open; -1 = nothing was chosen. Rules that are numbers may be other than
    the default where the principal does not decide: `play` puts the default there.
    """
    worlds, agents = state.features.shape[:2]
    where = f"{society.name}, step {state.step}"
    if state.step >= society.steps:
        raise ValueError(f"{where}: an episode has steps 0 to {society.steps - 1}")
    if action.is_floating_point():
        raise ValueError(f"{where}: choices are told by their places, as whole numbers; found {action.dtype}")
    shapes = (worlds, size(society)), (worlds, agents)
    if (mechanism.shape, action.shape) != shapes:
        found = f"rules of shape {tuple(mechanism.shape)} and choices of shape {tuple(action.shape)}"
        raise ValueError(f"{where}: {found}; need {list(shapes[0])} and {list(shapes[1])}")
    check(society, state.step, mechanism, worlds)
    if isinstance(society.mechanism, Options):
        shut = (mechanism > 0) & ~society.decides(state.step, state.features)
        if shut.any():
            world, place = (int(i) for i in shut.nonzero()[0])
            raise ValueError(f"{where}: {society.mechanism.names[place]!r} is not open in world {world + 1}")
    _check_choices(society, society.choices(state.step, state.features, mechanism), action, where)


def _check_choices(society: Society, open_: Tensor, action: Tensor, where: str) -> None:
    """open_: [B, N, K]"""
    known = (action >= -1) & (action < open_.shape[-1])
    chosen = open_.gather(-1, torch.where(known, action, -1).clamp_min(0)[..., None])[..., 0]
    bad = ~known | (~chosen & (action >= 0))
    if bad.any():
        world, agent = (int(i) for i in bad.nonzero()[0])
        value = int(action[world, agent])
        said = repr(society.choice_names[value]) if 0 <= value < open_.shape[-1] else f"number {value}"
        raise ValueError(f"{where}: choice {said} is not open to agent {agent + 1} of world {world + 1}")
