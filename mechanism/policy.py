"""The principal's policy: a base mechanism that needs no observation, plus learned deviations from it."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from learning.draws import Draws
from learning.nets import Normaliser, mlp
from learning.ppo import gaussian_entropy, gaussian_log_prob
from mechanism.beliefs import Beliefs
from mechanism.forecast import forecaster
from mechanism.observe import Observer
from mechanism.observe_options import OptionObserver
from mechanism.observe_sequence import SequenceObserver
from mechanism.policy_options import OptionPolicy
from societies.base import Options, PublicStep, Society
from societies.mechanisms import bounds
from world_model.model import WorldModel


class Policy(nn.Module):
    """Observation [B, X] -> logits of the mechanism [B, M]: base + deviation. Gaussian exploration on the logits."""

    def __init__(self, society: Society, observation: int, seed: int, hidden: int = 64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.society, size = society, len(society.default_mechanism())
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

    def read(self, observations: Tensor) -> None:
        """Set the normaliser, for good, by observations [..., X]."""
        self.normaliser.update(observations)
        self.normaliser.freeze()

    def act(self, observation: Tensor, explore: Draws | None, step: int) -> tuple[Tensor, Tensor]:
        """The mechanism [B, M], and the action for `evaluate`: the logits, with noise if they are to be explored."""
        logits = self.logits(observation)
        if explore is not None:
            noise = explore.normal("principal", step, logits.shape[-1])
            logits = logits + self.log_std.exp() * noise
        return to_mechanism(self.society, logits), logits

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
    observation: Tensor  # [B, ...]
    action: Tensor  # [B, M] as it was played: logits of the rules, or the option that was taken


@dataclass(frozen=True)
class Learned:
    """A policy as a principal. With `explore` it samples and notes it in `taken`; without, it plays its mean."""

    society: Society
    observer: Observer | OptionObserver | SequenceObserver
    policy: Policy | OptionPolicy
    explore: Draws | None = None
    taken: list[Taken] = field(default_factory=list[Taken])

    def start(self, worlds: int) -> Any:
        """Its memory is the observer's history."""
        return self.observer.start(worlds)

    def watch(self, memory: Any, seen: PublicStep) -> tuple[Any, Tensor]:
        """The memory with what the last step showed, and the observation for the next decision."""
        return self.observer.observe(memory, seen)

    def propose(self, memory: Any, seen: PublicStep) -> tuple[Any, Tensor]:
        """[B, M]"""
        memory, observation = self.watch(memory, seen)
        if not bool(self.society.decides(seen.step, seen.features).any()):
            return memory, self.society.default_mechanism().expand(len(observation), -1)
        mechanism, action = self.policy.act(observation, self.explore, seen.step)
        if self.explore is not None:
            self.taken.append(Taken(seen.step, observation.detach(), action.detach()))
        return memory, mechanism


def untrained(
    society: Society, model: WorldModel | None, seed: int, forecast: bool = False, beliefs: Beliefs = "posterior"
) -> Learned:
    """A new policy: it starts from the default rules, or indifferent between options. No model: no beliefs.

    forecast: does it see what each option promises, where the model can tell?
    """
    told = None if beliefs == "none" else model
    if isinstance(society.mechanism, Options):
        watching = OptionObserver(society, told, forecaster(society, told) if forecast else None, beliefs)
        return Learned(society, watching, OptionPolicy(society, watching.channels, seed))
    observer = Observer(society, told, beliefs)
    return Learned(society, observer, Policy(society, observer.size, seed))
