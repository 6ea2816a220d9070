"""Planning whom to team up, in the learned model of what agents do in teams (`world_model.team_kinds`).

As a planner that knew the rules would, but with learned doings and learned beliefs: a partition is held until the next
decision, then the best one that is kept to the end or given up on the way. Each draw of everyone's kinds gets the rest
that suits it, as if kinds were known by then; so what a partition would teach is worth nothing to it. The first
decision makes up for that: every partition is tried there in whole imagined episodes, in which beliefs are learned too,
and the best one is always taken (`probed`).

Shapes: B worlds, P branches of a plan, N = 4 agents, A assignments of kinds, 15 partitions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws, child_seed, draws
from societies.base import PublicStep
from societies.team_features import state_of
from societies.teams import DECISIONS, LABELS, MOVES, STAY, STEPS, Events, TeamState, settle, start
from world_model.team_facts import Moment, read, told
from world_model.team_kinds import ASSIGNMENTS, TeamModel, pairs

ENDS = (*DECISIONS[1:], STEPS)  # of the stretches under one partition
OPTIONS = len(LABELS)
AT_ONCE = 160  # draws of kinds that are planned for at once, for memory
Luck = Callable[[int, str, tuple[int, ...]], Tensor]
"""(step, what, shape of one world) -> uniform draws [P, *shape]"""


@dataclass(frozen=True)
class Doings:
    """What agents of known kinds do by the learned model: the likeliest, or with luck a draw."""

    moving: Tensor  # [C, 10]
    taking: Tensor  # [C, 16]
    crafting: Tensor  # [C, 2]
    storing: Tensor  # [C, 4, 2]

    @staticmethod
    def of(model: TeamModel) -> "Doings":
        """The model's weights, laid out once."""
        with torch.no_grad():
            storing = model.storing().unflatten(-1, (-1, 2))
            return Doings(model.moving(), model.taking(), model.crafting(), storing)

    def events(self, step: int, state: TeamState, pair: Tensor, luck: Luck | None) -> Events:
        """In one step of agents of these pairs [P, N] (`team_kinds.pairs`)."""
        moment = Moment(state, torch.tensor([step % 2 == 0]))
        odds = (moment.moving() @ self.moving[pair][..., None])[..., 0]  # [P, N, 5]
        if luck is not None:
            odds = odds - (-luck(step, "move", odds.shape[1:]).log()).log()
        moves = torch.nn.functional.one_hot(odds.argmax(-1), len(MOVES)).to(odds.dtype)

        def happens(told: Tensor, weights: Tensor, what: str) -> Tensor:
            chance = (told * weights[pair]).sum(-1)  # log-odds [P, N, ...]
            sure = chance > 0 if luck is None else luck(step, what, chance.shape[1:]) < chance.sigmoid()
            return (sure & (told.sum(-1) > 0)).to(odds.dtype)

        took = happens(moment.taking(moves[..., STAY]), self.taking, "take")
        crafted = happens(moment.crafting(took), self.crafting, "craft")
        stored = happens(moment.storing(took, crafted), self.storing, "store")
        return moment.possible(Events(moves, took, crafted, stored))

    def stretch(
        self, step: int, until: int, state: TeamState, kinds: Tensor, luck: Luck | None = None
    ) -> tuple[TeamState, Tensor]:
        """The state after some steps of agents of these kinds [P, N], and their welfare [P]."""
        pair, total = pairs(kinds, state.together), torch.zeros(len(kinds))
        for t in range(step, until):
            state, earned, upkeep = settle(state, self.events(t, state, pair, luck))
            total = total + (earned - upkeep).sum(-1)
        return state, total

    def promises(self, step: int, state: TeamState, kinds: Tensor) -> Tensor:
        """[P, 15] welfare from a decision on under each partition, of agents of known kinds [P, N]."""
        until, several = ENDS[DECISIONS.index(step)], kinds.repeat_interleave(OPTIONS, 0)
        after, now = self.stretch(step, until, everywhere(state), several)
        return (now + self._rest(until, after, several)).unflatten(0, (-1, OPTIONS))

    def _rest(self, step: int, state: TeamState, kinds: Tensor) -> Tensor:
        """[P] the most that one partition brings from a decision on, if it may be given up at any later one."""
        best = torch.zeros(len(kinds), OPTIONS)  # it is given up at once
        total, spread, several = best, everywhere(state), kinds.repeat_interleave(OPTIONS, 0)
        for until in ENDS[ENDS.index(step) + 1 :]:
            spread, welfare = self.stretch(step, until, spread, several)
            total, step = total + welfare.unflatten(0, best.shape), until
            best = best.maximum(total)
        return best.amax(-1)


def everywhere(state: TeamState) -> TeamState:
    """Every world under each of the partitions."""
    return state.repeat(OPTIONS).under(torch.eye(OPTIONS).repeat(len(state.corners), 1))


@dataclass(frozen=True)
class LearnedTeams:
    """A principal that keeps the learned joint belief and plans by draws from it. Its memory is the belief [B, A]."""

    model: TeamModel
    draws: Draws
    first: int | None = None  # the partition of the first decision; None = it is planned like the others
    samples: int = 4  # assignments of kinds drawn per decision

    def start(self, worlds: int) -> Tensor:
        return self.model.prior().expand(worlds, -1)

    def propose(self, memory: Tensor, seen: PublicStep) -> tuple[Tensor, Tensor]:
        """[B, 15]"""
        held = self._updated(memory, seen)
        if seen.step not in DECISIONS:
            return held, torch.zeros(len(held), OPTIONS)
        return held, self.partition(held, seen.step, state_of(seen.features))

    def partition(self, held: Tensor, step: int, state: TeamState) -> Tensor:
        """[B, 15] one-hot: the partition that promises most on average over draws from the belief [B, A]."""
        if self.first is not None and step == DECISIONS[0]:
            return torch.eye(OPTIONS)[[self.first]].expand(len(held), -1)
        lots = self.draws.choice("assignments", step, held[:, None].expand(-1, self.samples, -1))  # [B, S]
        kinds, spread = ASSIGNMENTS[lots].flatten(0, 1), state.repeat(self.samples)
        doings, found = Doings.of(self.model), list[Tensor]()
        for rows in torch.arange(len(kinds)).split(AT_ONCE):
            part = TeamState(*(x[rows] for x in vars(spread).values()))
            found.append(doings.promises(step, part, kinds[rows]))
        promised = torch.cat(found).unflatten(0, lots.shape).mean(1)
        return torch.eye(OPTIONS)[promised.argmax(-1)]

    def _updated(self, held: Tensor, seen: PublicStep) -> Tensor:
        if seen.last_features is None or seen.last_mechanism is None or seen.last_response is None:
            return held
        parts = (seen.last_features[:, None], seen.last_mechanism[:, None], seen.last_response[:, None])
        with torch.no_grad():
            return (held + self.model.told(read(*parts, first=seen.step - 1))).log_softmax(-1)


def probed(model: TeamModel, seed: int, worlds: int = 20) -> int:
    """The first partition after which planning does best in imagined episodes, the same for every partition."""
    dreamt = draws(child_seed(seed, "probe"), 0, worlds)
    each = [float(imagined(LearnedTeams(model, dreamt, first), dreamt).mean()) for first in range(OPTIONS)]
    return max(range(OPTIONS), key=each.__getitem__)


def imagined(principal: LearnedTeams, dreamt: Draws) -> Tensor:
    """[B] welfare of whole imagined episodes: rosters from the learned prior, luck from `dreamt`."""
    model, worlds = principal.model, len(dreamt.episodes)
    doings, held = Doings.of(model), principal.start(worlds)
    kinds = ASSIGNMENTS[dreamt.choice("roster", 0, held[:, None])[:, 0]]
    state, total = start(worlds), torch.zeros(worlds)

    def luck(step: int, what: str, shape: tuple[int, ...]) -> Tensor:
        return dreamt.uniform(what, step, *shape)

    for t in range(STEPS):
        if t in DECISIONS:
            state = state.under(principal.partition(held, t, state))
        events = doings.events(t, state, pairs(kinds, state.together), luck)
        held = (held + _told(model, t, state, events)).log_softmax(-1)
        state, earned, upkeep = settle(state, events)
        total = total + (earned - upkeep).sum(-1)
    return total


def _told(model: TeamModel, step: int, state: TeamState, events: Events) -> Tensor:
    """[B, A] log-likelihood of imagined doings."""
    b = len(state.corners)
    with torch.no_grad():
        return model.told(told(state, events, torch.full((b,), step), (b, 1)))
