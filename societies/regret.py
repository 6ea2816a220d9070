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


def regret(settle: Settle, cost: Cost, rules: Tensor, truth: Tensor, tries: Tensor) -> Tensor:
    """[B, N] the largest fall of everyone's own cost by any of the reports `tries` [G] or [B, N, G], at least 0.

    rules [B, M], truth [B, N]; one person lies at a time. Differentiable. ValueError where nothing is tried, or the
    number of profiles differs from that of the rules.
    """
    if len(rules) != len(truth) or not tries.shape[-1]:
        raise ValueError(
            f"regret: {len(rules)} rules for {len(truth)} profiles and {tries.shape[-1]} misreports to try"
        )
    honest = cost(settle(rules, truth), truth)
    tried = tries.expand(*truth.shape, -1)  # [B, N, G]
    columns = [_least(settle, cost, rules, truth, n, tried[:, n]) for n in range(truth.shape[1])]
    return (honest - torch.stack(columns, -1)).clamp_min(0)


def _least(settle: Settle, cost: Cost, rules: Tensor, truth: Tensor, liar: int, tried: Tensor) -> Tensor:
    """[B] the least that one person can bring its own cost down to by `tried` [B, G]."""
    several = tried.shape[-1]
    told = truth.repeat_interleave(several, 0)  # [B * G, N]
    lied = torch.cat([told[:, :liar], tried.reshape(-1, 1), told[:, liar + 1 :]], 1)
    outcome = settle(rules.repeat_interleave(several, 0), lied)
    return cost(outcome, told)[:, liar].reshape(-1, several).amin(-1)
