"""What is public of each step of team formation, laid out for a model of what agents do next.

An agent's situation is told by numbers that stand beside learned weights: what each move would bring it nearer to each
corner, on which corner it stands, and what its team holds. Which events can happen at all is public (nothing is taken
from an empty corner, nothing crafted or stored that a team has not): only of those is it asked whether they do.

Everything is in the order of seats. Shapes: B moments, N = 4 agents, 4 basics.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

from societies.base import Episode
from societies.team_features import by_seat, seats_of, state_of
from societies.teams import (
    BASICS,
    BEFORE,
    CORNERS,
    FAR,
    LABELS,
    MOVES,
    RECIPE,
    SIDE,
    STAY,
    STRIDES,
    TOGETHER,
    Events,
    TeamState,
    on_corner,
)

MOVING, TAKING, CRAFTING, STORING = 10, 16, 2, 8  # how many numbers tell of each
STOCKED = torch.tensor(list(product((0.0, 1.0), repeat=BASICS)))  # [16, 4] which corners have units left
PLACES = 2 ** torch.arange(BASICS - 1, -1, -1)  # of each corner in the number of a row of STOCKED


def _situations() -> Tensor:
    """[64 x 16, 5, 10] of each move, by the cell from which it is made and by which corners are stocked: cells nearer
    to each stocked corner (city blocks, then straight), does it stay, and does it stay on a stocked corner.
    """
    position = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE)).float()  # [64, 2]
    there = (position[:, None] + STRIDES).clamp(0, FAR)  # [64, 5, 2]
    before = (position[:, None] - CORNERS)[:, None]  # [64, 1, 4, 2]
    after = there[:, :, None] - CORNERS  # [64, 5, 4, 2]
    nearer = torch.cat([before.norm(p, -1) - after.norm(p, -1) for p in (1, 2)], -1)[:, None]  # [64, 1, 5, 8]
    stays = torch.eye(len(MOVES))[STAY].expand(len(position), len(STOCKED), -1)  # [64, 16, 5]
    on_stock = ((position[:, None] == CORNERS).all(-1).float() @ STOCKED.T)[..., None]  # [64, 16, 1]
    nearer = nearer * STOCKED.repeat(1, 2)[:, None]  # [64, 16, 5, 8]
    return torch.cat([nearer, stays[..., None], (stays * on_stock)[..., None]], -1).flatten(0, 1)


SITUATIONS = _situations()


@dataclass(frozen=True)
class Moment:
    """B moments as they are before anybody moves, under the partition in force."""

    state: TeamState
    even: Tensor  # [B] bool: is the number of the step even?

    def situations(self) -> Tensor:
        """[B, N] int64 the place of everyone's situation in `SITUATIONS`."""
        row, column = self.state.positions.long().unbind(-1)
        stocked = ((self.state.corners > 0) * PLACES).sum(-1)  # [B]
        return (row * SIDE + column) * len(STOCKED) + stocked[:, None]

    @cached_property
    def corner(self) -> Tensor:
        """[B, N, 4] 1 on the corner on which an agent stands."""
        return on_corner(self.state).float()

    @cached_property
    def stock(self) -> Tensor:
        """[B, N, 4] the same, if units are left there."""
        return self.corner * (self.state.corners > 0)[:, None]

    def taking(self, stays: Tensor) -> Tensor:
        """[B, N, 16] one-hot where a unit can be had: which corner, by even or odd step and by whether the agent stays
        [B, N]; zeros elsewhere."""
        even = self.even.float()[:, None]
        when = torch.stack([even * stays, (1 - even) * stays, even * (1 - stays), (1 - even) * (1 - stays)], -1)
        return (self.stock[..., None] * when[:, :, None]).flatten(-2)

    def crafting(self, took: Tensor) -> Tensor:
        """[B, N, 2] one-hot where the agent's team has the ingredients of one item, or of more; after `took` [B, N]."""
        enough = self._items(took)
        return torch.stack([enough == 1, enough > 1], -1).float()

    def storing(self, took: Tensor, crafted: Tensor) -> Tensor:
        """[B, N, 4, 2] one-hot where the team has a unit of a basic: by whether both ingredients are still stocked."""
        held = (self._held(took, crafted) > 0).float()
        left = self.state.corners - (self.corner * took[..., None]).sum(1)  # [B, 4]
        both = ((left > 0) | (RECIPE == 0)).all(-1).float()[:, None, None]
        return torch.stack([held * both, held * (1 - both)], -1)

    def can_take(self, took: Tensor) -> Tensor:
        """[B, N] those of them who find a unit: lower seats come first, here and below."""
        took = took * self.stock.sum(-1)
        ahead = BEFORE @ (self.corner * took[..., None])  # [B, N, 4] units taken by those before
        return took * (self.corner * (ahead < self.state.corners[:, None])).sum(-1)

    def can_craft(self, took: Tensor, crafted: Tensor) -> Tensor:
        """[B, N] those of them whose team has the ingredients."""
        items = self._items(took)
        crafted = crafted * (items > 0)
        return crafted * ((self._team_before @ crafted[..., None])[..., 0] < items)

    def can_store(self, took: Tensor, crafted: Tensor, stored: Tensor) -> Tensor:
        """[B, N, 4] those of them that the team has."""
        held = self._held(took, crafted)
        stored = stored * (held > 0)
        return stored * (self._team_before @ stored < held)

    @cached_property
    def _team_before(self) -> Tensor:
        """[B, N, N] 1 where the second agent is in the team of the first and comes before it."""
        return self.state.together * BEFORE

    def _items(self, took: Tensor) -> Tensor:
        """[B, N] for how many advanced items the agent's team has the ingredients."""
        return self._gathered(took)[..., RECIPE > 0].amin(-1)

    def _held(self, took: Tensor, crafted: Tensor) -> Tensor:
        """[B, N, 4] in the hands of the agent's team after taking and crafting."""
        return self._gathered(took) - (self.state.together @ crafted[..., None]) * RECIPE

    def _gathered(self, took: Tensor) -> Tensor:
        """[B, N, 4] in the hands of the agent's team after taking."""
        return self.state.together @ (self.state.hands + self.corner * took[..., None])


@dataclass(frozen=True)
class TeamFacts:
    """E episodes of T steps, what was told and what came of it. Events are in the order taking, crafting, storing."""

    situation: Tensor  # [E, T, N] int64 places in `SITUATIONS`
    moves: Tensor  # [E, T, N, 5] one-hot
    could: Tensor  # [E, T, N, 26] 1 for the events that could happen
    did: Tensor  # [E, T, N, 26] 1 for those of them that happened
    partition: Tensor  # [E, T] int64 which was in force


@dataclass(frozen=True)
class TeamCounts:
    """How often each agent did what under each partition. A fit needs no more of E episodes, and it is little: the same
    U situations come again and again.
    """

    moving: Tensor  # [U, 5, 10] of each situation that came up, its row of `SITUATIONS`
    moves: Tensor  # [E, 15, N, 5 U] of each move in each of them
    could: Tensor  # [E, 15, N, 26]
    did: Tensor  # [E, 15, N, 26]

    def picked(self, episodes: Tensor) -> "TeamCounts":
        """Of these episodes of all."""
        return TeamCounts(self.moving, self.moves[episodes], self.could[episodes], self.did[episodes])


def counted(facts: TeamFacts) -> TeamCounts:
    """Of all their steps."""
    situations, which = facts.situation.unique(return_inverse=True)
    under = torch.eye(len(LABELS))[facts.partition]  # [E, T, 15]
    could, did = (torch.einsum("etp,etnr->epnr", under, events) for events in (facts.could, facts.did))
    moves = torch.zeros(*could.shape[:3], len(MOVES) * len(situations))
    cell = which * len(MOVES) + facts.moves.argmax(-1)  # [E, T, N]
    episode, agent = torch.arange(len(cell))[:, None, None], torch.arange(cell.shape[-1])
    moves.index_put_((episode, facts.partition[..., None], agent, cell), torch.ones(()), accumulate=True)
    return TeamCounts(SITUATIONS[situations], moves, could, did)


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
    taking = moment.taking(events.moves[..., STAY])
    crafting = moment.crafting(events.took)
    storing = moment.storing(events.took, events.crafted)
    could = torch.cat([taking, crafting, storing.flatten(-2)], -1)
    stored = (storing * events.stored[..., None]).flatten(-2)
    did = torch.cat([taking * events.took[..., None], crafting * events.crafted[..., None], stored], -1)
    partition = (state.together[:, None] == TOGETHER).flatten(2).all(-1).float().argmax(-1)
    parts = (moment.situations(), events.moves, could, did, partition)
    return TeamFacts(*(part.unflatten(0, shape) for part in parts))


def of_episode(episode: Episode) -> TeamFacts:
    """Of whole episodes."""
    return read(episode.features[:, :-1], episode.mechanism, episode.response)
