"""People to play the societies with."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from experiments.usual_people import usual_people
from learning.draws import draws
from personas.people import People, Persona, gather
from personas.rosters import Sampler, Village, open_rosters
from societies.base import Options, Society
from societies.catalog import library
from societies.mechanisms import bounds, size
from societies.stage import Stage

POPULATIONS = Path(__file__).parent.parent / "personas" / "populations"


def town(society: Society, start: int, worlds: int, agents: int | None = None, seed: int = 1) -> People:
    """Rosters of episodes start .. start + worlds - 1: of whom the society is made for."""
    return rosters(society, agents).people(draws(seed, start, worlds))


def rosters(society: Society, agents: int | None = None) -> Sampler | Village:
    """Of whom the society is made for."""
    size, used = agents or society.agents, society.attributes_used
    return open_rosters(home_of(society), size, attributes=used, traits=society.traits_used)


@dataclass
class Wanted:
    """What the command line asks for instead: see tests/conftest.py."""

    societies: tuple[str, ...] = ()  # for tests/conformance
    people: Path | None = None
    agents: int | None = None


WANTED = Wanted()


def societies_to_check() -> tuple[str, ...]:
    """The library, unless others are named."""
    return WANTED.societies or library()


def home_of(society: Society) -> Path:
    """The population file whose people have what the society reads."""
    return WANTED.people or usual_people(society)


def crowd(society: Society, usual: int = 7) -> int:
    """How many people to test it with: not the standard roster, unless it seats no other number."""
    return WANTED.agents or (society.agents if "arrival" in society.attributes_used else usual)


def some_rules(society: Society, worlds: int, seed: int = 0) -> Tensor:
    """[B, M] random mechanisms inside what is allowed; where there are options, all different."""
    generator, m = torch.Generator().manual_seed(seed), size(society)
    if isinstance(society.mechanism, Options):
        return torch.eye(m)[torch.randperm(m, generator=generator)[:worlds]]
    low, high = bounds(society)
    return low + (high - low) * torch.rand(worlds, m, generator=generator)


def three_visitors() -> People:
    """A roster of three with homes and a liking for walks, written by hand."""
    told = [
        ("ana", "Ana Ruiz", (0.1, 0.2), 0.0),
        ("ben", "Ben Ward", (0.5, 0.5), 1.0),
        ("cem", "Cem Aydin", (0.9, 0.8), 1.0),
    ]
    homes = ("home_x", "home_y")
    personas = [
        Persona(id, name, "", dict(zip(homes, home, strict=True)), frozenset(homes), {"roaming": roaming})
        for id, name, home, roaming in told
    ]
    return gather([personas], homes, ("roaming",))


def three_neighbours() -> People:
    """A roster of three on a street, written by hand: a candid one, a schemer, and one between."""
    told = [("ana", "Ana Ruiz", 0.1, 0.9), ("ben", "Ben Ward", 0.42, 0.05), ("cem", "Cem Aydin", 0.8, 0.5)]
    personas = [
        Persona(id, name, "", {}, frozenset(), {"position": position, "honesty": honesty})
        for id, name, position, honesty in told
    ]
    return gather([personas], (), ("position", "honesty"))


def three_drivers() -> People:
    """A roster of three, by hand: one in a hurry, one with all the time in the world, and one between."""
    told = [("ana", "Ana Ruiz", 0.1), ("ben", "Ben Ward", 0.9), ("cem", "Cem Aydin", 0.5)]
    personas = [Persona(id, name, "", {}, frozenset(), {"patience": patience}) for id, name, patience in told]
    return gather([personas], (), ("patience",))


def four_gatherers(strength: tuple[float, ...] = (0.1, 0.3, 0.4, 0.9)) -> People:
    """A roster of four who came in that order, by hand; by default of roles 0, 1, 2, 3, if independent 0, 1, 1, 3."""
    names = ("Ana Ruiz", "Ben Ward", "Cem Aydin", "Dora Lind")
    told = zip(names, (0.2, 0.4, 0.6, 0.8), strength, strict=True)
    personas = [
        Persona(name[:3].lower(), name, "", {"arrival": arrival}, frozenset({"arrival"}), {"strength": u})
        for name, arrival, u in told
    ]
    return gather([personas], ("arrival",), ("strength",))


def four_players() -> People:
    """A roster of four, by hand: a selfish and a kind one in each of two groups."""
    told = [("ana", "Ana Ruiz", 0.2, 0.0), ("ben", "Ben Ward", 0.4, 0.1), ("cem", "Cem Aydin", 0.6, 0.9)]
    personas = [
        Persona(id, name, "", {"arrival": arrival}, frozenset({"arrival"}), {"altruism": u})
        for id, name, arrival, u in [*told, ("dora", "Dora Lind", 0.8, 0.8)]
    ]
    return gather([personas], ("arrival",), ("altruism",))


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


@dataclass(frozen=True)
class Asking(Stage):
    """A stage that notes which public states were asked for before anybody was."""

    begun: list[Tensor] = field(default_factory=list[Tensor])

    def census(self, start: int, worlds: int) -> Tensor:
        self.begun.append(super().census(start, worlds))
        return self.begun[-1]
