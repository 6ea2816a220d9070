"""People to play the societies with."""

from pathlib import Path

import torch
from torch import Tensor

from learning.draws import draws
from personas.people import People, Persona, gather
from personas.rosters import open_rosters
from societies.base import Society

POPULATIONS = Path(__file__).parent.parent / "personas" / "populations"


def town(society: Society, start: int, worlds: int, agents: int | None = None, seed: int = 1) -> People:
    """Rosters of episodes start .. start + worlds - 1: communities where traits matter, else US incomes."""
    file = "communities.yaml" if society.traits_used else "us_incomes.yaml"
    rosters = open_rosters(
        POPULATIONS / file, agents or society.agents, attributes=("wage",), traits=society.traits_used
    )
    return rosters.people(draws(seed, start, worlds))


def some_rules(society: Society, worlds: int, seed: int = 0) -> Tensor:
    """[B, M] random mechanisms inside what is allowed."""
    low, high = torch.as_tensor(society.mechanism.low), torch.as_tensor(society.mechanism.high)
    return low + (high - low) * torch.rand(worlds, len(low), generator=torch.Generator().manual_seed(seed))


def three_people() -> People:
    """A roster of three, written by hand."""
    told = [
        ("ana", "Ana Ruiz", 15.0, (0.2, 0.8, 0.5, 0.5, 0.3, 13 / 33), "You are raising two children."),
        ("ben", "Ben Ward", 30.0, (0.5, 0.5, 0.3, 0.7, 0.5, 15 / 33), "You play the organ in church."),
        ("cem", "Cem Aydin", 90.0, (0.9, 0.1, 0.7, 0.2, 0.1, 20 / 33), "You sail whenever you can."),
    ]
    names = ("elasticity", "fairness", "risk_aversion", "loss_aversion", "habit", "preferred_hours")
    personas = [
        Persona(id, name, life, {"wage": wage}, frozenset({"wage"}), dict(zip(names, values, strict=True)))
        for id, name, wage, values, life in told
    ]
    return gather([personas], ("wage",), names)
