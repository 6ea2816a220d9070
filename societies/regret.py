"""The regret meter: how much anybody could gain by misreporting, whatever the rules.

It knows nothing of a society but a pure, batched `settle` from rules and reports to an outcome, and what an outcome
costs somebody whose truth is known. Regret is measured while all others are truthful, as in the incentive constraint of
a direct mechanism; a rule is strategyproof where it is 0 for every profile and every misreport.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Settle = Callable[[Tensor, Tensor], Tensor]
"""(rules [B, M], reports [B, N]) -> outcome [B, ...]"""
Cost = Callable[[Tensor, Tensor], Tensor]
"""(outcome [B, ...], truth [B, N]) -> what the outcome costs everyone [B, N]"""


def regret(
    settle: Settle, cost: Cost, rules: Tensor, truth: Tensor, tries: Tensor, reports: Tensor | None = None
) -> Tensor:
    """[B, N] the largest fall of everyone's own cost by any of the reports `tries` [G] or [B, N, G], at least 0.

    rules [B, M], truth [B, N, ...]; one person changes its report at a time. `reports` [B, N] is what is reported
    before that: the truth, unless other reports are given (then no regret means an equilibrium). Differentiable.
    ValueError where nothing is tried, or the numbers of profiles, rules or reports differ.
    """
    if len(rules) != len(truth) or not tries.shape[-1]:
        counts = f"{len(rules)} rules for {len(truth)} profiles and {tries.shape[-1]} misreports to try"
        raise ValueError(f"regret: {counts}; there must be one rule for each profile, and at least 1 misreport")
    if reports is not None and reports.shape[:2] != truth.shape[:2]:
        shapes = f"reports of shape {tuple(reports.shape)} for a truth of shape {tuple(truth.shape)}"
        raise ValueError(f"regret: {shapes}; there must be one report for everyone")
    told = truth if reports is None else reports
    before = cost(settle(rules, told), truth)  # [B, N]
    tried = tries.expand(*told.shape, -1)  # [B, N, G]
    liars = range(told.shape[1])
    least = [_least(settle, cost, rules, truth, _replaced(told, n, tried[:, n]), n) for n in liars]
    return (before - torch.stack(least, -1)).clamp_min(0)


def _replaced(told: Tensor, liar: int, tried: Tensor) -> Tensor:
    """[B, G, N] the reports [B, N] with one person's replaced by each of `tried` [B, G]."""
    every = told[:, None].expand(-1, tried.shape[-1], -1)
    return torch.cat([every[..., :liar], tried[..., None], every[..., liar + 1 :]], -1)


def _least(settle: Settle, cost: Cost, rules: Tensor, truth: Tensor, reports: Tensor, liar: int) -> Tensor:
    """[B] the least that one person's cost comes to under any of the reports [B, G, N]."""
    several = reports.shape[1]
    outcome = settle(rules.repeat_interleave(several, 0), reports.flatten(0, 1))
    costs = cost(outcome, truth.repeat_interleave(several, 0))[:, liar]  # [B * G]
    return costs.reshape(-1, several).amin(-1)
