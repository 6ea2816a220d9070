"""The online trait tracker: who is each agent, from the history so far.

Evidence about a fixed trait adds up whatever its order, so the tracker is a sum: each decision is encoded alone,
encodings are summed over steps (deep sets over time; Zaheer et al. 2017), and every agent reads its own sum beside
the roster's mean, so that one person's replies also tell of the community. Permutation-equivariant and O(N).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learning.nets import mlp


@dataclass(frozen=True)
class Belief:
    """What is believed of everyone's z after some steps."""

    mean: Tensor  # [..., N, Z]
    log_sd: Tensor  # [..., N, Z]

    def draw(self, noise: Tensor) -> Tensor:
        """z from standard normal noise of the mean's shape."""
        return self.mean + self.log_sd.exp() * noise

    def nll(self, z: Tensor) -> Tensor:
        """Negative log-density of z, without the constant, summed over Z: [..., N]."""
        return (0.5 * ((z - self.mean) / self.log_sd.exp()) ** 2 + self.log_sd).sum(-1)


class Tracker(nn.Module):
    """Sums of encoded evidence [..., N, H] -> belief over z."""

    def __init__(self, evidence: int, covariates: int, traits: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encode = mlp([evidence, hidden, hidden], nn.SiLU, generator=generator)
        reads = hidden * (2 + covariates) + 2 * covariates + 1
        self.read = mlp([reads, hidden, hidden, 2 * traits], nn.SiLU, out_gain=0.1, generator=generator)
        self.hidden = hidden

    def forward(self, total: Tensor, count: Tensor, covariates: Tensor) -> Belief:
        """total [..., N, H] sums over `count` [...] decisions, covariates [..., N, V]."""
        seen = count[..., None, None].expand(*total.shape[:-1], 1)
        own = total / (seen + 1)
        pooled = [own.mean(-2, keepdim=True)]
        pooled += [(own * covariates[..., v, None]).mean(-2, keepdim=True) for v in range(covariates.shape[-1])]
        around = torch.cat([*pooled, covariates.mean(-2, keepdim=True)], -1).expand(*own.shape[:-1], -1)
        out = self.read(torch.cat([own, around, covariates, seen.log1p()], -1))
        mean, log_sd = out.chunk(2, -1)
        return Belief(mean, log_sd.clamp(-4, 1))

    def beliefs(self, evidence: Tensor, covariates: Tensor) -> Belief:
        """After each of T decisions: evidence [B, T, N, X], covariates [B, N, V] -> belief [B, T, N, Z]."""
        total = self.encode(evidence).cumsum(1)  # [B, T, N, H]
        count = torch.arange(1, total.shape[1] + 1, dtype=total.dtype).expand(total.shape[:2])
        return self(total, count, covariates[:, None].expand(-1, total.shape[1], -1, -1))

    def at_first(self, covariates: Tensor) -> Belief:
        """Before anybody decided anything, from covariates [B, N, V] alone: belief [B, N, Z]."""
        return self(
            covariates.new_zeros(*covariates.shape[:-1], self.hidden), covariates.new_zeros(len(covariates)), covariates
        )
