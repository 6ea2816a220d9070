"""Bracket taxes: schedules, the tax they take, and the US federal one."""

import torch
from torch import Tensor

US_BRACKETS = (0.0, 11_600.0, 47_150.0, 100_525.0, 191_950.0, 243_725.0, 609_350.0)  # dollars a year, 2024, single
US_RATES = (0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37)


def tax(income: Tensor, rates: Tensor, brackets: tuple[float, ...] = US_BRACKETS) -> Tensor:
    """Tax owed: sum_j rate_j * clip(z - b_j, 0, b_{j+1} - b_j), the top bracket being open.

    income: [B, ...] dollars a year, none negative; rates: [B, M] in [0, 1]; brackets: M floors, the first one 0;
    returns dollars, the shape of income. Computed as sum_j (rate_j - rate_{j-1}) * max(0, z - b_j), which is the
    same function for less work.
    """
    lead = (rates.shape[0],) + (1,) * (income.dim() - 1)
    rises = torch.diff(rates, dim=1, prepend=torch.zeros_like(rates[:, :1]))  # [B, M]
    owed = rises[:, 0].reshape(lead) * income
    for j, floor in enumerate(brackets[1:], 1):
        owed = owed + rises[:, j].reshape(lead) * (income - floor).relu()
    return owed


def marginal_rate(income: Tensor, rates: Tensor, brackets: tuple[float, ...] = US_BRACKETS) -> Tensor:
    """The rate on the next dollar at income [B, N] under rates [B, M]: [B, N]."""
    edges = torch.tensor(brackets[1:], device=income.device, dtype=income.dtype)
    place = torch.bucketize(income.detach(), edges, right=True)  # [B, N] in 0..M-1
    return rates.gather(1, place)
