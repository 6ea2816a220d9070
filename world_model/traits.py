"""The online trait tracker: who is each agent, from the history so far.

Evidence about a fixed trait adds up whatever its order, so the tracker is a sum: each decision is encoded alone,
encodings are summed over steps (deep sets over time; Zaheer et al. 2017), and every agent reads its own sum beside
the roster's mean, so that one person's replies also tell of the community. Permutation-equivariant and O(N).

What is not known of a roster is not independent between its people: where the community was misread, everybody was.
A belief therefore has factors that all its people share beside each one's own spread.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learning.nets import mlp

SMALLEST = -4.0  # log standard deviation of a belief
LARGEST_SHARE = 0.9  # of the variance of anyone's z that shared factors may account for


@dataclass(frozen=True)
class Belief:
    """What is believed of everyone's z after some steps: normal, with factors in common to the whole roster.

    z = mean + sd (shared c + sqrt(1 - |shared|^2) eps), with c [C] and eps [N, Z] standard normal.
    """

    mean: Tensor  # [..., N, Z]
    log_sd: Tensor  # [..., N, Z]
    shared: Tensor  # [..., N, Z, C] correlation with each of the C factors; the squares sum to less than 1

    def at(self, steps: Tensor) -> "Belief":
        """After those of T steps [t]: from [B, T, N, Z] to [B, t, N, Z]."""
        return Belief(self.mean[:, steps], self.log_sd[:, steps], self.shared[:, steps])

    def certain(self) -> "Belief":
        """The mean, as if it were known."""
        return Belief(self.mean, torch.full_like(self.log_sd, SMALLEST), torch.zeros_like(self.shared))

    def draw(self, common: Tensor, own: Tensor) -> Tensor:
        """z [..., N, Z] from standard normal noise [..., C] and [..., N, Z]."""
        along = (self.shared @ common[..., None, :, None])[..., 0]
        return self.mean + self.log_sd.exp() * (along + self._own_share().sqrt() * own)

    def _own_share(self) -> Tensor:
        """[..., N, Z] of the variance, what is everyone's own."""
        return 1 - self.shared.square().sum(-1)

    def nll(self, z: Tensor) -> Tensor:
        """Negative log-density of z, each number by itself and without the constant, summed over Z: [..., N]."""
        return (0.5 * ((z - self.mean) / self.log_sd.exp()) ** 2 + self.log_sd).sum(-1)

    def dependence_nll(self, z: Tensor) -> Tensor:
        """What is left of the joint negative log-density of a roster's z, per agent: [...]. It trains `shared` alone.

        The correlation matrix is diagonal plus rank C: inverse and determinant take C x C matrices only (Woodbury).
        """
        spread = self._own_share().sqrt()
        off = (((z - self.mean) / self.log_sd.exp()).detach() / spread).flatten(-2)  # [..., N Z]
        loading = (self.shared / spread[..., None]).flatten(-3, -2)  # [..., N Z, C]
        root = torch.linalg.cholesky(loading.mT @ loading + torch.eye(loading.shape[-1]))  # [..., C, C]
        along = torch.linalg.solve_triangular(root, loading.mT @ off[..., None], upper=False)
        distance = off.square().sum(-1) - along.square().sum((-1, -2))
        log_det = spread.log().sum((-1, -2)) + root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return (0.5 * distance + log_det) / z.shape[-2]


class Tracker(nn.Module):
    """Sums of encoded evidence [..., N, H] -> belief over z."""

    def __init__(
        self, evidence: int, covariates: int, traits: int, factors: int, hidden: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.sizes, self.factors = (traits, traits, traits * factors), factors
        self.encode = mlp([evidence, hidden, hidden], nn.SiLU, generator=generator)
        reads = hidden * (2 + covariates) + 2 * covariates + 1
        self.read = mlp([reads, hidden, hidden, sum(self.sizes)], nn.SiLU, out_gain=0.1, generator=generator)
        self.hidden = hidden

    def forward(self, total: Tensor, count: Tensor, covariates: Tensor) -> Belief:
        """total [..., N, H] sums over `count` [...] decisions, covariates [..., N, V]."""
        seen = count[..., None, None].expand(*total.shape[:-1], 1)
        own = total / (seen + 1)
        pooled = [own.mean(-2, keepdim=True)]
        pooled += [(own * covariates[..., v, None]).mean(-2, keepdim=True) for v in range(covariates.shape[-1])]
        around = torch.cat([*pooled, covariates.mean(-2, keepdim=True)], -1).expand(*own.shape[:-1], -1)
        out = self.read(torch.cat([own, around, covariates, seen.log1p()], -1))
        mean, log_sd, shared = out.split(self.sizes, -1)
        shared = shared.unflatten(-1, (self.sizes[0], self.factors))
        inside = (LARGEST_SHARE / (1 + shared.square().sum(-1, keepdim=True))).sqrt()
        return Belief(mean, log_sd.clamp(SMALLEST, 1), inside * shared)

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
