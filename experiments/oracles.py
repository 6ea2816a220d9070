"""The best that can be done by those who know more than any principal may: mechanisms found on the true society.

All by gradient ascent on logits through lived episodes, on rosters or choice noise that no score is taken on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from experiments.lived import Lived, live
from learning.draws import Draws, child_seed, draws
from mechanism.improve import ImproveSettings, improve_by_backprop
from mechanism.observe import Observer
from mechanism.policy import Learned, Policy, to_logits, to_mechanism
from personas.incomes import HOURS_PER_YEAR, standing
from personas.people import People
from personas.sample import Sampler
from societies.base import PublicStep, Society
from societies.play import Fixed
from world_model.fit import Progress

Knows = Literal["wages", "community", "everything"]
BATCH = 128  # worlds at once


@dataclass(frozen=True)
class Climb:
    """How long an ascent is, and over how many episodes each gradient is taken."""

    iterations: int
    episodes: int  # per iteration; for oracles of single rosters, per iteration and roster
    rate: float = 0.1  # of Adam, on logits; falls linearly to a twentieth


def ascend(start: Tensor, reward: Callable[[Tensor, int], Tensor], climb: Climb) -> Tensor:
    """Adam from `start` on reward(logits, iteration), a number; returns the mean of the later half of its way."""
    logits = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], climb.rate, eps=1e-12)
    later = range(climb.iterations // 2, climb.iterations)
    total = torch.zeros_like(start)
    for i in range(climb.iterations):
        for group in optimizer.param_groups:
            group["lr"] = climb.rate * max(0.05, 1 - i / climb.iterations)
        optimizer.zero_grad()
        (-reward(logits, i)).backward()
        optimizer.step()
        total += logits.detach() if i in later else 0
    return total / len(later)


def best_common(lived: Lived, start: Tensor, climb: Climb) -> Tensor:
    """The best mechanism for every roster, from `start`: one schedule [M], or one for each step [T, M]."""

    def reward(logits: Tensor, iteration: int) -> Tensor:
        principal = Fixed(to_mechanism(lived.society, logits))
        return lived.rewards(principal, iteration * climb.episodes, climb.episodes).mean()

    return to_mechanism(lived.society, ascend(to_logits(lived.society, start), reward, climb))


def blank_twin(society: Society, base: Tensor, seed: int) -> Learned:
    """A policy with a principal's network and public observations, no belief, that so far sets `base` [M]."""
    observer = Observer(society)
    policy = Policy(society, observer.size, seed)
    with torch.no_grad():
        policy.base.copy_(to_logits(society, base))
    return Learned(society, observer, policy)


def unlimited_twin(lived: Lived, base: Tensor, settings: ImproveSettings, seed: int, progress: Progress) -> Learned:
    """What the network of `blank_twin` can do, by back-propagation through the true society."""
    twin = blank_twin(lived.society, base, seed)
    improve_by_backprop(twin, lived.rewards, settings, seed, progress)
    return twin


@dataclass(frozen=True)
class Each:
    """A principal with rules of its own for every world: one schedule [B, M], or one for each step [B, T, M]."""

    mechanism: Tensor

    def start(self, worlds: int) -> None:
        return None

    def propose(self, memory: None, seen: PublicStep) -> tuple[None, Tensor]:
        """[B, M]"""
        return None, self.mechanism if self.mechanism.dim() == 2 else self.mechanism[:, seen.step]


@dataclass(frozen=True)
class Oracle:
    """Finds the best mechanism for each roster separately, for one who `knows` that much about it.

    What is not known is drawn anew for every episode: choice noise always; traits given everyone's wage, and unless
    `knows` is "community" the community's draws as well. So each kind of oracle knows all that the one before it does.
    """

    society: Society
    sampler: Sampler
    seed: int  # of the rosters, as scored
    knows: Knows

    def best(self, start: Tensor, climb: Climb) -> Tensor:
        """From a mechanism for each of the rosters 0 .. B - 1, [B, M] or [B, T, M], to the best found; same shape."""
        size = max(1, BATCH // climb.episodes)
        parts = start.split(size)
        return torch.cat([self._best(part, i * size, climb) for i, part in enumerate(parts)])

    def _best(self, start: Tensor, first: int, climb: Climb) -> Tensor:
        rosters = draws(self.seed, first, len(start))
        people = self.sampler.people(rosters)

        def reward(logits: Tensor, iteration: int) -> Tensor:
            rules = to_mechanism(self.society, logits).repeat_interleave(climb.episodes, 0)
            noise = self._noise(rosters.episodes, iteration, climb)
            return live(self.society, self.imagined(people, rosters, noise), Each(rules), noise).mean()

        return to_mechanism(self.society, ascend(to_logits(self.society, start), reward, climb))

    def _noise(self, rosters: Tensor, iteration: int, climb: Climb) -> Draws:
        """Draws that no other roster or iteration has, nor any score."""
        places = (rosters[:, None] * climb.iterations + iteration) * climb.episodes + torch.arange(climb.episodes)
        return Draws(child_seed(self.seed, f"oracle of {self.knows}"), places.flatten())

    def imagined(self, people: People, rosters: Draws, noise: Draws) -> People:
        """The rosters as the oracle may take them to be: as many versions of each as `noise` has episodes for it."""
        times = len(noise.episodes) // people.worlds

        def several(x: Tensor) -> Tensor:
            return x.repeat_interleave(times, 0)

        public, traits = several(people.public), several(people.traits)
        many = People(
            people.attribute_names, public, people.trait_names, traits, lambda w, n: people.persona(w // times, n)
        )
        if self.knows == "everything":
            return many
        known = self.sampler.community_draws(rosters) if self.knows == "community" else {}
        place = standing(many.attribute("wage").double() * HOURS_PER_YEAR)
        communities = {name: several(value) for name, value in known.items()}
        return many.with_traits(self.sampler.traits_given(noise, place, communities))
