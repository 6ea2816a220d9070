"""Saez's optimal rates with an elasticity estimated from what people did (Saez 2001, eq. 9; brackets as Zheng 2020).

In bracket j, tau = (1 - G) / (1 - G + a e): e is the elasticity of income to the net-of-tax rate, a the local Pareto
parameter z f(z) / (1 - F(z)) and G the mean social weight above z, weights being proportional to 1 / income. z is the
middle of the bracket, and the lower edge of the open top one.
"""

from itertools import pairwise

import torch
from torch import Tensor

from societies.base import Episode
from societies.play import Fixed
from societies.taxes import US_BRACKETS, marginal_rate


def estimated_elasticity(income: Tensor, rates: Tensor) -> float:
    """The slope of ln z on ln(1 - marginal rate), within persons.

    income: [B, T, N] dollars a year; rates: [B, T, M]. People without income and rates above 99% are left out.
    Floored at .05, as no finite tax answers a zero elasticity.
    """
    b, t, n = income.shape
    marginal = marginal_rate(income.reshape(b * t, n), rates.reshape(b * t, -1)).reshape(b, t, n)
    usable = (income > 0) & (marginal < 0.99)
    x = torch.where(usable, (1 - marginal).clamp_min(0.01).log(), torch.nan)
    y = torch.where(usable, income.clamp_min(1.0).log(), torch.nan)
    x, y = x - x.nanmean(1, keepdim=True), y - y.nanmean(1, keepdim=True)
    slope = (x * y).nansum() / (x * x).nansum().clamp_min(1e-9)
    return max(0.05, float(slope))


def saez_rates(income: Tensor, elasticity: float, brackets: tuple[float, ...] = US_BRACKETS) -> Tensor:
    """[M] optimal marginal rates for realised incomes [S] in dollars a year. Empty brackets take the rate below."""
    income = income[income > 0].sort().values
    weight = (1 / income) / (1 / income).mean()
    edges = [*brackets, float("inf")]
    rates = list[float]()
    for low, high in pairwise(edges):
        inside = income[(income >= low) & (income < high)]
        if len(inside) < 3:
            rates.append(rates[-1] if rates else 0.0)
            continue
        at = low if high == float("inf") else min((low + high) / 2, float(inside.max()))  # z, of both G and a
        above = income >= at
        social = float(weight[above].mean())  # G
        density = len(inside) / (high - low)
        pareto = at * density / int(above.sum()) if density else _top(income[above], low)  # a
        rates.append((1 - social) / (1 - social + pareto * elasticity) if social < 1 else 0.0)
    return torch.tensor(rates).clamp(0, 1)


def _top(above: Tensor, low: float) -> float:
    """The Pareto parameter of the open top bracket, m / (m - b) (Saez 2001, section 3)."""
    mean = float(above.mean())
    return mean / max(mean - low, 1.0)


def saez(episode: Episode, full_time_income: Tensor) -> Fixed:
    """Saez's schedule from real episodes. full_time_income: [B, N] dollars a year at 40 hours (public)."""
    income = full_time_income[:, None] * episode.response[..., 0]  # [B, T, N]
    return Fixed(saez_rates(income.flatten(), estimated_elasticity(income, episode.mechanism)))
