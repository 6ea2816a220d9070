"""What exact beliefs about roles come to: how surely the joint posterior and its marginals know who has which role.

Under permuted roles beliefs about different agents depend on one another: one role that is known leaves three for the
others. The total correlation, the sum of the marginals' entropies less that of the joint, says by how much.
"""

import torch
from torch import Tensor

from experiments.claims import Json
from experiments.team_oracles import marginals
from societies.teams import DECISIONS, STEPS

MOMENTS = (*DECISIONS, STEPS)  # before each decision, and at the end
NAMES = ("joint_nll", "joint_right", "marginals_nll", "marginals_right", "total_correlation")


def knowledge(held: Tensor, roles: Tensor, hypotheses: Tensor) -> list[Json]:
    """At each moment, of the joint posterior (log) [B, T + 1, H] and true roles [B, N]; means over worlds, in nats.

    `marginals_nll` is summed over the agents, so that it compares with `joint_nll`; `marginals_right` is per agent.
    """
    rows = [_at(held[:, t], roles, hypotheses).tolist() for t in MOMENTS]
    told = [dict[str, Json](zip(NAMES, (round(v, 4) for v in row), strict=True)) for row in rows]
    return [{"step": t, **row} for t, row in zip(MOMENTS, told, strict=True)]


def _at(held: Tensor, roles: Tensor, hypotheses: Tensor) -> Tensor:
    """[5] as NAMES, from the joint [B, H]."""
    truth = (roles[:, None] == hypotheses).all(-1).int().argmax(-1)  # [B]
    each = marginals(held, hypotheses)  # [B, N, 4]
    own = each.gather(2, roles[..., None])[..., 0]  # [B, N]
    apart = _entropy(each).sum(-1) - _entropy(held.exp())
    found = [
        -held.gather(1, truth[:, None]).squeeze(1),
        (held.argmax(-1) == truth).float(),
        -own.log().sum(-1),
        (each.argmax(-1) == roles).float().mean(-1),
        apart,
    ]
    return torch.stack(found, -1).mean(0)


def _entropy(p: Tensor) -> Tensor:
    """[...] of distributions [..., K]"""
    return torch.special.entr(p.clamp_min(0)).sum(-1)
