"""Planning which options to take: beam search over whole courses of options, in a mean-field forecast.

For societies whose rules are options and whose people make logit choices. Everyone's response is replaced by its
expectation under what is believed of them, and the course that promises the most welfare is begun. The forecast is
certainty-equivalent: what would be learned on the way is not counted, so this is a lower bound on optimal planning.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from societies.base import PublicStep, Society
from societies.mechanisms import size


@dataclass(frozen=True)
class Minds:
    """What is believed of everyone: C kinds of people that each agent may be, and how likely."""

    z: Tensor  # [B, N, C, Z]
    weight: Tensor  # [B, N, C], summing to 1 over C


class Odds(Protocol):
    """Utilities of logit choices (up to one number a row), by each of S forecasters."""

    def standing(self, step: int, features: Tensor, z: Tensor) -> Tensor:
        """Of every choice if no option is taken: [P, N, F], [P, N, C, Z] -> [S, P, N, C, K]."""
        ...

    def opened(self, steps: range, features: Tensor, z: Tensor) -> Tensor:
        """Of the choice that each option would open, were it taken in any of these steps, from the state before the
        first of them: [P, N, F], [P, N, C, Z] -> [T', S, P, M, N, C].

        It may depend on the step, the option and the person, not on the course of things until then.
        """
        ...


class Believes(Protocol):
    """Keeps up what is believed of everyone."""

    def start(self, worlds: int) -> Any:
        """Nothing seen yet."""
        ...

    def update(self, memory: Any, seen: PublicStep) -> tuple[Any, Minds]:
        """Take in what the last step showed."""
        ...


@runtime_checkable
class Counted(Society, Protocol):
    """A society whose welfare depends on how many choose what, and whose options each open one more choice."""

    def newcomer(self, step: int) -> int:
        """Which of the K choices an option that is taken in this step opens."""
        ...

    def offers(self, features: Tensor) -> Tensor:
        """[B, N, M, D] the prospects of the choice that each of the M options would open, for everyone."""
        ...

    def welfare_of(self, shares: Tensor) -> Tensor:
        """[...] the objective of a step from the shares [..., K] of people who make each choice."""
        ...


@dataclass(frozen=True)
class Beam:
    """The W best courses found so far in each of B worlds."""

    features: Tensor  # [B, W, N, F] the state that each would lead to
    value: Tensor  # [B, W] welfare on the way
    first: Tensor | None  # [B, W] int64, the option that each begins with


@dataclass(frozen=True)
class Planner:
    """A principal that plans anew in every step. `ahead`: how many steps it looks at, this one included."""

    society: Counted
    odds: Odds
    believes: Believes
    width: int = 16  # courses kept in the search
    ahead: int = 1000
    chunk: int = 25  # worlds at once, for memory

    def start(self, worlds: int) -> Any:
        """Its memory is the belief's."""
        return self.believes.start(worlds)

    def propose(self, memory: Any, seen: PublicStep) -> tuple[Any, Tensor]:
        """[B, M] one-hot"""
        memory, values = self.values(memory, seen)
        return memory, torch.nn.functional.one_hot(values.argmax(-1), values.shape[-1]).to(values.dtype)

    def values(self, memory: Any, seen: PublicStep) -> tuple[Any, Tensor]:
        """[B, M] the welfare of the best course found that begins with each option; -inf where none was kept."""
        memory, minds = self.believes.update(memory, seen)
        parts = zip(*[x.split(self.chunk) for x in (seen.features, minds.z, minds.weight)], strict=True)
        with torch.no_grad():
            return memory, torch.cat([self._valued(seen.step, f, Minds(z, w)) for f, z, w in parts])

    def _valued(self, step: int, features: Tensor, minds: Minds) -> Tensor:
        beam = Beam(features[:, None], features.new_zeros(len(features), 1), None)
        steps = range(step, min(self.society.steps, step + self.ahead))
        for t, opened in zip(steps, self.odds.opened(steps, features, minds.z), strict=True):
            beam = self._longer(t, beam, minds, opened)
        assert beam.first is not None
        nothing = features.new_full((len(features), size(self.society)), -torch.inf)
        return nothing.scatter_reduce(1, beam.first, beam.value, "amax")

    def _longer(self, t: int, beam: Beam, minds: Minds, opened: Tensor) -> Beam:
        """The best `width` of every course with every option that is open; opened [S, B, M, N, C]."""
        b, w = beam.value.shape
        z, weight = (x[:, None].expand(-1, w, *x.shape[1:]) for x in (minds.z, minds.weight))
        standing = self.odds.standing(t, beam.features.flatten(0, 1), z.flatten(0, 1)).unflatten(1, (b, w))
        chances = Chances(standing, opened, weight, self.society.newcomer(t))
        open_ = self.society.decides(t, beam.features.flatten(0, 1)).unflatten(0, (b, w))  # [B, W, M]
        value = beam.value[..., None] + self.society.welfare_of(chances.shares()).masked_fill(~open_, -torch.inf)
        top = value.flatten(1).topk(min(self.width, w * size(self.society)), dim=1)  # [B, W']
        course, option = top.indices // size(self.society), top.indices % size(self.society)
        first = option if beam.first is None else beam.first.gather(1, course)
        return Beam(self._state_after(beam, course, option, chances), top.values, first)

    def _state_after(self, beam: Beam, course: Tensor, option: Tensor, chances: "Chances") -> Tensor:
        """[B, W', N, F] after each chosen course [B, W'] is continued by its option [B, W']."""
        world = torch.arange(len(course))[:, None]
        response = chances.of(course, option)  # [B, W', N, K]
        levels = self.society.respond(torch.arange(response.shape[-1])[None])[0]  # [K, R]
        taken = torch.nn.functional.one_hot(option, size(self.society)).to(response.dtype)
        flat = [x.flatten(0, 1) for x in (beam.features[world, course], taken, response @ levels)]
        return self.society.settle(*flat).features.unflatten(0, course.shape)


class Chances:
    """Logit choices of believed people on W courses in B worlds, if one of M options opens one more choice."""

    def __init__(self, standing: Tensor, opened: Tensor, weight: Tensor, newcomer: int) -> None:
        """standing [S, B, W, N, C, K], opened [S, B, M, N, C], weight [B, W, N, C]; newcomer: the place among K."""
        highest = torch.maximum(standing.amax(-1).amax(2), opened.amax(2))  # [S, B, N, C]
        self.old = (standing - highest[:, :, None, ..., None]).exp()  # [S, B, W, N, C, K]
        self.new = (opened - highest[:, :, None]).exp()  # [S, B, M, N, C]
        self.weight, self.newcomer = weight, newcomer

    def shares(self) -> Tensor:
        """[B, W, M, K] of all people who would make each choice."""
        rest = 1 / (self.old.sum(-1)[:, :, :, None] + self.new[:, :, None])  # [S, B, W, M, N, C]
        rest = rest * (self.weight / self.weight.shape[2] / len(rest))[None, :, :, None]
        flat = rest.flatten(-2)  # [S, B, W, M, N C]
        shares = (flat @ self.old.flatten(-3, -2)).sum(0)  # [B, W, M, K]
        shares[..., self.newcomer] += (flat * self.new.flatten(-2)[:, :, None]).sum((0, -1))
        return shares

    def of(self, course: Tensor, option: Tensor) -> Tensor:
        """[B, W', N, K] everyone's chances on some courses [B, W'] with some options [B, W']."""
        world = torch.arange(len(course))[:, None]
        odds = self.old[:, world, course].clone()  # [S, B, W', N, C, K]
        odds[..., self.newcomer] += self.new[:, world, option]
        chance = odds / odds.sum(-1, keepdim=True)
        return (chance * self.weight[world, course][..., None]).sum(-2).mean(0)
