"""What each agent is told in team formation, as numbers and as words.

Told are goods instead of basics and items: basic k is good k + 1, and the advanced item is good 5.
"""

import torch
from torch import Tensor

from societies.team_roles import STORES, Duties
from societies.teams import AGENTS, TeamState

RULES = (
    "Four people work on a field of 8 rows and 8 columns, in teams that others form. Each corner holds units of one "
    "good, and there will be no more of it: good 1 in row 1, column 1; good 2 in row 1, column 8; good 3 in row 8, "
    "column 1; good 4 in row 8, column 8. Everyone gathers one good and keeps another. Units in hand serve the whole "
    "team: who keeps a good puts away a unit of it per round, worth 1; who keeps good 5 makes it of a unit of good 1 "
    "and a unit of good 2, worth 5. A good is wanted of you if a teammate keeps it, or if your team can make good 5 "
    "of it. Then you gather it in rounds of odd number by staying in its corner; all the rest happens by itself. If "
    "nothing is wanted of you or its corner is empty, there is nothing to walk for. Each round you are told where you "
    'are and choose a move: up, down, left, right or stay. Answer with JSON only, in the form {"move":"stay"}.'
)


def view(step: int, state: TeamState, duty: Duties) -> Tensor:
    """[B, N, 19] whole numbers, seat by seat: see `TeamFormation.look`."""
    device = duty.roles.device
    numbers, oneself = torch.arange(1.0, AGENTS + 1, device=device), torch.eye(AGENTS, device=device)
    good = duty.roles[..., None] + 1.0  # [B, N, 1]
    keeps = STORES.to(device)[duty.roles][..., None] + 1.0
    wanted = torch.where(duty.useful[..., None], good, -1.0)
    stock = state.corners[:, None].expand(-1, AGENTS, -1)
    held = state.together @ state.hands  # [B, N, 4]
    mates = torch.where(state.together > oneself, numbers, -1.0)
    round_, seat = torch.full_like(good, step + 1), numbers[:, None].expand_as(good)
    return torch.cat([round_, seat, state.positions + 1, good, keeps, wanted, stock, held, mates], -1)


def news(view: Tensor) -> str:
    """One agent's view [19] as the user message of this round."""
    numbers = [int(v) for v in view.tolist()]
    (round_, seat, row, column, good, keeps, wanted), rest = numbers[:7], numbers[7:]
    left, held, mates = rest[:4], rest[4:8], [mate for mate in rest[8:] if mate > 0]
    use = f"Wanted of you: good {wanted}." if wanted > 0 else "Nothing is wanted of you."
    company = f"In your team: {_listed(mates)}." if mates else "You are alone."
    return (
        f"Round {round_}. You are number {seat}, in row {row}, column {column}. You gather good {good} and keep good "
        f"{keeps}. {use} Left in the corners: {_listed(left)}. Your team holds: {_listed(held)}. {company}"
    )


def _listed(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)
