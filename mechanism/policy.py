"""The principal's policy: a base mechanism that needs no observation, plus learned deviations from it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from learning.draws import Draws
from learning.nets import Normaliser, mlp
from learning.ppo import gaussian_entropy, gaussian_log_prob
from mechanism.observe import History, Observer
from societies.base import PublicStep, Society
from societies.mechanisms import bounds


class Policy(nn.Module):
    """Observation [B, X] -> logits of the mechanism [B, M]: base + deviation. Gaussian exploration on the logits."""

    def __init__(self, society: Society, observation: int, seed: int, hidden: int = 64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        size = len(society.default_mechanism())
        self.normaliser = Normaliser(observation, clip=5.0)
        self.base = nn.Parameter(to_logits(society, society.default_mechanism()))
        self.deviation = mlp([observation, hidden, hidden, size], out_gain=0.01, generator=generator)
        self.critic = mlp([observation, hidden, hidden, 1], out_gain=0.1, generator=generator)
        self.log_std = nn.Parameter(torch.full((size,), -1.2))  # of the logits: about 7 points of a rate of 50%

    def logits(self, observation: Tensor) -> Tensor:
        """[B, M] the mean of the policy."""
        return self.base + self.deviation(self.normaliser(observation))

    def value(self, observation: Tensor) -> Tensor:
        """[B]"""
        return self.critic(self.normaliser(observation))[..., 0]

    def evaluate(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probability, entropy and value of taken logits, each [B]."""
        log_prob = gaussian_log_prob(self.logits(observation), self.log_std, action)
        return log_prob, gaussian_entropy(self.log_std).expand_as(log_prob), self.value(observation)


def to_logits(society: Society, mechanism: Tensor) -> Tensor:
    """The inverse of `to_mechanism`, with the ends of the range kept finite."""
    low, high = bounds(society)
    return ((mechanism - low) / (high - low)).clamp(1e-3, 1 - 1e-3).logit()


def to_mechanism(society: Society, logits: Tensor) -> Tensor:
    """Logits [..., M] -> a mechanism inside the society's range."""
    low, high = bounds(society)
    return low + (high - low) * logits.sigmoid()


@dataclass(frozen=True)
class Taken:
    """One decision of a learning principal in B worlds."""

    step: int
    observation: Tensor  # [B, X]
    logits: Tensor  # [B, M] as they were played


@dataclass(frozen=True)
class Learned:
    """A policy as a principal. With `explore` it samples and notes it in `taken`; without, it plays its mean."""

    society: Society
    observer: Observer
    policy: Policy
    explore: Draws | None = None
    taken: list[Taken] = field(default_factory=list[Taken])

    def start(self, worlds: int) -> History:
        """Its memory is the observer's history."""
        return self.observer.start(worlds)

    def propose(self, memory: History, seen: PublicStep) -> tuple[History, Tensor]:
        """[B, M]"""
        memory, observation = self.observer.observe(memory, seen)
        if not bool(self.society.decides(seen.step, seen.features).any()):
            return memory, self.society.default_mechanism().expand(len(observation), -1)
        logits = self.policy.logits(observation)
        if self.explore is not None:
            noise = self.explore.normal("principal", seen.step, logits.shape[-1])
            logits = logits + self.policy.log_std.exp() * noise
            self.taken.append(Taken(seen.step, observation.detach(), logits.detach()))
        return memory, to_mechanism(self.society, logits)
