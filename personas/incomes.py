"""Yearly incomes from the GB2 distribution fitted to the American Community Survey 2023.

y = mu * ((nu / tau) * F^-1(p; 2 nu, 2 tau))^(1 / sigma), with F the F-distribution function (McDonald 1984; the fit is
that of LLM Economist, Karten et al. 2025). Since (nu / tau) F^-1 = x / (1 - x) with x = I^-1(p; nu, tau), the inverse
regularised incomplete beta function, both tails are exact in floating point.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr  # pyright: ignore[reportAttributeAccessIssue] (compiled, without types)
from torch import Tensor

HOURS_PER_YEAR = 2080.0  # 40 hours a week, 52 weeks
LOWEST_INCOME, HIGHEST_INCOME = 8_000.0, 1_500_000.0  # dollars a year at 40 hours a week

_MU, _SIGMA, _NU, _TAU = 72_402.78, 2.07211, 0.486519, 1.14104
_REACH = 5.6  # standard deviations; a 23-bit draw lies within 5.3
_POINTS = 8_193

_Floats = NDArray[np.float64]


def interpolate(table: Tensor, z: Tensor) -> Tensor:
    """Linear interpolation of a table over [-5.6, 5.6] at normal scores z, any shape, float64."""
    table = table.to(z.device)
    place = (z.to(torch.float64).clamp(-_REACH, _REACH) + _REACH) * ((_POINTS - 1) / (2 * _REACH))
    left = place.floor().clamp(max=_POINTS - 2)
    low = table[left.to(torch.int64)]
    high = table[left.to(torch.int64) + 1]
    return low + (place - left) * (high - low)


def tabulate(function: Callable[[_Floats], _Floats]) -> Tensor:
    """A function of normal scores as a table for `interpolate`."""
    return torch.from_numpy(function(np.linspace(-_REACH, _REACH, _POINTS)))


@lru_cache(maxsize=1)
def _log_income_table() -> Tensor:
    def log_income(z: _Floats) -> _Floats:
        x = betaincinv(_NU, _TAU, ndtr(z))
        rest = betaincinv(_TAU, _NU, ndtr(-z))  # 1 - x, exact in the upper tail
        return np.log(_MU) + (np.log(x) - np.log(rest)) / _SIGMA

    return tabulate(log_income)


def income_at(z: Tensor) -> Tensor:
    """Yearly income in dollars of people at normal scores z (p = Phi(z)), not clipped; shape and dtype of `z`."""
    return interpolate(_log_income_table(), z).exp().to(z.dtype)


def gb2_quantile(p: Tensor) -> Tensor:
    """Yearly income in dollars at shares p strictly inside (0, 1), not clipped; shape and dtype of `p`."""
    return income_at(torch.special.ndtri(p.to(torch.float64))).to(p.dtype)


def standing(income: Tensor) -> Tensor:
    """Where a yearly income lies: clip((ln y - 10.5) / 1.1, -2, 2), about standardised, same shape."""
    return ((income.log() - 10.5) / 1.1).clamp(-2.0, 2.0)
