"""The arithmetic of DreamerV3 (Hafner et al. 2023, arXiv 2301.04104): numbers of unknown size, balance and returns.

Where a part is from is told by the paper's sections, since its equations are numbered anew in every version.
"""

import torch
from torch import Tensor

from learning.returns import gae


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(|x| + 1), [...] -> [...] (section Robust predictions)."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """The inverse of `symlog`, [...] -> [...]."""
    return x.sign() * x.abs().expm1()


class TwoHot:
    """Numbers as weights of the two bins around them, and back (section Robust predictions).

    Bins are evenly spaced in symlog up to +-limit; a number is interpolated between them in its own units, so that the
    mean of a distribution over bins is the mean of the numbers. ValueError for fewer than two bins.
    """

    def __init__(self, bins: int, limit: float) -> None:
        if bins < 2:
            raise ValueError(f"{bins} bins; a number needs two to lie between")
        self.bins = symexp(torch.linspace(-limit, limit, bins))  # [J]

    def encode(self, x: Tensor) -> Tensor:
        """[...] -> [..., J], summing to 1; beyond the last bin a number counts as that bin."""
        x = x.clamp(float(self.bins[0]), float(self.bins[-1])).contiguous()
        above = torch.searchsorted(self.bins, x).clamp(1, len(self.bins) - 1)  # [...]
        low, high = self.bins[above - 1], self.bins[above]
        share = ((x - low) / (high - low))[..., None]
        hot = torch.nn.functional.one_hot
        return hot(above - 1, len(self.bins)) * (1 - share) + hot(above, len(self.bins)) * share

    def decode(self, logits: Tensor) -> Tensor:
        """The mean of a distribution over bins: [..., J] -> [...]."""
        return logits.softmax(-1) @ self.bins

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Cross-entropy (nats) of logits [..., J] to numbers [...]; [...]."""
        return -(self.encode(x) * logits.log_softmax(-1)).sum(-1)


def unimixed(logits: Tensor, share: float) -> Tensor:
    """Log-probabilities [..., L] of a categorical of which that share is uniform, so that no class ever dies."""
    return (logits.softmax(-1) * (1 - share) + share / logits.shape[-1]).log()


def balanced_kl(posterior: Tensor, prior: Tensor, free: float) -> tuple[Tensor, Tensor]:
    """KL of one world's latents, log-probabilities [..., N, C, L] of N agents' C categoricals each, twice:
    (prior drawn to a fixed posterior, posterior drawn to a fixed prior), each [...] in nats and at least `free`
    (L_dyn and L_rep of section World model learning).
    """
    dynamics = _kl(posterior.detach(), prior).clamp_min(free)
    return dynamics, _kl(posterior, prior.detach()).clamp_min(free)


def _kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of log-probabilities [..., N, C, L], summed over agents and categoricals: [...]."""
    return (p.exp() * (p - q)).sum((-3, -2, -1))


def lambda_returns(rewards: Tensor, values: Tensor, discount: float, lam: float) -> Tensor:
    """Bootstrapped lambda-returns [T, B] (section Critic learning), no gradient flows through them:

        R_t = r_t + discount ((1 - lam) v_{t+1} + lam R_{t+1}),   R_T = v_T

    rewards: [T, B], of the step that follows state t; values: [T + 1, B], the last being zero where the episode ends.
    """
    return gae(rewards, values, discount, lam) + values[:-1].detach()


class ReturnRange:
    """The running range of returns from the 5th to the 95th percentile, never less than a floor (S of section Actor
    learning).
    """

    def __init__(self, decay: float, floor: float) -> None:
        self.decay, self.floor = decay, floor
        self.range: float | None = None  # in units of the return; None before the first update

    def update(self, returns: Tensor) -> float:
        """Take in returns [...]; what to divide by."""
        low, high = torch.quantile(returns.detach().flatten(), torch.tensor([0.05, 0.95])).tolist()
        before = high - low if self.range is None else self.range
        now = self.decay * before + (1 - self.decay) * (high - low)
        self.range = now
        return max(now, self.floor)
