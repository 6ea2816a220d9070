"""The latent space of SWM-AP's paper (arXiv 2510.19270, section 4 and table 3): one of C classes for a whole roster.

A class says of the agent in each place what it is like: its code [N, Z]. So classes are tied to the places in the
roster and to its size, and C classes cannot tell 2^N combinations of traits apart; both are limits of the paper's
design, which this is here to measure. Where the paper leaves the estimator open, a class enters by its expected code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learning.nets import mlp


class JointPrior(nn.Module):
    """Classes are equally likely; z [..., N, Z] is the drawn class's code."""

    community = 0  # everything is shared, and nothing is normal

    def __init__(self, classes: int, agents: int, traits: int, generator: torch.Generator) -> None:
        super().__init__()
        self.traits = traits
        self.code = nn.Parameter(torch.randn(classes, agents, traits, generator=generator))

    def forward(self, covariates: Tensor, c: Tensor, eps: Tensor) -> Tensor:
        """New rosters from standard normal eps [B, N, Z], of which one number is read: z [B, N, Z]."""
        share = torch.special.ndtr(eps[:, 0, 0].double())
        return self.code[(share * len(self.code)).long().clamp(max=len(self.code) - 1)]


@dataclass(frozen=True)
class JointBelief:
    """What is believed of a roster's class."""

    chances: Tensor  # [..., C]
    code: Tensor  # [C, N, Z]

    @property
    def mean(self) -> Tensor:
        """[..., N, Z]"""
        return torch.einsum("...c,cnz->...nz", self.chances, self.code)

    @property
    def log_sd(self) -> Tensor:
        """[..., N, Z]"""
        square = torch.einsum("...c,cnz->...nz", self.chances, self.code.square())
        return 0.5 * (square - self.mean.square()).clamp_min(1e-6).log()

    def at(self, steps: Tensor) -> "JointBelief":
        """After those of T steps [t]: from [B, T, C] to [B, t, C]."""
        return JointBelief(self.chances[:, steps], self.code)

    def certain(self) -> "JointBelief":
        """The likeliest class, as if it were known."""
        best = torch.nn.functional.one_hot(self.chances.argmax(-1), self.chances.shape[-1])
        return JointBelief(best.to(self.chances.dtype), self.code)

    def draw(self, common: Tensor, own: Tensor) -> Tensor:
        """z [..., N, Z] from standard normal noise [..., 0] and [..., N, Z], of which one number is read."""
        share = torch.special.ndtr(own[..., 0, 0].double())[..., None]
        row = (self.chances.double().cumsum(-1) < share).sum(-1).clamp(max=len(self.code) - 1)
        return self.code[row]


class JointTracker(nn.Module):
    """Evidence of a whole roster, place by place -> the chances of every class. Sums over steps, as `Tracker`."""

    def __init__(
        self, evidence: int, covariates: int, prior: JointPrior, hidden: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        classes, agents, _ = prior.code.shape
        self.priors, self.hidden = (prior,), hidden  # in a tuple, for it is the model's part, not also this one's
        self.encode = mlp([evidence, hidden, hidden], nn.SiLU, generator=generator)
        reads = agents * (hidden + covariates) + 1
        self.read = mlp([reads, 4 * hidden, classes], nn.SiLU, out_gain=0.1, generator=generator)

    def forward(self, total: Tensor, count: Tensor, covariates: Tensor) -> JointBelief:
        """total [..., N, H] sums over `count` [...] decisions, covariates [..., N, V]."""
        own = total / (count[..., None, None] + 1)
        facts = torch.cat([own.flatten(-2), covariates.flatten(-2), count.log1p()[..., None]], -1)
        return JointBelief(self.read(facts).softmax(-1), self.priors[0].code)

    def beliefs(self, evidence: Tensor, covariates: Tensor) -> JointBelief:
        """After each of T decisions: evidence [B, T, N, X], covariates [B, N, V] -> chances [B, T, C]."""
        total = self.encode(evidence).cumsum(1)
        count = torch.arange(1, total.shape[1] + 1, dtype=total.dtype).expand(total.shape[:2])
        return self(total, count, covariates[:, None].expand(-1, total.shape[1], -1, -1))

    def at_first(self, covariates: Tensor) -> JointBelief:
        """Before anybody decided anything."""
        nothing = covariates.new_zeros(*covariates.shape[:-1], self.hidden)
        return self(nothing, covariates.new_zeros(covariates.shape[:-2]), covariates)
