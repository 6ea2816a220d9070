"""Bracket taxes: schedules, the tax they take, and the US federal one."""

import torch
from torch import Tensor

US_BRACKETS = (0.0, 11_600.0, 47_150.0, 100_525.0, 191_950.0, 243_725.0, 609_350.0)  # dollars a year, 2024, single
US_RATES = (0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37)
NO_TOP = 1e9  # dollars a year; above every income


def widths(brackets: tuple[float, ...]) -> Tensor:
    """[M] width of every bracket in dollars; the top one is open."""
    edges = torch.tensor([*brackets, NO_TOP])
    return edges[1:] - edges[:-1]


def tax(income: Tensor, rates: Tensor, brackets: tuple[float, ...] = US_BRACKETS) -> Tensor:
    """Tax owed: sum_j rate_j * clip(z - b_j, 0, b_{j+1} - b_j).

    income: [B, ...] dollars a year; rates: [B, M] in [0, 1]; returns dollars, the shape of income.
    """
    lead = (rates.shape[0],) + (1,) * (income.dim() - 1)
    width = widths(brackets).to(income.device)
    owed = torch.zeros_like(income)
    for j, floor in enumerate(brackets):
        taxed = (income - floor).clamp(min=0.0, max=float(width[j]))
        owed = owed + rates[:, j].reshape(lead) * taxed
    return owed


def marginal_rate(income: Tensor, rates: Tensor, brackets: tuple[float, ...] = US_BRACKETS) -> Tensor:
    """The rate on the next dollar at income [B, N] under rates [B, M]: [B, N]."""
    edges = torch.tensor(brackets[1:], device=income.device, dtype=income.dtype)
    place = torch.bucketize(income.detach(), edges, right=True)  # [B, N] in 0..M-1
    return rates.gather(1, place)
