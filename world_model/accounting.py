"""Learned accounting: what a step leads to, where the society's own rules do not say it or are not to be used.

Two things may have to be learned. Welfare, where the objective needs hidden utilities: it is predicted from what the
step settled and from who the people are believed to be. And, in the variant of the paper (SWM-AP, arXiv 2510.19270,
section 4: "s', r from s, mechanism and traits"), the next public state as well, with no use of the real accounting.

Both are deep sets over the roster (Zaheer et al. 2017): everyone is encoded alike and reads the roster's mean, so that
the order of the agents does not matter. There are S members, as of the response heads; each answers its own worlds.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from world_model.records import Records, Standard
from world_model.response import MemberLinear


@dataclass(frozen=True)
class Step:
    """One step as it is accounted for. S members, and any worlds and steps between."""

    features: Tensor  # [S, ..., N, F] before the step
    mechanism: Tensor  # [S, ..., M]
    response: Tensor  # [S, ..., N, R]
    z: Tensor  # [S, ..., N, Z]


@dataclass(frozen=True)
class AccountSizes:
    """What the accounting needs to know of the society and of the latent space."""

    members: int  # S
    state: int  # F
    mechanism: int  # M
    response: int  # R
    traits: int  # Z
    hidden: int


class Roster(nn.Module):
    """A deep set: [S, ..., N, X] -> [S, ..., N, Y], every agent from its own facts and the mean of everyone's."""

    def __init__(self, members: int, reads: int, hidden: int, writes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encode = MemberLinear(members, reads, hidden, 1.0, generator)
        self.mix = MemberLinear(members, 2 * hidden, hidden, 1.0, generator)
        self.out = MemberLinear(members, hidden, writes, 0.1, generator)

    def forward(self, facts: Tensor) -> Tensor:
        own = silu(self.encode(facts))
        around = own.mean(-2, keepdim=True).expand_as(own)
        return self.out(silu(self.mix(torch.cat([own, around], -1))))


class Accounting(nn.Module):
    """Next public features (`dynamics`) and welfare of a step. Differentiable in mechanism, response and features."""

    def __init__(
        self, sizes: AccountSizes, personal: tuple[int, ...], dynamics: bool, generator: torch.Generator
    ) -> None:
        """personal: places of the features that never change. dynamics: are the next features predicted, too?"""
        super().__init__()
        s, f, h = sizes.members, sizes.state, sizes.hidden
        reads = 2 * f + sizes.mechanism + sizes.response + sizes.traits
        self.features, self.change = Standard(f), Standard(f)
        self.mechanism, self.response, self.welfare = Standard(sizes.mechanism), Standard(sizes.response), Standard(1)
        self.worth = Roster(s, reads + 2 * f, h, 1, generator)
        self.motion = Roster(s, reads, h, f, generator) if dynamics else None
        self.fixed = personal
        self.common: Tensor
        self.low: Tensor
        self.high: Tensor
        self.register_buffer("common", torch.zeros(f, dtype=torch.bool))  # [F] is it a fact of the whole world?
        self.register_buffer("low", torch.full((f,), -torch.inf))  # [F] bounds of what is predicted
        self.register_buffer("high", torch.full((f,), torch.inf))

    def read(self, data: Records) -> None:
        """Take means, spreads and bounds from what the real episodes showed. Where this goes on from a model of other
        people, its units stay, and what those showed still counts: a few episodes must not narrow the bounds.
        """
        self.features.read(data.features)
        self.change.read(data.after - data.features)
        self.mechanism.read(data.mechanism)
        self.response.read(data.response)
        self.welfare.read(data.welfare[..., None])
        common = (data.after == data.after[..., :1, :]).flatten(0, -2).all(0)
        seen = torch.cat([data.features[:, :1], data.after], 1).flatten(0, -2)  # [E (T + 1) N, F]
        low, high = seen.amin(0), seen.amax(0)
        low, high = low - (high - low) / 2, high + (high - low) / 2  # so that no dream runs away
        if self.features.fixed:
            common, low, high = common & self.common, low.minimum(self.low), high.maximum(self.high)
        self.common, self.low, self.high = common, low, high

    def forward(self, step: Step, settled: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The next features [S, ..., N, F], those `settled` by the real rules if given, and welfare [S, ...].

        ValueError without `settled` if the dynamics were not learned.
        """
        before = self.features.twofold(step.features)
        rules = self.mechanism(step.mechanism)[..., None, :].expand(*before.shape[:-1], -1)
        facts = torch.cat([before, rules, self.response(step.response), step.z], -1)
        after = self._moved(step.features, facts) if settled is None else settled
        worth = self.worth(torch.cat([facts, self.features.twofold(after)], -1))  # [S, ..., N, 1]
        return after, self.welfare.back(worth.mean(-2))[..., 0]

    def _moved(self, before: Tensor, facts: Tensor) -> Tensor:
        if self.motion is None:
            raise ValueError("the dynamics of this world model were not learned; settle the step by the real rules")
        told = self.motion(facts)
        together = torch.where(self.common, told.mean(-2, keepdim=True), told)
        start = torch.where(self.common, before.mean(-2, keepdim=True), before)
        after = torch.minimum(torch.maximum(start + self.change.back(together), self.low), self.high)
        keep = torch.zeros(before.shape[-1], dtype=torch.bool)
        keep[list(self.fixed)] = True
        return torch.where(keep, before, after)
