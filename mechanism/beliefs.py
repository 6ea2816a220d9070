"""What a principal makes of its beliefs: all of them, or less, for ablations."""

from typing import Literal

from torch import Tensor

from world_model.model import Believed, WorldModel

Beliefs = Literal["posterior", "point", "prior", "none"]
"""posterior: what is believed, with its doubt. point: the likeliest, as if it were certain. prior: what was believed
before anybody did anything, never updated. none: nothing at all is told."""


def believed(model: WorldModel, how: Beliefs, evidence: Tensor, count: Tensor, covariates: Tensor) -> Believed:
    """Of everyone, by the tracker's sums [B, N, H] over `count` [B] decisions and covariates [B, N, V]."""
    if how in ("prior", "none"):
        return model.tracker.at_first(covariates)
    belief = model.tracker(evidence, count, covariates)
    return belief.certain() if how == "point" else belief
