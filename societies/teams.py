"""Four agents on a grid who gather, craft and store in teams: what is public of it, and what events come to.

A grid of 8 x 8 cells; corner k holds 10 units of basic k, and nothing grows again. In every step each agent makes a
move; who stands on a corner may take a unit of its basic into its own hands, which all can see; then units in a team's
hands are crafted (one basic 0 and one basic 1 make an advanced item, worth 5) or stored (worth 1), and are gone. A
partition of the agents into teams is in force; being in company costs .05 per agent, per other member of its team and
step. The welfare of a step is all that was earned in it less that cost. Who may take, craft or store what is no matter
of this file but of the agents' hidden roles (societies/team_roles.py).

The setting is that of SWM-AP (arXiv 2510.19270), which leaves rules and numbers open; these are our own.

Shapes: B worlds, N = 4 agents, 4 basics. Everything is float32, and smooth in the teams and the events where it can be.
"""

from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

SIDE, AGENTS, BASICS = 8, 4, 4
STOCK = 10  # units in a corner at first
STEPS = 50
DECISIONS = (5, 15, 25, 35, 45)  # the steps before which a partition is chosen; until the first, all are alone
UPKEEP = 0.05  # per agent, other member of its team and step
STORED_WORTH, CRAFTED_WORTH = 1.0, 5.0
FAR = SIDE - 1.0
CORNERS = torch.tensor([[0.0, 0.0], [0.0, FAR], [FAR, 0.0], [FAR, FAR]])  # [4, 2] row, column of basic k
STARTS = torch.tensor([[3.0, 3.0], [3.0, 4.0], [4.0, 3.0], [4.0, 4.0]])  # [N, 2]
MOVES = ("up", "down", "left", "right", "stay")
STAY = MOVES.index("stay")
STRIDES = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0], [0.0, 0.0]])  # [5, 2] rows, columns
RECIPE = torch.tensor([1.0, 1.0, 0.0, 0.0])  # [4] units of each basic in an advanced item
BEFORE = torch.ones(AGENTS, AGENTS).tril(-1)  # [N, N] 1 where the second agent comes before the first


def _labels(agents: int) -> list[tuple[int, ...]]:
    """Every partition as team numbers, each agent in a team there is or in the next new one; in rising order."""
    found: list[tuple[int, ...]] = [()]
    for _ in range(agents):
        found = [(*teams, team) for teams in found for team in range(max(teams, default=-1) + 2)]
    return found


LABELS = torch.tensor(_labels(AGENTS))  # [15, N] the team of each agent; all together first, everyone alone last
TOGETHER = (LABELS[:, :, None] == LABELS[:, None, :]).float()  # [15, N, N] 1 where two agents share a team
ALL_TOGETHER, ALONE = 0, len(LABELS) - 1


def partition_name(index: int) -> str:
    """Such as "1+3, 2, 4": the teams, agents counted from 1."""
    labels: list[int] = LABELS[index].tolist()
    members = sorted(range(AGENTS), key=lambda agent: (labels[agent], agent))
    teams = (list(team) for _, team in groupby(members, key=lambda agent: labels[agent]))
    return ", ".join("+".join(str(agent + 1) for agent in team) for team in teams)


@dataclass(frozen=True)
class TeamState:
    """All that is public of B worlds."""

    positions: Tensor  # [B, N, 2] row, column
    hands: Tensor  # [B, N, 4] units of each basic
    corners: Tensor  # [B, 4] units left
    earnings: Tensor  # [B, N] worth of what everyone crafted and stored so far
    together: Tensor  # [B, N, N] 1 where two agents share a team; everyone with itself

    def repeat(self, times: int) -> "TeamState":
        """Every world that many times in a row."""
        return TeamState(*(part.repeat_interleave(times, 0) for part in vars(self).values()))

    def picked(self, worlds: Tensor) -> "TeamState":
        """These worlds [P] of all, in this order."""
        return TeamState(*(part[worlds] for part in vars(self).values()))

    def under(self, mechanism: Tensor) -> "TeamState":
        """The same worlds with the partition of these marks [B, 15] in force; the old one where none is marked."""
        chosen = (mechanism @ TOGETHER.flatten(1).to(mechanism.device)).unflatten(-1, (AGENTS, AGENTS))
        kept = 1 - mechanism.sum(-1)[:, None, None]
        return replace(self, together=chosen + kept * self.together)


@dataclass(frozen=True)
class Events:
    """What everyone was seen to do in one step: 1 where it did."""

    moves: Tensor  # [B, N, 5] as they were made
    took: Tensor  # [B, N] a unit of the corner the agent stands on
    crafted: Tensor  # [B, N] an advanced item
    stored: Tensor  # [B, N, 4] a unit of which basic

    def packed(self) -> Tensor:
        """[B, N, 11] all in a row."""
        return torch.cat([self.moves, self.took[..., None], self.crafted[..., None], self.stored], -1)

    @staticmethod
    def of(packed: Tensor) -> "Events":
        """The events of such rows."""
        moves, took, crafted, stored = packed.split([len(MOVES), 1, 1, BASICS], -1)
        return Events(moves, took[..., 0], crafted[..., 0], stored)


def start(worlds: int, device: torch.device | str = "cpu") -> TeamState:
    """B worlds before the first step, everyone alone."""
    return TeamState(
        positions=STARTS.to(device).repeat(worlds, 1, 1),
        hands=torch.zeros(worlds, AGENTS, BASICS, device=device),
        corners=torch.full((worlds, BASICS), float(STOCK), device=device),
        earnings=torch.zeros(worlds, AGENTS, device=device),
        together=torch.eye(AGENTS, device=device).repeat(worlds, 1, 1),
    )


def taken(state: TeamState, took: Tensor) -> Tensor:
    """[B, N, 4] units taken of each basic, from who took one [B, N]. Nothing is to be had away from the corners."""
    return on_corner(state).to(took.dtype) * took[..., None]


def on_corner(state: TeamState) -> Tensor:
    """[B, N, 4] bool: who stands on the corner of which basic."""
    return (state.positions[:, :, None] == CORNERS.to(state.positions.device)).all(-1)


def settle(state: TeamState, events: Events) -> tuple[TeamState, Tensor, Tensor]:
    """The state after a step, and what everyone earned and paid in upkeep in it, [B, N] each: the public accounting."""
    taking = taken(state, events.took)
    hands = state.hands + taking
    earned = CRAFTED_WORTH * events.crafted + STORED_WORTH * events.stored.sum(-1)  # [B, N]
    strides = events.moves @ STRIDES.to(events.moves.device)  # [B, N, 2]
    after = TeamState(
        positions=(state.positions + strides).clamp(0, FAR),
        hands=hands - _spent(hands, state.together, events),
        corners=state.corners - taking.sum(1),
        earnings=state.earnings + earned,
        together=state.together,
    )
    return after, earned, UPKEEP * (state.together.sum(-1) - 1)


def _spent(hands: Tensor, team: Tensor, events: Events) -> Tensor:
    """[B, N, 4] units that leave everyone's hands: what the team uses up comes from its first members that have it."""
    recipe = RECIPE.to(hands.device)
    used = team @ (events.crafted[..., None] * recipe + events.stored)  # [B, N, 4] by each agent's whole team
    ahead = (team * BEFORE.to(hands.device)) @ hands  # [B, N, 4] held by team members that come before
    return (used - ahead).clamp(min=0).minimum(hands)
