"""The laws of a population file as functions of normal scores, so that correlations mean the same for every law."""

from collections.abc import Mapping
from functools import lru_cache

import torch
from scipy.special import betaincinv, ndtr  # pyright: ignore[reportAttributeAccessIssue] (compiled, without types)
from torch import Tensor

from personas.census import Column
from personas.incomes import HOURS_PER_YEAR, income_at, interpolate, tabulate
from personas.schema import (
    AnyAttributeLaw,
    AnyTraitLaw,
    Beta,
    Choice,
    Coin,
    Constant,
    Gb2,
    Integer,
    Logistic,
    Lognormal,
    Normal,
    TraitConstant,
    TraitNormal,
    TraitUniform,
    Uniform,
)
from personas.traits import HOURS_LOW, HOURS_SPAN


def attribute_at(law: AnyAttributeLaw, z: Tensor) -> Tensor:
    """Values of a numeric attribute in its own unit, or places in the options of a choice; shape and dtype of `z`."""
    match law:
        case Gb2():
            return income_at(z).clamp(law.low, law.high) / HOURS_PER_YEAR
        case Normal():
            return (law.mean + law.sd * z).clamp(law.low, law.high)
        case Lognormal():
            return (law.median * (law.spread * z).exp()).clamp(law.low, law.high)
        case Uniform():
            return law.low + (law.high - law.low) * _share(z)
        case Integer():
            return (law.low + (_share(z) * (law.high - law.low + 1)).floor()).clamp(max=law.high)
        case Choice():
            steps = torch.tensor(list(law.options.values()), dtype=z.dtype, device=z.device).cumsum(0)
            return torch.bucketize(_share(z), steps / steps[-1], right=True).clamp(max=len(steps) - 1).to(z.dtype)
        case Constant():
            return torch.full_like(z, law.value)


def census_at(column: Column, row: Tensor, z: Tensor) -> Tensor:
    """Values within the bands of the table's rows `row` (int64 [B, N]); of words, their places. Shape, dtype of `z`."""
    low, high = (torch.tensor(ends, dtype=z.dtype, device=z.device)[row] for ends in (column.low, column.high))
    if column.whole:
        return (low + (_share(z) * (high - low + 1)).floor()).minimum(high)
    return low + (high - low) * _share(z)


def trait_at(
    name: str, law: AnyTraitLaw, z: Tensor, communities: Mapping[str, Tensor], standing: Tensor | None
) -> Tensor:
    """Trait values in [0, 1], [B, N] as `z`; `communities` [B, 1] each, `standing` [B, N] where there are slopes."""
    match law:
        case Logistic():
            place = law.mean + law.noise * z
            for community, loading in law.loadings.items():
                place = place + loading * communities[community]
            for community, slope in law.slopes.items():
                assert standing is not None  # the file's check demands a wage
                place = place + slope * communities[community] * standing
            return torch.sigmoid(place)
        case TraitNormal():
            return _scaled(name, (law.mean + law.sd * z).clamp(law.low, law.high))
        case TraitUniform():
            return _scaled(name, law.low + (law.high - law.low) * _share(z))
        case TraitConstant():
            return _scaled(name, torch.full_like(z, law.value))
        case Beta():
            return interpolate(_beta_table(law.a, law.b), z).to(z.dtype)
        case Coin():
            return (_share(z) >= 1 - law.chance).to(z.dtype)


def _share(z: Tensor) -> Tensor:
    return torch.special.ndtr(z.to(torch.float64)).to(z.dtype)


def _scaled(name: str, value: Tensor) -> Tensor:
    """Preferred hours are written in hours a week; every other trait is already in [0, 1]."""
    return (value - HOURS_LOW) / HOURS_SPAN if name == "preferred_hours" else value


@lru_cache(maxsize=32)
def _beta_table(a: float, b: float) -> Tensor:
    return tabulate(lambda z: betaincinv(a, b, ndtr(z)))
