"""What rules on the line do at worst, and where best responses end: known profiles, every profile of a grid, play.

Shapes: B profiles, N positions. All in double precision, so that what is 0 is 0 to 1e-12.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import torch
from torch import Tensor

from learning.draws import draws
from mechanism.baselines.line import KNOWN
from societies.fairness import AXIOMS
from societies.line_rules import FAMILIES, distances, least_total
from societies.regret import Settle, regret

CHUNK = 20_000  # profiles whose regret is measured at once


@dataclass(frozen=True)
class Worst:
    """The worst that a rule does to any profile, and the axioms that hold on them all."""

    welfare: float  # optimum / rule of sum_i (1 - |x_i - y|)
    total_cost: float  # rule / optimum
    farthest: float  # rule / optimum of the longest distance
    axioms: dict[str, bool]


def every_profile(agents: int, steps: int) -> Tensor:
    """[B, N] every profile of positions 0, 1/steps, ..., 1, sorted (rules do not tell people apart)."""
    rows = combinations_with_replacement(range(steps + 1), agents)
    flat = np.fromiter((place for row in rows for place in row), dtype=np.int64)
    return torch.from_numpy(flat).reshape(-1, agents).double() / steps


def uniform_profiles(seed: int, profiles: int, agents: int) -> Tensor:
    """[B, N] positions drawn uniformly from (0, 1)."""
    return draws(seed, 0, profiles).uniform("positions", 0, agents).double()


def settled(family: str, facilities: int = 1) -> Settle:
    """(parameters [B, M], reports [B, N]) -> places [B, K] by the rules of a family."""
    rule = FAMILIES[family].rule
    return lambda rules, reports: rule(rules.unflatten(-1, (facilities, -1)), reports)


def known_place(name: str, positions: Tensor) -> Tensor:
    """[B] where a known rule puts one facility."""
    family, parameters = KNOWN[name]
    rules = parameters(positions.shape[1]).expand(len(positions), -1)
    return settled(family)(rules, positions)[:, 0]


def worst(name: str, profiles: Tensor) -> Worst:
    """The worst of a known rule over profiles [B, N] that are sorted."""
    place = known_place(name, profiles)
    total, least = distances(place[:, None], profiles).sum(-1), least_total(profiles, 1)
    farthest = distances(place[:, None], profiles).amax(-1)
    middle = (profiles[:, -1] - profiles[:, 0]) / 2  # the least longest distance
    return Worst(
        welfare=_welfare_ratio(place, profiles),
        total_cost=_largest(total, least),
        farthest=_largest(farthest, middle),
        axioms={axiom: bool(holds(profiles, place).all()) for axiom, holds in AXIOMS.items()},
    )


def _welfare_ratio(place: Tensor, profiles: Tensor) -> float:
    agents, total = profiles.shape[1], distances(place[:, None], profiles).sum(-1)
    return float(((agents - least_total(profiles, 1)) / (agents - total)).amax())


def _largest(rule: Tensor, optimum: Tensor) -> float:
    """The largest ratio where the optimum is not 0."""
    some = optimum > 1e-9
    return float((rule[some] / optimum[some]).amax())


def uniform_phantom_welfare(agents: int) -> float:
    """The Uniform Phantom's worst welfare ratio over the profiles with everyone at 0 or 1."""
    at_one = torch.arange(agents + 1)[:, None] > torch.arange(agents)  # [N + 1, N]: 0 .. N people at 1
    profiles = at_one.double().sort(-1).values
    return _welfare_ratio(known_place("uniform_phantom", profiles), profiles)


def largest_regret(settle: Settle, rules: Tensor, profiles: Tensor, tries: Tensor) -> tuple[float, float]:
    """The largest regret of anybody in any profile [B, N] under one rule [M], and the mean over profiles of the largest
    in each; misreports [G] are tried, and everyone's position besides."""
    largest = list[Tensor]()
    for part in profiles.split(CHUNK):
        several = torch.cat([tries.expand(len(part), -1), part], -1)  # [b, G + N]
        tried = several[:, None].expand(-1, part.shape[1], -1)
        largest.append(regret(settle, distances, rules.expand(len(part), -1), part, tried).amax(-1))
    found = torch.cat(largest)
    return float(found.max()), float(found.mean())


@dataclass(frozen=True)
class Play:
    """Where best responses to the mean ended."""

    gap: float  # the largest distance from the Uniform Phantom's place for the true positions
    gap_of_truth: float  # the same, of the mean where everyone tells the truth
    regret: float  # the most that anybody could still gain
    sweeps: int


def play_mean(positions: Tensor, sweeps: int = 10_000) -> Play:
    """Everyone in turn reports what brings the mean nearest, from the truth on, until nobody moves."""
    agents, reports, sweep = positions.shape[1], positions.clone(), 0
    moved = torch.inf
    while moved > 1e-13 and sweep < sweeps:
        before = reports.clone()
        for i in range(agents):
            others = reports.sum(-1) - reports[:, i]
            reports[:, i] = (agents * positions[:, i] - others).clamp(0, 1)
        moved, sweep = float((reports - before).abs().max()), sweep + 1
    goal = known_place("uniform_phantom", positions)
    gap, truth = ((told.mean(-1) - goal).abs().max() for told in (reports, positions))
    weights, tries = KNOWN["mean"][1](agents).expand(len(positions), -1), torch.linspace(0, 1, 101).double()
    left = regret(settled("weights"), distances, weights, positions, tries, reports)
    return Play(float(gap), float(truth), float(left.max()), sweep)
