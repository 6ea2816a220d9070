"""B worlds that wait for rules: what both of the principal's doors are made of.

Everything in an observation is public. Shapes: B worlds, N agents, F features, R response, K choices, M parameters of
the rules or options.
"""

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Dict

from agents.base import Population
from learning.draws import Draws, draws
from societies.base import Options, Society
from societies.doors.spaces import Numbers, episode_of, plain, to_rules, unbounded
from societies.mechanisms import size
from societies.moment import Moment
from societies.stage import Rosters


class Governed:
    """The worlds of one batch of episodes after another. `tells_choices`: are whole replies among what is observed?"""

    def __init__(
        self, society: Society, population: Population, rosters: Rosters, worlds: int, seed: int, tells_choices: bool
    ) -> None:
        if worlds < 1:
            raise ValueError(f"{society.name}: {worlds} worlds; there must be at least one")
        self.society, self.population, self.rosters = society, population, rosters
        self.worlds, self.seed, self.tells_choices = worlds, seed, tells_choices
        self.next = 0  # the number of the next episode that nobody asked for by number
        self.agents = rosters.people(draws(seed, 0, 1)).agents
        self.space = self._space()  # of what is observed in one world
        self._moment: Moment | None = None
        self._memory: Any = None
        self._lots: Draws | None = None

    @property
    def moment(self) -> Moment:
        """Where the worlds are. ValueError before the first reset."""
        if self._moment is None:
            raise ValueError(f"{self.society.name}: call reset() before anything else")
        return self._moment

    def _space(self) -> Dict:
        n, m, k = self.agents, size(self.society), len(self.society.choice_names)
        response = self.society.respond(torch.zeros(1, 1, dtype=torch.int64)).shape[-1]
        told: dict[str, Any] = {
            "features": unbounded(n, len(self.society.feature_names)),
            "response": unbounded(n, response),
            "rules": unbounded(m),
            "may_set": Box(0.0, 1.0, (m,), np.float32),
            "time": Box(0.0, 1.0, (1,), np.float32),
        }
        return Dict({**told, "choice": unbounded(n, k)} if self.tells_choices else told)

    def begin(self, seed: int | None, options: dict[str, Any] | None) -> None:
        """The next episodes; with a seed, the first of that seed; with options {"episode": n}, n and those after it."""
        if seed is not None:
            self.seed, self.next = seed, 0
        start = episode_of(options, self.next)
        self.next = start + self.worlds
        self._lots = draws(self.seed, start, self.worlds)
        people = self.rosters.people(self._lots)
        self._moment = Moment(self.society, self.society.reset(people))
        self._memory = self.population.start(people)

    def govern(self, actions: Numbers) -> None:
        """One step under the rules that the actions [B, ...] stand for. ValueError: the episode is over."""
        moment, lots = self.moment, self._lots
        if moment.over or lots is None:
            raise ValueError(f"{self.society.name}: the episode is over; call reset() to begin another")
        with torch.no_grad():
            mechanism = moment.under(to_rules(self.society, actions))
            asked = moment.asks(mechanism, lots)
            self._memory, decisions = self.population.decide(self._memory, asked, lots)
            self._moment = moment.after(mechanism, decisions)

    def observed(self) -> dict[str, Numbers]:
        """[B, ...] what the principal may see now: see `space`. Before the first step nobody has responded."""
        seen, space = self.moment.seen(), self.space
        default = self.society.default_mechanism().expand(self.worlds, -1)
        told = {
            "features": plain(seen.features),
            "rules": plain(default if seen.last_mechanism is None else seen.last_mechanism),
            "may_set": self._may_set(),
            "time": np.full((self.worlds, 1), seen.step / self.society.steps, np.float32),
        }
        for name, value in (("response", seen.last_response), ("choice", seen.last_choice)):
            if name in space.spaces:
                shape = (self.worlds, *(space[name].shape or ()))
                told[name] = np.zeros(shape, np.float32) if value is None else plain(value)
        return {name: told[name] for name in space.spaces}

    def reward(self) -> Numbers:
        """[B] the welfare of the last step; 0 where it does not count."""
        last = self.moment.last
        if last is None:
            return np.zeros(self.worlds)
        return plain(last.transition.welfare).astype(np.float64) * self.society.counts(last.state.step)

    def told(self) -> dict[str, Numbers]:
        """[B, ...] beside the observation: the open options, and after a step its welfare, accounts and fallbacks."""
        info: dict[str, Numbers] = {}
        if isinstance(self.society.mechanism, Options):
            info["action_mask"] = self.open_options()
        last = self.moment.last
        if last is None:
            return info
        info["welfare"] = plain(last.transition.welfare)
        info |= {f"account_{name}": plain(value) for name, value in last.transition.accounts.items()}
        fallbacks = [f.world for f in last.decisions.fallbacks]
        return {**info, "fallbacks": np.bincount(np.array(fallbacks, np.int64), minlength=self.worlds)}

    def action_masks(self) -> Numbers:
        """[B, M + 1] bool: the open options, as sb3-contrib's MaskablePPO asks for them.

        ValueError where rules are numbers.
        """
        if not isinstance(self.society.mechanism, Options):
            raise ValueError(f"{self.society.name}: its rules are numbers, so no action is shut")
        return self.open_options().astype(bool)

    def open_options(self) -> Numbers:
        """[B, M + 1] int8: which options may be taken now; the last, to take none, always may."""
        return np.concatenate([self._may_set(), np.ones((self.worlds, 1))], -1).astype(np.int8)

    def _may_set(self) -> Numbers:
        moment = self.moment
        if moment.over:
            return np.zeros((self.worlds, size(self.society)), np.float32)
        return plain(self.society.decides(moment.state.step, moment.state.features)).astype(np.float32)
