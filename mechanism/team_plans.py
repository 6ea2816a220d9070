"""Planning whom to team up, for whoever can tell what agents would do if it were known who they are.

Each draw of who everyone is gets the plan that suits it, as if that were known from the next decision on: what a
partition would teach is worth nothing to such a plan, so one that learns should probe first. Who plans with luck draws
it along with who everyone is: on average over draws, what happens half of the time counts for half.

Shapes: B worlds, P branches of a plan, N = 4 agents, H hypotheses of who everyone is, 15 partitions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws
from societies.teams import DECISIONS, LABELS, STEPS, TeamState

ENDS = (*DECISIONS[1:], STEPS)  # of the stretches under one partition
OPTIONS = len(LABELS)
AT_ONCE = 160  # hypotheses that are planned for at once, for memory
Stretch = Callable[[int, int, TeamState, Tensor, Draws | None], tuple[TeamState, Tensor]]
"""(step, until, state, who everyone is [P, N], luck of P branches) -> the state after those steps, their welfare [P]"""


def promises(step: int, state: TeamState, who: Tensor, stretch: Stretch, luck: Draws | None = None) -> Tensor:
    """[P, 15] welfare from a decision on under each partition, if it is known who everyone is [P, N], and with the same
    luck under all partitions, if there is any.

    The partition is held until the next decision; then comes the best one that stays to the end, or until a decision
    at which everyone is sent off alone.
    """
    until, several = ENDS[DECISIONS.index(step)], who.repeat_interleave(OPTIONS, 0)
    luck = _each_under_all(luck)
    after, now = stretch(step, until, _everywhere(state), several, luck)
    return (now + _rest(until, after, several, stretch, luck)).unflatten(0, (-1, OPTIONS))


def _rest(step: int, state: TeamState, who: Tensor, stretch: Stretch, luck: Draws | None) -> Tensor:
    """[P] the most that one partition brings from a decision on, if it may be given up at any later one."""
    best = torch.zeros(len(who), OPTIONS)  # it is given up at once
    total, spread, several = best, _everywhere(state), who.repeat_interleave(OPTIONS, 0)
    luck = _each_under_all(luck)
    for until in ENDS[ENDS.index(step) + 1 :]:
        spread, welfare = stretch(step, until, spread, several, luck)
        total, step = total + welfare.unflatten(0, best.shape), until
        best = best.maximum(total)
    return best.amax(-1)


def _each_under_all(luck: Draws | None) -> Draws | None:
    return luck and Draws(luck.seed, luck.episodes.repeat_interleave(OPTIONS))


def _everywhere(state: TeamState) -> TeamState:
    """Every world under each of the partitions."""
    return state.repeat(OPTIONS).under(torch.eye(OPTIONS).repeat(len(state.corners), 1))


@dataclass(frozen=True)
class Planned:
    """Takes the partition that promises most, on average over draws of who everyone may be (`promises`)."""

    hypotheses: Tensor  # [H, N] who everyone may be
    stretch: Stretch
    draws: Draws
    samples: int  # of hypotheses per decision
    lucky: bool = False  # does each sample have luck of its own? Else what is known for certain is planned for once

    def partition(self, held: Tensor, step: int, state: TeamState) -> Tensor:
        """[B, 15] one-hot, from beliefs [B, H] (log) at a decision."""
        return torch.eye(OPTIONS)[self.promised(held, step, state).argmax(-1)]

    def promised(self, held: Tensor, step: int, state: TeamState) -> Tensor:
        """[B, 15] what each partition promises on average over draws from beliefs [B, H] (log) at a decision."""
        lots = self.draws.choice("role vectors", step, held[:, None].expand(-1, self.samples, -1))  # [B, S]
        worlds = torch.arange(len(held))[:, None].expand_as(lots)
        sample = (torch.arange(self.samples) * self.lucky).expand_as(lots)
        cases, back = torch.stack([worlds, lots, sample], -1).flatten(0, 1).unique(dim=0, return_inverse=True)
        found = [self._of(step, state, case) for case in cases.split(AT_ONCE)]
        return torch.cat(found)[back].unflatten(0, lots.shape).mean(1)

    def _of(self, step: int, state: TeamState, cases: Tensor) -> Tensor:
        """[P, 15] of cases (world, hypothesis, sample) [P, 3]."""
        worlds, hypotheses, sample = cases.unbind(-1)
        luck = None
        if self.lucky:  # by the number of the world, not by its place in the batch
            luck = Draws(self.draws.seed, self.draws.episodes[worlds] * self.samples + sample)
        return promises(step, state.picked(worlds), self.hypotheses[hypotheses], self.stretch, luck)
