"""Fairness of one facility on the line, as predicates (Aziz, Lam, Lee & Walsh 2022, arXiv 2111.01566, section 3).

A group of s among n people may claim a facility within 1 - s / n of it: the larger the group, the nearer. Who may claim
differs: each one alone (IFS), everyone at the same spot (UFS), every group whose homes span r, with r on top (PF).

    PF  implies  UFS  implies  IFS, proportionality and unanimity

Shapes: B profiles of N positions in [0, 1], one place each [B]; answers [B] bool. Nothing is asked of the numbers'
type; `slack` is what rounding may cost. ValueError for other shapes, and for what lies outside [0, 1].
"""

from collections.abc import Callable

import torch
from torch import Tensor

SLACK = 1e-6
Axiom = Callable[[Tensor, Tensor], Tensor]
"""(positions [B, N], place [B]) -> [B] bool"""


def individual_fair_share(positions: Tensor, place: Tensor, slack: float = SLACK) -> Tensor:
    """[B] IFS: |x_i - y| <= 1 - 1/n for everyone."""
    _check(positions, place)
    away = (positions - place[:, None]).abs().amax(-1)
    return away <= 1 - 1 / positions.shape[-1] + slack


def unanimous_fair_share(positions: Tensor, place: Tensor, slack: float = SLACK) -> Tensor:
    """[B] UFS: |x_i - y| <= 1 - s/n for every group of s people at the same spot."""
    span, excess = _groups(positions, place)
    return ((excess <= slack) | (span > 0)).flatten(1).all(-1)


def proportional_fairness(positions: Tensor, place: Tensor, slack: float = SLACK) -> Tensor:
    """[B] PF: |x_i - y| <= 1 - s/n + r for every group of s people whose homes span r."""
    span, excess = _groups(positions, place)
    return (excess <= span + slack).flatten(1).all(-1)


def proportionality(positions: Tensor, place: Tensor, slack: float = SLACK) -> Tensor:
    """[B] where everyone is at 0 or 1, the place is the share of those at 1; other profiles ask for nothing."""
    _check(positions, place)
    ends = ((positions == 0) | (positions == 1)).all(-1)
    return ~ends | ((place - positions.mean(-1)).abs() <= slack)


def unanimity(positions: Tensor, place: Tensor, slack: float = SLACK) -> Tensor:
    """[B] where everyone is at one spot, so is the place; other profiles ask for nothing."""
    _check(positions, place)
    same = (positions == positions[:, :1]).all(-1)
    return ~same | ((place - positions[:, 0]).abs() <= slack)


def _check(positions: Tensor, place: Tensor) -> None:
    """ValueError for shapes that do not go together, and for anything outside [0, 1]."""
    if positions.dim() != 2 or not positions.shape[-1] or place.shape != positions.shape[:1]:
        shapes = f"places of shape {tuple(place.shape)} for positions of shape {tuple(positions.shape)}"
        raise ValueError(f"fairness: {shapes}; need [B] for [B, N], one facility for each profile")
    for what, values in (("position", positions), ("place", place)):
        outside = ~((values >= 0) & (values <= 1))
        if outside.any():
            raise ValueError(f"fairness: {what} {float(values[outside][0]):g}; it must lie between 0 and 1")


def _groups(positions: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Of all neighbours i .. j along the line: the span of their homes, and the distance of the farthest from the place
    beyond 1 - s/n. [B, N, N] each; no group where j < i, told as an excess of minus infinity.

    Only neighbours need be looked at: to leave out somebody who lives between two others makes a claim weaker.
    """
    _check(positions, place)
    ordered = positions.sort(-1).values
    n = ordered.shape[-1]
    away = (ordered - place[:, None]).abs()
    rank = torch.arange(n, device=ordered.device)
    size = rank[None, :] - rank[:, None] + 1  # [N, N]
    farthest = torch.maximum(away[:, :, None], away[:, None, :])  # at one of the two ends
    excess = torch.where(size > 0, farthest - 1 + size / n, -torch.inf)
    return (ordered[:, None, :] - ordered[:, :, None]).clamp_min(0), excess


AXIOMS: dict[str, Axiom] = {
    "IFS": individual_fair_share,
    "UFS": unanimous_fair_share,
    "PF": proportional_fairness,
    "proportionality": proportionality,
    "unanimity": unanimity,
}
