"""The public state of team formation as features of everyone, and back.

In features agents come in the order of their roster and are told apart by their seats; in a `TeamState` they come in
the order of their seats. Shapes: B worlds, N = 4 agents, F = 19 features.
"""

import torch
from torch import Tensor

from societies.teams import AGENTS, BASICS, FAR, LABELS, TeamState

PERSONAL = tuple(f"seat_{k + 1}" for k in range(AGENTS))
NAMES = (
    *PERSONAL,
    *(f"with_{k + 1}" for k in range(AGENTS)),
    *(f"hand_{k + 1}" for k in range(BASICS)),
    *(f"corner_{k + 1}" for k in range(BASICS)),
    "row",
    "column",
    "earnings",
)
MIDDLE = FAR / 2  # of the grid, in cells from its edge
CELLS, UNITS, WORTH = 2.0, 8.0, 32.0  # what cells, units and earnings are counted in: powers of two, so nothing is lost


def features_of(state: TeamState, seats: Tensor) -> Tensor:
    """[B, N, F] in the order of the roster, whose seats are [B, N, 4]."""
    corners = state.corners[:, None].expand(-1, AGENTS, -1)
    places = (state.positions - MIDDLE) / CELLS
    told = [state.together, state.hands / UNITS, corners / UNITS, places, state.earnings[..., None] / WORTH]
    return torch.cat([seats, by_roster(torch.cat(told, -1), seats)], -1)


def state_of(features: Tensor) -> TeamState:
    """Back from [B, N, F]."""
    seats = seats_of(features)
    parts = by_seat(features, seats).split([AGENTS, AGENTS, BASICS, BASICS, 2, 1], -1)
    _, together, hands, corners, places, earnings = parts
    return TeamState(
        positions=places * CELLS + MIDDLE,
        hands=hands * UNITS,
        corners=corners[:, 0] * UNITS,
        earnings=earnings[..., 0] * WORTH,
        together=together,
    )


def positions_of(features: Tensor) -> Tensor:
    """[B, N, 2] row and column, in the order of the roster."""
    return features[..., -3:-1] * CELLS + MIDDLE


def seats_of(features: Tensor) -> Tensor:
    """[B, N, 4] one-hot"""
    return features[..., :AGENTS]


def by_seat(values: Tensor, seats: Tensor) -> Tensor:
    """[B, N, ...] of a roster -> the same, seat by seat."""
    return _picked(values, seats.argmax(1))


def by_roster(values: Tensor, seats: Tensor) -> Tensor:
    """[B, N, ...] seat by seat -> in the order of the roster."""
    return _picked(values, seats.argmax(2))


def _picked(values: Tensor, order: Tensor) -> Tensor:
    """[B, N, ...] in another order [B, N]."""
    return values[torch.arange(len(values), device=values.device)[:, None], order]


def ranks(values: Tensor) -> Tensor:
    """[B, N] int64: 0 for the lowest of each row."""
    return values.argsort(-1).argsort(-1)


def groups(features: Tensor) -> Tensor:
    """[B, 15, N, N] who is in which team (the second dimension of agents) under each partition."""
    team = torch.eye(AGENTS, device=features.device)[LABELS.to(features.device)]  # [15, seat, team]
    return torch.einsum("bns,msg->bmgn", seats_of(features), team)
