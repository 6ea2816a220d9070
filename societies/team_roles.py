"""Who does what in a team of gatherers, by hidden roles: the scripted agents, and what follows from moves.

An agent of role k gathers basic k and stores something else: STORES[k]. It is useful in its team if a teammate stores
k, or if k goes into the advanced item and the team can craft: it has who stores (makes) that, and gatherers of both
ingredients. Who is useful walks to its corner while units are left there and stays on it; the others stay where they
are. With probability .1 a move is replaced by any of the five. Then, in this order, lower agents first:

1. who is useful, stands on its corner and stays takes a unit, in steps of even number;
2. everyone who makes advanced items makes one of what its team has in hands, one basic 0 and one basic 1;
3. everyone who stores a basic stores a unit that its team has in hands. Where the team can craft and neither corner of
   the ingredients is empty, these are kept for crafting.

Shapes: B worlds, N agents. Everything is determined by the moves; whoever plays draws those.
"""

from dataclasses import dataclass
from itertools import permutations, product

import torch
from torch import Tensor

from societies.teams import (
    AGENTS,
    BASICS,
    BEFORE,
    CORNERS,
    MOVES,
    RECIPE,
    STAY,
    Events,
    TeamState,
    on_corner,
    settle,
    taken,
)

ADVANCED = 4  # what the role that makes advanced items "stores"
STORES = torch.tensor([1, ADVANCED, 3, 0])  # [role]
SLIP = 0.1  # how often a move is replaced by any of the five
PERMUTED = torch.tensor(list(permutations(range(BASICS))))  # [24, N] every role once
INDEPENDENT = torch.tensor(list(product(range(BASICS), repeat=AGENTS)))  # [256, N] any role for anyone
INGREDIENT = RECIPE > 0  # [4]
MAKER = int((STORES == ADVANCED).nonzero())


@dataclass(frozen=True)
class Duties:
    """What roles come to in the teams that are in force; the same until the teams change."""

    roles: Tensor  # [B, N] int64
    same: Tensor  # [B, N, N] 1 where two agents have the same role, whatever their team
    corner: Tensor  # [B, N, 2] where the agent gathers
    stores: Tensor  # [B, N, 4] bool: which basic it stores
    together: Tensor  # [B, N, N]
    useful: Tensor  # [B, N] bool
    crafting: Tensor  # [B, N] bool: the agent's team can craft
    makers: Tensor  # [B, N] how many in the agent's team make advanced items
    turn: Tensor  # [B, N] how many teammates of the same role come before


def duties(roles: Tensor, team: Tensor) -> Duties:
    """Of B worlds with these roles [B, N] in these teams [B, N, N]."""
    device = roles.device
    gatherers = team @ torch.eye(BASICS, device=device)[roles]  # [B, N, 4] of each basic in the agent's team
    keeps = STORES.to(device)[roles]  # [B, N]
    storers = team @ torch.eye(BASICS + 1, device=device)[keeps]  # [B, N, 5] of each thing there
    ingredient = INGREDIENT.to(device)
    crafting = (storers[..., ADVANCED] > 0) & (gatherers[..., ingredient] > 0).all(-1)
    wanted = storers.gather(2, roles[..., None])[..., 0] > 0  # nobody stores what it gathers: this is a teammate
    same = (roles[:, :, None] == roles[:, None, :]).float()
    return Duties(
        roles=roles,
        same=same,
        corner=CORNERS.to(device)[roles],
        stores=keeps[..., None] == torch.arange(BASICS, device=device),
        together=team,
        useful=wanted | (crafting & ingredient[roles]),
        crafting=crafting,
        makers=storers[..., ADVANCED],
        turn=(team * BEFORE.to(device) * same).sum(-1),
    )


def intended(state: TeamState, duty: Duties) -> Tensor:
    """[B, N] int64: the move that everyone means to make, toward its corner; the larger gap first, rows if equal."""
    gap = duty.corner - state.positions  # [B, N, 2]
    rows, columns = gap.unbind(-1)
    by_row = (rows > 0).long()  # up 0, down 1
    by_column = 2 + (columns > 0).long()  # left 2, right 3
    move = torch.where(rows.abs() >= columns.abs(), by_row, by_column)
    goes = duty.useful & (state.corners.gather(1, duty.roles) > 0) & ((rows != 0) | (columns != 0))
    return torch.where(goes, move, STAY)


def scripted(state: TeamState, duty: Duties) -> Tensor:
    """[B, N, 5] log-probabilities of everyone's moves."""
    meant = torch.eye(len(MOVES), device=duty.roles.device)[intended(state, duty)]
    return ((1 - SLIP) * meant + SLIP / len(MOVES)).log()


def happen(step: int, state: TeamState, duty: Duties, moves: Tensor) -> Events:
    """What follows in a step from everyone's moves [B, N], by the roles."""
    took = _takes(step, state, duty, moves).float()
    taking = taken(state, took)
    team = duty.together @ (state.hands + taking)  # [B, N, 4] units in the hands of the agent's team
    enough = team[..., 0].minimum(team[..., 1])  # [B, N] for how many items
    crafted = (duty.roles == MAKER) & (duty.turn < enough)
    used = enough.minimum(duty.makers)[..., None] * RECIPE.to(moves.device)  # [B, N, 4] by all makers of the team
    stored = _stores(duty, team - used, state.corners - taking.sum(1))
    return Events(torch.eye(len(MOVES), device=moves.device)[moves], took, crafted.float(), stored.float())


def advance(step: int, state: TeamState, duty: Duties, moves: Tensor) -> tuple[TeamState, Tensor]:
    """One step of agents who make these moves [B, N]: the state after it, and its welfare [B]."""
    after, earned, upkeep = settle(state, happen(step, state, duty, moves))
    return after, (earned - upkeep).sum(-1)


def _takes(step: int, state: TeamState, duty: Duties, moves: Tensor) -> Tensor:
    """[B, N] bool: who takes a unit of its basic."""
    if step % 2:
        return torch.zeros_like(duty.useful)
    there = on_corner(state).gather(2, duty.roles[..., None])[..., 0]
    wants = duty.useful & there & (moves == STAY)
    ahead = (duty.same * BEFORE.to(moves.device) * wants[:, None].float()).sum(-1)  # [B, N] rivals for the same units
    return wants & (ahead < state.corners.gather(1, duty.roles))


def _stores(duty: Duties, team: Tensor, corners: Tensor) -> Tensor:
    """[B, N, 4] bool: who stores a unit of which basic, of what is left to its team [B, N, 4]."""
    kept = duty.crafting & ((corners[:, 0] > 0) & (corners[:, 1] > 0))[:, None]  # [B, N] are ingredients?
    open_ = team > duty.turn[..., None]  # [B, N, 4] is a unit left when it is the agent's turn?
    return duty.stores & open_ & ~(kept[..., None] & INGREDIENT.to(team.device))
