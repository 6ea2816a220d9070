"""The real thing, as learning may use it: a society, its people and fresh rosters, with nothing private in reach."""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor

from agents.base import Fallback, Message, Population
from learning.draws import Draws, draws
from personas.people import People
from societies.base import Episode, Principal, Society
from societies.play import Played, play


class Rosters(Protocol):
    """A source of people: the same episode number always brings the same roster."""

    def people(self, draws: Draws) -> People:
        """One roster of N people for each of the worlds that `draws` names."""
        ...


@dataclass(frozen=True)
class Stage:
    """Real episodes of one split (training, check, held-out). The seed tells the splits apart."""

    society: Society
    population: Population
    rosters: Rosters
    seed: int
    beside: Population | None = None  # the same people, whose decisions an account can tell from those of `population`

    @property
    def again(self) -> "Stage":
        """For episodes that were played before, under other rules."""
        return self if self.beside is None else replace(self, population=self.beside)

    def play(self, principal: Principal, start: int, worlds: int) -> Episode:
        """The public record of real episodes numbered start .. start + worlds - 1."""
        return self.play_sealed(principal, start, worlds).episode

    def play_sealed(self, principal: Principal, start: int, worlds: int) -> Played:
        """The same with the sealed part: for tests and reports, not for learning."""
        d = draws(self.seed, start, worlds)
        return play(self.society, self.population, self.rosters.people(d), principal, d)

    def census(self, start: int, worlds: int) -> Tensor:
        """[B, N, F] the public state before the first step of rosters that nobody has asked anything yet."""
        people = self.rosters.people(draws(self.seed, start, worlds))
        return self.society.census(people.public, people.attribute_names)

    @property
    def decisions_per_episode(self) -> int:
        """Model decisions that one episode costs, warm-up included."""
        return self.society.steps * self.society.agents


def joined(episodes: list[Episode]) -> Episode:
    """Several batches of episodes of one society as one."""
    first = episodes[0]
    cat = {
        name: torch.cat([getattr(e, name) for e in episodes])
        for name in ("ids", "features", "mechanism", "action", "choice", "response", "welfare")
    }
    return Episode(
        society=first.society,
        soft=2 * sum(e.soft * len(e.ids) for e in episodes) > sum(len(e.ids) for e in episodes),
        counted=first.counted,
        accounts={k: torch.cat([e.accounts[k] for e in episodes]) for k in first.accounts},
        fallbacks=_renumbered(episodes),
        messages=_all_said(episodes),
        **cat,
    )


def _all_said(episodes: list[Episode]) -> tuple[tuple[Message, ...], ...]:
    """[T] likewise of what was said."""
    if not any(e.messages for e in episodes):
        return ()
    starts = list(accumulate((len(e.ids) for e in episodes), initial=0))
    steps = len(episodes[0].counted)
    return tuple(
        tuple(
            replace(m, world=start + m.world)
            for start, e in zip(starts, episodes, strict=False)
            for m in (e.messages[t] if e.messages else ())
        )
        for t in range(steps)
    )


def _renumbered(episodes: list[Episode]) -> tuple[Fallback, ...]:
    """Everyone's fallbacks, with worlds counted through all batches."""
    starts = accumulate((len(e.ids) for e in episodes), initial=0)
    return tuple(
        replace(f, world=start + f.world) for start, e in zip(starts, episodes, strict=False) for f in e.fallbacks
    )
