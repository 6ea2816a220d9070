"""Planning whom to team up, in the learned model of what agents do in teams (`world_model.team_kinds`).

As a planner that knew the rules would, but with learned doings and learned beliefs. A partition is held until the next
decision, then the best one that is kept to the end or given up on the way. Each draw of everyone's kinds, and of luck,
gets the rest that suits it, as if both were known by then; so what a partition would teach is worth nothing to it. The
first decision makes up for that: partitions are tried there in whole imagined episodes, in which beliefs are learned
too, and the best one is always taken (`probed`).

Shapes: B worlds, P branches of a plan, N = 4 agents, A assignments of kinds, 15 partitions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws, child_seed, draws
from mechanism.team_plans import OPTIONS, Planned
from societies.base import PublicStep
from societies.team_features import state_of
from societies.teams import DECISIONS, MOVES, STAY, STEPS, Events, TeamState, settle, start
from world_model.team_facts import SITUATIONS, Moment, TeamFacts, read, told
from world_model.team_kinds import Kinds, TeamModel


@dataclass(frozen=True)
class Doings:
    """What agents of known kinds do by the learned model."""

    kinds: Kinds
    moving: Tensor  # [1024, C, 5] log-odds of each move in each situation (`team_facts.SITUATIONS`)
    taking: Tensor  # [C, 16]
    crafting: Tensor  # [C, 2]
    storing: Tensor  # [C, 4, 2]

    @staticmethod
    def of(model: TeamModel) -> "Doings":
        """The model's weights, laid out once."""
        with torch.no_grad():
            moving = (SITUATIONS @ model.moving().T).mT.contiguous()
            storing = model.storing().unflatten(-1, (-1, 2))
            return Doings(model.kinds, moving, model.taking(), model.crafting(), storing)

    def events(self, step: int, state: TeamState, pair: Tensor, luck: Draws) -> Events:
        """In one step of agents of these pairs [P, N] (`Kinds.pairs`)."""
        moment = Moment(state, torch.tensor([step % 2 == 0]))

        def happens(told: Tensor, weights: Tensor, what: str) -> Tensor:
            chance = (told * weights[pair]).sum(-1).sigmoid() * told.sum(-1)  # [P, N, ...], 0 if it cannot be
            return (luck.uniform(what, step, *chance.shape[1:]) < chance).float()

        moves = self._moves(step, moment.situations(), pair, luck)
        took = moment.can_take(happens(moment.taking(moves[..., STAY]), self.taking, "take"))
        crafted = moment.can_craft(took, happens(moment.crafting(took), self.crafting, "craft"))
        stored = happens(moment.storing(took, crafted), self.storing, "store")
        return Events(moves, took, crafted, moment.can_store(took, crafted, stored))

    def _moves(self, step: int, situation: Tensor, pair: Tensor, luck: Draws) -> Tensor:
        """[P, N, 5] one-hot, in situations [P, N]."""
        odds = self.moving[situation, pair]
        return _marked(odds - (-luck.uniform("move", step, *odds.shape[1:]).log()).log())

    def stretch(
        self, step: int, until: int, state: TeamState, kinds: Tensor, luck: Draws | None
    ) -> tuple[TeamState, Tensor]:
        """The state after some steps of agents of these kinds [P, N], and their welfare [P]."""
        assert luck is not None  # `team_plans.Planned` gives it where it is told to
        pair, total = self.kinds.pairs(kinds, state.together), torch.zeros(len(kinds))
        for t in range(step, until):
            state, earned, upkeep = settle(state, self.events(t, state, pair, luck))
            total = total + (earned - upkeep).sum(-1)
        return state, total


@dataclass(frozen=True)
class LearnedTeams:
    """A principal that keeps the learned joint belief and plans by draws from it. Its memory is the belief [B, A]."""

    model: TeamModel
    seed: int  # of the draws; the worlds of every batch get the same ones
    first: int | None = None  # the partition of the first decision; None = it is planned like the others
    samples: int = 4  # assignments of kinds, and luck, drawn per decision
    learns: bool = True  # who is who within an episode; else it goes by the prior throughout

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
        return self.planned(draws(self.seed, 0, len(held))).partition(held, step, state)

    def planned(self, lots: Draws) -> Planned:
        """Its plans, for worlds in which it draws so."""
        return Planned(self.model.kinds.assignments, Doings.of(self.model).stretch, lots, self.samples, lucky=True)

    def after(self, held: Tensor, facts: TeamFacts) -> Tensor:
        """[B, A] the belief after steps in which that was done."""
        if not self.learns:
            return held
        with torch.no_grad():
            return (held + self.model.told(facts)).log_softmax(-1)

    def _updated(self, held: Tensor, seen: PublicStep) -> Tensor:
        if seen.last_features is None or seen.last_mechanism is None or seen.last_response is None:
            return held
        parts = (seen.last_features[:, None], seen.last_mechanism[:, None], seen.last_response[:, None])
        return self.after(held, read(*parts, first=seen.step - 1))


def _marked(odds: Tensor) -> Tensor:
    """[..., 5] one-hot of the largest."""
    return torch.nn.functional.one_hot(odds.argmax(-1), len(MOVES)).float()


def probed(model: TeamModel, others: Sequence[TeamModel], seed: int, episodes: int, samples: int) -> tuple[int, int]:
    """The first partition that is best with what it teaches, and how many episodes were imagined to find it.

    What is imagined follows `model`; those who believe and plan in it go by the `others`, which are about as far from
    it as it may be from the truth (`team_kinds.refit`; of a single episode there are no others, and they are the model
    again). Planners that went by the model would be too sure of themselves.
    Sequential halving (Karnin, Koren & Somekh 2013, algorithm 1): each round imagines at least `episodes`, with the
    same rosters and luck for every partition that is left, and the better half of these go on.
    """
    plans, dreams = child_seed(seed, "plans"), child_seed(seed, "dreams")
    left, totals, told_of, imagined = torch.arange(OPTIONS), torch.zeros(OPTIONS), 0, 0
    while len(left) > 1:
        each = math.ceil(episodes / len(left) / len(others))
        for other in others:
            dreamt, told_of = draws(dreams, told_of, each), told_of + each
            totals[left] += foreseen(LearnedTeams(other, plans, samples=samples), left, model, dreamt).sum(1)
        imagined += each * len(others) * len(left)
        left = left[totals[left].argsort(descending=True)[: math.ceil(len(left) / 2)]]
    return int(left[0]), imagined


def foreseen(principal: LearnedTeams, firsts: Tensor, model: TeamModel, dreamt: Draws) -> Tensor:
    """[F, B] welfare of imagined episodes that begin with each of these partitions [F], lived to the end: what the
    principal's own plans promise is too much, as they take kinds for known. Rosters and doings come from the model,
    luck from `dreamt`, the same for every partition.
    """
    each, doings = len(dreamt.episodes), Doings.of(model)
    worlds = each * len(firsts)
    luck = dreamt.repeated(len(firsts))
    plans = principal.planned(Draws(principal.seed, luck.episodes))
    held, lots = principal.start(worlds), luck.choice("roster", 0, model.prior().expand(worlds, 1, -1))
    kinds, state, total = model.kinds.assignments[lots[:, 0]], start(worlds), torch.zeros(worlds)
    for t in range(STEPS):
        if t == DECISIONS[0]:
            state = state.under(torch.eye(OPTIONS)[firsts].repeat_interleave(each, 0))
        elif t in DECISIONS:
            state = state.under(plans.partition(held, t, state))
        events = doings.events(t, state, model.kinds.pairs(kinds, state.together), luck)
        held = principal.after(held, told(state, events, torch.full((worlds,), t), (worlds, 1)))
        state, earned, upkeep = settle(state, events)
        total = total + (earned - upkeep).sum(-1)
    return total.unflatten(0, (len(firsts), each))
