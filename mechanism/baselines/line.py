"""Rules for facilities on the line that are known from the literature, as parameters of their family.

`societies.line_rules` says what the parameters of each family mean. Medians and percentiles are strategyproof, the mean
and the midpoint are not.
"""

from collections.abc import Callable, Mapping
from itertools import combinations

import torch
from torch import Tensor

from societies.line import FacilityLine
from societies.play import Fixed


def uniform_phantom(agents: int) -> Tensor:
    """[N + 1] phantoms at k / N (Freeman, Pennock, Peters & Wortman Vaughan 2021).

    ValueError for nobody, here and below.
    """
    _somebody(agents)
    return torch.arange(agents + 1, dtype=torch.float64) / agents


def median(agents: int) -> Tensor:
    """[N + 1] phantoms half at 0, half at 1: the median, the lower one of two."""
    _somebody(agents)
    return _halves(agents, 0.0)


def constrained_median(agents: int) -> Tensor:
    """[N + 1] phantoms half at 1 / N, half at 1 - 1 / N, beside those at 0 and 1 (Aziz, Lam, Lee & Walsh 2022)."""
    _somebody(agents)
    return _halves(agents, 1 / agents)


def mean(agents: int) -> Tensor:
    """[N] equal weights."""
    _somebody(agents)
    return torch.ones(agents, dtype=torch.float64)


def midpoint(agents: int) -> Tensor:
    """[N] all the weight on the lowest and the highest report."""
    _somebody(agents)
    rank = torch.arange(agents)
    return ((rank == 0) | (rank == agents - 1)).double()


KNOWN: Mapping[str, tuple[str, Callable[[int], Tensor]]] = {
    "median": ("phantoms", median),
    "uniform_phantom": ("phantoms", uniform_phantom),
    "constrained_median": ("phantoms", constrained_median),
    "mean": ("weights", mean),
    "midpoint": ("weights", midpoint),
}
"""Name -> (family, N -> parameters of one facility)"""


def known(society: FacilityLine, name: str) -> Fixed:
    """The rule of that name, the same for every facility. ValueError where the society's family has none such."""
    there = [other for other, (family, _) in KNOWN.items() if family == society.family]
    if name not in there:
        raise ValueError(f"{society.name}: its rules are {society.family}, among them no {name!r}; known: {there}")
    parameters = KNOWN[name][1](society.agents).float()
    return Fixed(parameters.repeat(society.facilities))


def best_percentile(society: FacilityLine, positions: Tensor) -> Fixed:
    """The percentiles that cost least on positions [B, N] of people as they are expected to be, N as in the society.

    ValueError where the society's rules are not percentiles.
    """
    if society.family != "percentiles":
        raise ValueError(f"{society.name}: its rules are {society.family}, not percentiles")
    return Fixed(best_percentiles(positions, society.facilities))


def best_percentiles(positions: Tensor, facilities: int) -> Tensor:
    """[K] the ranks, as parameters, with the least mean distance over positions [B, N]; of equals the lowest.

    ValueError for positions that are not [B, N] within [0, 1], and for K that is not 1 to N.
    """
    if positions.dim() != 2 or not len(positions) or not ((positions >= 0) & (positions <= 1)).all():
        raise ValueError("best percentiles: positions must be [B, N], at least one profile, all between 0 and 1")
    if not 1 <= facilities <= positions.shape[1]:
        raise ValueError(f"best percentiles: {facilities} facilities; there must be 1 to {positions.shape[1]}")
    ordered = positions.sort(-1).values
    away = (ordered[:, :, None] - ordered[:, None, :]).abs()  # [B, N, N] of everyone from every rank
    choices = list(combinations(range(positions.shape[1]), facilities))
    costs = torch.stack([away[..., list(chosen)].amin(-1).mean() for chosen in choices])
    best = torch.tensor(choices[int(costs.argmin())])
    return best / max(positions.shape[1] - 1, 1)


def _somebody(agents: int) -> None:
    if agents < 1:
        raise ValueError(f"rules for {agents} agents; there must be at least 1")


def _halves(agents: int, low: float) -> Tensor:
    """[N + 1] 0, then half of N - 1 phantoms at `low` (the greater half), the others at 1 - low, then 1."""
    lower = agents // 2  # half of N - 1, rounded up
    inner = [low] * lower + [1 - low] * (agents - 1 - lower)
    return torch.tensor([0.0, *inner, 1.0], dtype=torch.float64)
