"""A society as a PettingZoo environment: its agents decide at the same time, under a principal that is given.

Shapes: N agents, O view, A own public attributes, Z own private traits, K choices.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete
from pettingzoo import ParallelEnv
from torch import Tensor

from agents.base import Decisions
from learning.draws import Draws, draws
from personas.people import People
from societies.base import Principal, Society
from societies.doors.spaces import Numbers, episode_of, plain, unbounded
from societies.moment import Moment
from societies.stage import Rosters

Seen = dict[str, Numbers]  # "observation" [O + A + Z + 1], "action_mask" [K]
T = TypeVar("T")
Rules = Principal | Callable[[Draws], Principal]


class PeopleEnv(ParallelEnv[str, Seen, int]):
    """One world. An episode is one roster; everybody is there for the whole of it, and ends (terminated) with it.

    Action: one of K choices. A choice that is not open is replaced by the first one that is, and
    infos[agent]["replaced"] says so; `strict` makes it a ValueError instead. Whoever is not asked in a step has
    infos[agent]["asked"] = False and only choice 0 in its mask, and what it answers is ignored.
    Observation: what `look` shows the agent, then (unless `knows_itself` is off) its own public attributes and its own
    private traits, then the share of the steps that have passed. Reward: its private payoff.
    The same seed brings the same episodes as `Stage(society, population, rosters, seed)`; without one, `reset` goes on
    to the next. `principal` may be a function from an episode's draws to one.
    """

    metadata: dict[str, Any]
    render_mode = None

    def __init__(
        self,
        society: Society,
        rosters: Rosters,
        principal: Rules,
        seed: int = 0,
        *,
        knows_itself: bool = True,
        strict: bool = False,
    ) -> None:
        self.metadata = {"name": society.name, "render_modes": [], "is_parallelizable": True}
        self.society, self.rosters, self.principal, self.strict = society, rosters, principal, strict
        self.attributes = society.attributes_used if knows_itself else ()
        self.traits = society.traits_used if knows_itself else ()
        self._seed, self._next = seed, 0  # and the number of the next episode that nobody asked for by number
        people = rosters.people(draws(seed, 0, 1))
        self.possible_agents = [f"agent_{n}" for n in range(people.agents)]
        self.agents: list[str] = []
        self.observation_spaces, self.action_spaces = self._spaces(people), self._choices()

    def _spaces(self, people: People) -> dict[str, Any]:
        state, rules = self.society.reset(people), self.society.default_mechanism()[None]
        self.view = self.society.look(state, rules).shape[-1]
        size = self.view + len(self.attributes) + len(self.traits) + 1
        mask = len(self.society.choice_names)
        told = Dict({"observation": unbounded(size), "action_mask": Box(0, 1, (mask,), np.int8)})
        return dict.fromkeys(self.possible_agents, told)

    def _choices(self) -> dict[str, Any]:
        return {agent: Discrete(len(self.society.choice_names)) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> Any:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        return self.action_spaces[agent]

    @cached_property
    def state_space(self) -> Box:
        """Of `state`."""
        features = len(self.possible_agents) * len(self.society.feature_names)
        return unbounded(features + len(self.society.default_mechanism()))

    def state(self) -> Numbers:
        """[N F + M] all that is public: everyone's features, and the rules in force."""
        return plain(torch.cat([self.moment.state.features[0].flatten(), self.mechanism[0]]))

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Seen], dict[str, dict[str, Any]]]:
        """The next episode; with a seed the first of that seed; with options {"episode": n} number n."""
        if seed is not None:
            self._seed, self._next = seed, 0
        episode = episode_of(options, self._next)
        self._next = episode + 1
        self.lots = draws(self._seed, episode, 1)
        self.moment = Moment(self.society, self.society.reset(self.rosters.people(self.lots)))
        self._ruler = self.principal(self.lots) if callable(self.principal) else self.principal
        self._mind = self._ruler.start(1)
        self.agents = self.possible_agents[:]
        self._govern()
        return self._observations(), self._infos([])

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[dict[str, Seen], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """ValueError where somebody who is asked does not answer, and for a number that is no choice."""
        if not self.agents:
            raise ValueError(f"{self.society.name}: nobody is there; call reset() to begin an episode")
        chosen, replaced = self._chosen(actions)
        with torch.no_grad():
            self.moment = self.moment.after(self.mechanism, Decisions(chosen[None], None))
        assert self.moment.last is not None
        payoff, over = self.moment.last.transition.payoff[0].tolist(), self.moment.over
        self._govern()
        told = self._observations(), self._each(payoff), self._each([over] * len(payoff))
        infos, truncated = self._infos(replaced), self._each([False] * len(payoff))
        if over:
            self.agents = []
        return *told, truncated, infos

    def _govern(self) -> None:
        """Puts the next rules into force. After the last step nobody makes any, and the default is what is seen."""
        self.mechanism = self.society.default_mechanism()[None]
        if not self.moment.over:
            with torch.no_grad():
                self._mind, proposed = self._ruler.propose(self._mind, self.moment.seen())
                self.mechanism = self.moment.under(proposed)

    def open_choices(self) -> Tensor:
        """[N, K] bool: who may choose what now; nothing where an agent is not asked, and after the last step."""
        if self.moment.over:
            return torch.zeros(len(self.possible_agents), len(self.society.choice_names), dtype=torch.bool)
        return self.society.choices(self.moment.state.step, self.moment.state.features, self.mechanism)[0]

    def _chosen(self, actions: Mapping[str, int]) -> tuple[Tensor, list[str]]:
        """[N] everyone's choice, -1 of those who are not asked; and whose choice was replaced."""
        open_ = self.open_choices()
        asked = [agent for agent, own in zip(self.possible_agents, open_, strict=True) if own.any()]
        silent = [agent for agent in asked if agent not in actions]
        if silent:
            raise ValueError(f"{self.society.name}: no action of {', '.join(silent)}; whoever is asked has to answer")
        wanted = torch.tensor([self._known(agent, actions) if agent in asked else 0 for agent in self.possible_agents])
        shut = open_.any(-1) & ~open_.gather(-1, wanted[:, None])[:, 0]  # [N]
        replaced = [agent for agent, own in zip(self.possible_agents, shut.tolist(), strict=True) if own]
        if replaced and self.strict:
            raise ValueError(
                f"{self.society.name}: choice {int(actions[replaced[0]])} is not open to {replaced[0]}; "
                'heed the "action_mask" of its observation'
            )
        chosen = torch.where(shut, open_.int().argmax(-1), wanted)
        return torch.where(open_.any(-1), chosen, -1), replaced

    def _known(self, agent: str, actions: Mapping[str, int]) -> int:
        told, size = np.asarray(actions[agent]), len(self.society.choice_names)
        if told.size != 1 or told.dtype.kind not in "iu" or not 0 <= told.item() < size:
            raise ValueError(f"{self.society.name}: {agent} chose number {told}; choices are 0 to {size - 1}")
        return int(told.item())

    def _observations(self) -> dict[str, Seen]:
        state, open_ = self.moment.state, self.open_choices()
        view = self.society.look(state, self.mechanism)[0]  # [N, O]
        own = [*map(state.people.attribute, self.attributes), *map(state.people.trait, self.traits)]  # [1, N] each
        date = torch.full((1, len(view)), state.step / self.society.steps)
        told = torch.cat([view, torch.stack([*own, date], -1)[0]], -1)
        mask = torch.where(open_.any(-1, keepdim=True), open_, torch.arange(open_.shape[-1]) == 0)
        pairs = zip(plain(told).astype(np.float32), plain(mask).astype(np.int8), strict=True)
        return self._each([{"observation": np.array(a), "action_mask": np.array(b)} for a, b in pairs])

    def _infos(self, replaced: list[str]) -> dict[str, dict[str, Any]]:
        asked = self.open_choices().any(-1).tolist()
        pairs = zip(self.possible_agents, asked, strict=True)
        return {agent: {"asked": one, "replaced": agent in replaced} for agent, one in pairs}

    def _each(self, values: list[T]) -> dict[str, T]:
        return dict(zip(self.possible_agents, values, strict=True))
