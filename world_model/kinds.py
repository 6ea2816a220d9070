"""People of a few kinds: the latent trait of an agent is one of Z classes, and beliefs about it are exact.

With a class per agent, independent given what is public, the posterior of the learned model needs no network:

    log P(z_i = c | history) = log p(c | covariates) + sum over decisions of log p(choice | c) + constant

Where people do come in a few kinds this knows them better, from fewer decisions, than Gaussian traits and an amortised
tracker (`latent`, `traits`); where traits are continuous it approximates them by that many types (a latent class model:
Heckman & Singer 1984).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from world_model.response import MLPHead, Utilities


class KindPrior(nn.Module):
    """p(kind | public covariates), a logit in them; z is one-hot."""

    community = 0  # kinds are independent between the people of a roster

    def __init__(self, kinds: int, covariates: int) -> None:
        super().__init__()
        self.traits = kinds
        self.weight = nn.Parameter(torch.zeros(1 + covariates, kinds))

    def log_chances(self, covariates: Tensor) -> Tensor:
        """[..., N, V] -> [..., N, Z]."""
        w = torch.cat([torch.ones_like(covariates[..., :1]), covariates], -1)
        return (w @ self.weight).log_softmax(-1)

    def forward(self, covariates: Tensor, c: Tensor, eps: Tensor) -> Tensor:
        """New people from standard normal eps [..., N, Z]: z [..., N, Z]. `c` is empty: see `community`."""
        return drawn(self.log_chances(covariates), eps)


def by_kind(head: Utilities | MLPHead, prospects: Tensor, state: Tensor, open_: Tensor, choice: Tensor) -> Tensor:
    """Log-likelihood of (scaled) decisions [E, ..., N, K, D] by each member, were everyone of each kind in turn:
    [S, E, Z, ..., N]. Choices [E, ..., N, K] are whole replies or one-hot.
    """

    def were(kind: Tensor) -> Tensor:
        z = kind.expand(head.members, *state.shape[:-1], -1)
        seen = [x.expand(head.members, *x.shape) for x in (prospects, state, open_)]
        return (head(seen[0], seen[1], z, seen[2]) * choice).sum(-1)

    return torch.stack([were(kind) for kind in torch.eye(head.traits)], 2)


def drawn(log_chances: Tensor, eps: Tensor) -> Tensor:
    """One-hot draws [..., Z] with those chances, from standard normal noise (by way of Gumbel noise)."""
    below = torch.special.ndtr(eps.double()).clamp(1e-12, 1 - 1e-12)
    gumbel = -(-below.log()).log()
    best = (log_chances + gumbel).argmax(-1)
    return torch.nn.functional.one_hot(best, log_chances.shape[-1]).to(log_chances.dtype)


@dataclass(frozen=True)
class KindBelief:
    """What is believed of everyone's kind: independent, so that nothing is shared."""

    log_chances: Tensor  # [..., N, Z]

    @property
    def mean(self) -> Tensor:
        """[..., N, Z] the chance of each kind, which is the mean of z."""
        return self.log_chances.exp()

    @property
    def log_sd(self) -> Tensor:
        """[..., N, Z] of each entry of z."""
        return 0.5 * (self.mean * (1 - self.mean)).clamp_min(1e-6).log()

    def at(self, steps: Tensor) -> "KindBelief":
        """After those of T steps [t]: from [B, T, N, Z] to [B, t, N, Z]."""
        return KindBelief(self.log_chances[:, steps])

    def certain(self) -> "KindBelief":
        """The likeliest kind, as if it were known."""
        best = torch.nn.functional.one_hot(self.log_chances.argmax(-1), self.log_chances.shape[-1])
        return KindBelief(best.to(self.log_chances.dtype).clamp_min(1e-12).log())

    def draw(self, common: Tensor, own: Tensor) -> Tensor:
        """z [..., N, Z] from standard normal noise [..., 0] and [..., N, Z]."""
        return drawn(self.log_chances, own)


@dataclass(frozen=True)
class KindTracker:
    """Adds up log-likelihoods by kind: the exact online tracker of the learned model. Nothing in it is trained."""

    prior: KindPrior

    @property
    def hidden(self) -> int:
        """Z: the evidence of a decision is one number a kind."""
        return self.prior.traits

    def encode(self, evidence: Tensor) -> Tensor:
        """As it is."""
        return evidence

    def __call__(self, total: Tensor, count: Tensor, covariates: Tensor) -> KindBelief:
        """From sums [..., N, Z] over `count` decisions and covariates [..., N, V]."""
        return KindBelief((self.prior.log_chances(covariates) + total).log_softmax(-1))

    def beliefs(self, evidence: Tensor, covariates: Tensor) -> KindBelief:
        """After each of T decisions: evidence [B, T, N, Z], covariates [B, N, V] -> [B, T, N, Z]."""
        return KindBelief((self.prior.log_chances(covariates)[:, None] + evidence.cumsum(1)).log_softmax(-1))

    def at_first(self, covariates: Tensor) -> KindBelief:
        """Before anybody decided anything."""
        return KindBelief(self.prior.log_chances(covariates))
