"""A normal law of networks' weights, around none or around those of a model of other people."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CLOSE = 0.1  # standard deviation of what is other about the weights of other people


@dataclass(frozen=True)
class WeightPrior:
    """Every weight is normal by itself. With means that are known from a model of other people it is L2-SP (Li,
    Grandvalet & Davoine 2018, arXiv 1802.01483): few episodes adapt that model, and do not make it forget.
    """

    weights: Sequence[Tensor]  # as they are while they are fitted
    means: Sequence[Tensor]
    sd: float

    @classmethod
    def around(cls, weights: Sequence[Tensor]) -> "WeightPrior":
        """The weights as they now are."""
        return cls(weights, [w.detach().clone() for w in weights], CLOSE)

    @classmethod
    def around_none(cls, weights: Sequence[Tensor], sd: float) -> "WeightPrior":
        """Zeros."""
        return cls(weights, [torch.zeros_like(w) for w in weights], sd)

    def unlikely(self) -> Tensor:
        """Minus their log density, without the constant."""
        pairs = zip(self.weights, self.means, strict=True)
        return torch.stack([(w - mean).square().sum() for w, mean in pairs]).sum() / (2 * self.sd**2)
