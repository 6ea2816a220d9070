"""Planners that know a facility town's true choice rule, and more or less of who its people are.

`blind` knows that the two kinds are equally likely and never learns; `bayes` keeps the exact posterior of what it saw;
`oracle` knows everyone's kind. For ladders and as yardsticks: learning may not import this.

    logit P(roaming_i = 1 | history) = sum over steps of log P(choice | 1) - log P(choice | 0)
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.planning import Minds, Planner
from personas.people import People, Persona
from societies.base import PublicStep, State
from societies.facilities import Facilities

KINDS = (0.0, 1.0)


@dataclass(frozen=True)
class TrueOdds:
    """The society's own utilities, for people of given kinds. One forecaster."""

    society: Facilities

    def standing(self, step: int, features: Tensor, z: Tensor) -> Tensor:
        nothing = self.society.default_mechanism().expand(len(features), -1)
        return torch.stack([self._utilities(step, features, z[:, :, c], nothing) for c in range(z.shape[2])], 2)[None]

    def opened(self, steps: range, features: Tensor, z: Tensor) -> Tensor:
        m, first = len(self.society.cells), steps[0]
        everywhere = torch.eye(m).repeat(len(features), 1)  # [P M, M]
        spread, kinds = features.repeat_interleave(m, 0), z.repeat_interleave(m, 0)
        new = [
            self._utilities(first, spread, kinds[:, :, c], everywhere)[..., self.society.newcomer(first)]
            for c in range(z.shape[2])
        ]
        found = torch.stack(new, -1).unflatten(0, (len(features), m))  # [P, M, N, C], the same in every step
        return found.expand(len(steps), 1, *found.shape)

    def _utilities(self, step: int, features: Tensor, z: Tensor, mechanism: Tensor) -> Tensor:
        people = People((), features[..., :0], self.society.traits_used, z, _nobody)
        return self.society.utilities(State(step, features, people), mechanism)


@dataclass(frozen=True)
class Prior:
    """Everyone is of either kind with equal chances, whatever they do."""

    society: Facilities

    def start(self, worlds: int) -> Tensor:
        """[B, N] log-odds that roaming is 1"""
        return torch.zeros(worlds, self.society.agents)

    def update(self, memory: Tensor, seen: PublicStep) -> tuple[Tensor, Minds]:
        return memory, _minds(memory)


@dataclass(frozen=True)
class Posterior:
    """The exact posterior of everyone's kind."""

    society: Facilities

    def start(self, worlds: int) -> Tensor:
        """[B, N] log-odds that roaming is 1"""
        return torch.zeros(worlds, self.society.agents)

    def update(self, memory: Tensor, seen: PublicStep) -> tuple[Tensor, Minds]:
        if seen.last_features is not None and seen.last_mechanism is not None and seen.last_choice is not None:
            log_p = kinds_log_p(self.society, seen.step - 1, seen.last_features, seen.last_mechanism)  # [B, N, 2, K]
            told = (log_p * seen.last_choice[:, :, None]).sum(-1)
            memory = memory + told[..., 1] - told[..., 0]
        return memory, _minds(memory)


def kinds_log_p(society: Facilities, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
    """[B, N, 2, K] log-probabilities of the choices, were everyone of either kind."""

    def were(kind: float) -> Tensor:
        people = People((), features[..., :0], society.traits_used, torch.full_like(features[..., :1], kind), _nobody)
        return society.teacher(State(step, features, people), mechanism)

    return torch.stack([were(kind) for kind in KINDS], 2)


@dataclass(frozen=True)
class Truth:
    """Everyone's kind is known. For rosters of B worlds, in the order of play."""

    traits: Tensor  # [B, N, 1]

    def start(self, worlds: int) -> None:
        return None

    def update(self, memory: None, seen: PublicStep) -> tuple[None, Minds]:
        return None, Minds(self.traits[:, :, None], torch.ones_like(self.traits))


def planner(society: Facilities, believes: Prior | Posterior | Truth, ahead: int = 1000) -> Planner:
    """Beam search with the society's true choice rule."""
    return Planner(society, TrueOdds(society), believes, ahead=ahead)


def _minds(log_odds: Tensor) -> Minds:
    one = log_odds.sigmoid()
    kinds = torch.tensor(KINDS).expand(*log_odds.shape, -1)[..., None]  # [B, N, 2, 1]
    return Minds(kinds, torch.stack([1 - one, one], -1))


def _nobody(world: int, agent: int) -> Persona:
    raise AssertionError("a hypothesis about people has no words")
