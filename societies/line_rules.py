"""Rules that put facilities on the line [0, 1] where people say they live: medians with phantoms, percentiles, weights.

Shapes: B profiles, N reports, K facilities, P parameters of one facility. Everything is pure, batched, of any floating
type, and can be differentiated; the order of the reports never matters.

A rule is uncompromising where one report alone moves a facility to where it says, or not at all (Border & Jordan 1983):
nobody can then draw a facility nearer by lying, and the nearest of several such facilities is no exception.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Rule = Callable[[Tensor, Tensor], Tensor]
"""(parameters [B, K, P], reports [B, N]) -> places [B, K]"""


@dataclass(frozen=True)
class Family:
    """Rules of one form."""

    rule: Rule
    parameters: Callable[[int], int]  # N -> P, for each facility
    told: Callable[[Tensor, int, int], Tensor]  # [B, K, P], N, the highest mark of the line -> [B, K, R] whole numbers
    uncompromising: bool


def medians(parameters: Tensor, reports: Tensor) -> Tensor:
    """[B, K] the median of the N reports and of N + 1 phantoms (Moulin 1980, Proposition 2): all anonymous
    strategyproof rules for one facility. Phantoms are sorted; where there are not N + 1, they are `stretched` to be so.
    """
    n = reports.shape[-1]
    people = reports[:, None].expand(-1, parameters.shape[1], -1)  # [B, K, N]
    return torch.cat([people, phantoms(parameters, n)], -1).sort(-1).values[..., n]


def phantoms(parameters: Tensor, agents: int) -> Tensor:
    """[B, K, P] -> [B, K, N + 1] lowest first."""
    return stretched(parameters.sort(-1).values, agents + 1)


def percentiles(parameters: Tensor, reports: Tensor) -> Tensor:
    """[B, K] the report of a given rank each (Sui, Boutilier & Sandholm 2013, percentile mechanisms); P = 1.

    A parameter has no gradient: between two ranks nothing changes.
    """
    rank = ranks(parameters, reports.shape[-1])[..., 0]  # [B, K]
    return reports.sort(-1).values.gather(-1, rank)


def ranks(parameters: Tensor, agents: int) -> Tensor:
    """The rank that is meant, 0 .. N - 1 (int64, same shape): 0 is the lowest report, 1 the highest."""
    return (parameters * (agents - 1)).round().long()


def weighted(parameters: Tensor, reports: Tensor) -> Tensor:
    """[B, K] means of the sorted reports, weighted by rank."""
    return (shares(parameters, reports.shape[-1]) * reports.sort(-1).values[:, None]).sum(-1)


def shares(parameters: Tensor, agents: int) -> Tensor:
    """[B, K, P] -> [B, K, N] weights that sum to 1. Where all are zero they count as equal."""
    weight = stretched(parameters, agents)
    total = weight.sum(-1, keepdim=True)
    return torch.where(total > 0, weight / total.where(total > 0, 1.0), 1 / agents)


def stretched(curve: Tensor, points: int) -> Tensor:
    """[B, K, P] -> [B, K, points]: the same broken line over [0, 1], read at so many points, evenly spread.

    It lets a rule that was made for N people be used on others: the Uniform Phantom remains the Uniform Phantom.
    """
    if curve.shape[-1] == points:
        return curve
    return torch.nn.functional.interpolate(curve, points, mode="linear", align_corners=True)


def _told_marks(parameters: Tensor, agents: int, marks: int) -> Tensor:
    return (marks * phantoms(parameters, agents)).round()


def _told_ranks(parameters: Tensor, agents: int, marks: int) -> Tensor:
    return (ranks(parameters, agents) + 1).to(parameters.dtype)


def _told_per_cent(parameters: Tensor, agents: int, marks: int) -> Tensor:
    return (100 * shares(parameters, agents)).round()


FAMILIES: Mapping[str, Family] = {
    "phantoms": Family(medians, lambda agents: agents + 1, _told_marks, uncompromising=True),
    "percentiles": Family(percentiles, lambda agents: 1, _told_ranks, uncompromising=True),
    "weights": Family(weighted, lambda agents: agents, _told_per_cent, uncompromising=False),
}


def distances(places: Tensor, positions: Tensor) -> Tensor:
    """[B, N] from every position [B, N] to the nearest of the places [B, K]."""
    return (positions[..., None] - places[..., None, :]).abs().amin(-1)


def least_total(positions: Tensor, facilities: int) -> Tensor:
    """[B] the least sum of distances of positions [B, N] to the nearest of K places that may stand anywhere.

    Exact: people who share a facility are neighbours on the line, and it stands at their median (Hassin & Tamir 1991).
    """
    ordered = positions.sort(-1).values
    n = ordered.shape[-1]
    if facilities == 1:
        return _spread(ordered)
    alone = {(i, j): _spread(ordered[:, i:j]) for i in range(n) for j in range(i + 1, n + 1)}  # one facility for i..j
    best = [torch.zeros_like(ordered[:, 0]), *(alone[0, j] for j in range(1, n + 1))]  # [B] for the first j people
    for _ in range(facilities - 1):
        added = [torch.stack([best[i] + alone[i, j] for i in range(j)]).amin(0) for j in range(1, n + 1)]
        best = [best[0], *added]
    return best[n]


def _spread(ordered: Tensor) -> Tensor:
    """[B] the sum of distances to the median of sorted positions [B, S]."""
    middle = ordered[:, ordered.shape[-1] // 2, None]
    return (ordered - middle).abs().sum(-1)
