"""Measures of inequality and welfare, as pure functions of tensors."""

import torch
from torch import Tensor


def gini(incomes: Tensor) -> Tensor:
    """Gini coefficient of non-negative incomes [..., N] -> [...], by the sorted-rank formula.

    G = sum_i (2i - N - 1) x_(i) / (N sum x). Zero where all incomes are zero.
    """
    n = incomes.shape[-1]
    ranks = torch.arange(1, n + 1, device=incomes.device, dtype=incomes.dtype)
    ordered = incomes.sort(-1).values
    total = ordered.sum(-1)
    return ((2 * ranks - n - 1) * ordered).sum(-1) / (n * total).clamp_min(1e-9)


def equality(incomes: Tensor) -> Tensor:
    """1 - Gini * N/(N-1): 1 = all equal, 0 = one has everything (Zheng et al. 2020, eq. 7)."""
    n = incomes.shape[-1]
    return 1 - gini(incomes) * n / (n - 1)
