"""What a principal is worth on held-out communities."""

import torch
from torch import Tensor

from societies.base import Episode, Principal
from societies.stage import Stage, joined


def evaluate(stage: Stage, principal: Principal, communities: int, batch: int = 100) -> Episode:
    """Real episodes 0 .. communities - 1 of `stage`, in batches. Two principals meet the same rosters and draws."""
    starts = range(0, communities, batch)
    with torch.no_grad():
        return joined([stage.play(principal, s, min(batch, communities - s)) for s in starts])


def welfare(stage: Stage, principal: Principal, communities: int) -> Tensor:
    """[communities] mean welfare of the counted steps."""
    return evaluate(stage, principal, communities).returns()
