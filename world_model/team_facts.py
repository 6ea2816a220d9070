"""What is public of each step of team formation, laid out for a model of what agents do next.

An agent's situation is told by numbers that stand beside learned weights: what each move would bring it nearer to each
corner, on which corner it stands, and what its team holds. Which events can happen at all is public (nothing is taken
from an empty corner, nothing crafted or stored that a team has not): only of those is it asked whether they do.

Everything is in the order of seats. Shapes: B moments, N = 4 agents, 4 basics.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from societies.base import Episode
from societies.team_features import by_seat, seats_of, state_of
from societies.teams import (
    BEFORE,
    CORNERS,
    FAR,
    MOVES,
    RECIPE,
    STAY,
    STRIDES,
    TOGETHER,
    Events,
    TeamState,
    on_corner,
    taken,
)

MOVING, TAKING, CRAFTING, STORING = 10, 16, 2, 8  # how many numbers tell of each


@dataclass(frozen=True)
class Moment:
    """B moments as they are before anybody moves, under the partition in force."""

    state: TeamState
    even: Tensor  # [B] bool: is the number of the step even?

    def moving(self) -> Tensor:
        """[B, N, 5, 10] of each move: cells nearer to each stocked corner (city blocks, then straight), does it stay,
        and does it stay on a stocked corner."""
        position = self.state.positions
        there = (position[:, :, None] + STRIDES).clamp(0, FAR)  # [B, N, 5, 2]
        before = (position[:, :, None] - CORNERS).abs()[:, :, None]  # [B, N, 1, 4, 2]
        after = (there[:, :, :, None] - CORNERS).abs()  # [B, N, 5, 4, 2]
        stocked = (self.state.corners > 0).float()[:, None, None]  # [B, 1, 1, 4]
        blocks = (before.sum(-1) - after.sum(-1)) * stocked
        straight = (before.norm(dim=-1) - after.norm(dim=-1)) * stocked
        stays = torch.eye(len(MOVES))[STAY].expand(*position.shape[:2], -1)[..., None]
        return torch.cat([blocks, straight, stays, stays * self.on_stock().sum(-1)[..., None, None]], -1)

    def on_stock(self) -> Tensor:
        """[B, N, 4] 1 on the corner on which an agent stands, if units are left there."""
        return on_corner(self.state).float() * (self.state.corners > 0)[:, None]

    def taking(self, stays: Tensor) -> Tensor:
        """[B, N, 16] one-hot where a unit can be had: which corner, by even or odd step and by whether the agent stays
        [B, N]; zeros elsewhere."""
        even = self.even.float()[:, None]
        when = torch.stack([even * stays, (1 - even) * stays, even * (1 - stays), (1 - even) * (1 - stays)], -1)
        return (self.on_stock()[..., None] * when[:, :, None]).flatten(-2)

    def crafting(self, took: Tensor) -> Tensor:
        """[B, N, 2] one-hot where the agent's team has the ingredients of one item, or of more; after `took` [B, N]."""
        enough = self._items(took)
        return torch.stack([enough == 1, enough > 1], -1).float()

    def storing(self, took: Tensor, crafted: Tensor) -> Tensor:
        """[B, N, 4, 2] one-hot where the team has a unit of a basic: by whether both ingredients are still stocked."""
        held = (self._held(took, crafted) > 0).float()
        left = self.state.corners - taken(self.state, took).sum(1)  # [B, 4]
        both = ((left > 0) | (RECIPE == 0)).all(-1).float()[:, None, None]
        return torch.stack([held * both, held * (1 - both)], -1)

    def possible(self, events: Events) -> Events:
        """The same events without what cannot be: lower seats come first, and later ones find nothing left."""
        took = events.took * (self.on_stock().sum(-1) > 0)
        ahead = torch.einsum("nm,bmk->bnk", BEFORE, taken(self.state, took))  # units taken by those before
        took = took * ((ahead < self.state.corners[:, None]) & on_corner(self.state)).any(-1)
        team = self.state.together * BEFORE
        crafted = events.crafted * (self._items(took) > 0)
        crafted = crafted * ((team @ crafted[..., None])[..., 0] < self._items(took))
        held = self._held(took, crafted)
        stored = events.stored * (held > 0)
        return Events(events.moves, took, crafted, stored * (team @ stored < held))

    def _items(self, took: Tensor) -> Tensor:
        """[B, N] for how many advanced items the agent's team has the ingredients."""
        held = self.state.together @ (self.state.hands + taken(self.state, took))
        return held[..., RECIPE > 0].amin(-1)

    def _held(self, took: Tensor, crafted: Tensor) -> Tensor:
        """[B, N, 4] in the hands of the agent's team after taking and crafting."""
        held = self.state.together @ (self.state.hands + taken(self.state, took))
        return held - (self.state.together @ crafted[..., None]) * RECIPE


@dataclass(frozen=True)
class TeamFacts:
    """E episodes of T steps, what was told and what came of it."""

    moving: Tensor  # [E, T, N, 5, 10]
    taking: Tensor  # [E, T, N, 16]
    crafting: Tensor  # [E, T, N, 2]
    storing: Tensor  # [E, T, N, 4, 2]
    events: Events  # each [E, T, N, ...]
    partition: Tensor  # [E, T] int64 which was in force


def read(features: Tensor, mechanism: Tensor, response: Tensor, first: int = 0) -> TeamFacts:
    """From states before each step [E, T, N, F], rules [E, T, 15] and responses [E, T, N, 11]; `first`: the number of
    the first of these steps.
    """
    e, t = mechanism.shape[:2]
    flat = features.flatten(0, 1)
    state = state_of(flat).under(mechanism.flatten(0, 1))
    events = Events.of(by_seat(response.flatten(0, 1), seats_of(flat)))
    return told(state, events, torch.arange(first, first + t).repeat(e), (e, t))


def told(state: TeamState, events: Events, step: Tensor, shape: tuple[int, int]) -> TeamFacts:
    """Of E x T moments one after the other, at the steps [E T] of that number."""
    moment = Moment(state, step % 2 == 0)
    facts = (
        moment.moving(),
        moment.taking(events.moves[..., STAY]),
        moment.crafting(events.took),
        moment.storing(events.took, events.crafted),
    )
    moving, taking, crafting, storing = (part.unflatten(0, shape) for part in facts)
    parts = Events(*(part.unflatten(0, shape) for part in vars(events).values()))
    partition = (state.together[:, None] == TOGETHER).flatten(2).all(-1).float().argmax(-1)
    return TeamFacts(moving, taking, crafting, storing, parts, partition.unflatten(0, shape))


def of_episode(episode: Episode) -> TeamFacts:
    """Of whole episodes."""
    return read(episode.features[:, :-1], episode.mechanism, episode.response)
