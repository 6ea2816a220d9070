"""Planners that know the true rules of team formation, and more or less of who has which role.

`Prior` knows how roles are drawn and never learns; `Posterior` keeps the exact joint posterior of everyone's roles;
`Truth` is told. For ladders and as yardsticks: learning may not import this.

    log P(roles | history) = log P(roles) + sum over steps of
                             [log 1(events agree | roles) + sum over agents of log P(move | roles)]

Roles do not become independent of one another, so the posterior is kept over whole role vectors. Shapes: B worlds, N
agents, H role vectors. Roles and teams are in the order of seats.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from learning.draws import Draws
from mechanism.team_plans import OPTIONS, Planned
from personas.people import People
from societies.base import Episode, PublicStep
from societies.library.team_formation import TeamFormation
from societies.team_features import by_seat, seats_of, state_of
from societies.team_roles import INDEPENDENT, PERMUTED, advance, duties, happen, intended, scripted
from societies.teams import BASICS, DECISIONS, Events, TeamState


class Beliefs(Protocol):
    """What is held of everyone's roles, as log-probabilities [B, H] of the role vectors."""

    hypotheses: Tensor  # [H, N]

    def start(self, worlds: int) -> Tensor:
        """[B, H] before anything was seen."""
        ...

    def update(self, held: Tensor, seen: PublicStep) -> Tensor:
        """[B, H] after one more step."""
        ...


def role_vectors(society: TeamFormation) -> Tensor:
    """[H, N] all that the roles of four agents may be, equally likely."""
    return PERMUTED if society.roles == "permuted" else INDEPENDENT


class Prior:
    """Every role vector is as likely as any other, whatever they do."""

    def __init__(self, society: TeamFormation) -> None:
        self.hypotheses = role_vectors(society)

    def start(self, worlds: int) -> Tensor:
        return torch.zeros(worlds, len(self.hypotheses)).log_softmax(-1)

    def update(self, held: Tensor, seen: PublicStep) -> Tensor:
        return held


class Posterior(Prior):
    """The exact joint posterior."""

    def update(self, held: Tensor, seen: PublicStep) -> Tensor:
        if seen.last_features is None or seen.last_mechanism is None or seen.last_response is None:
            return held
        told = evidence(seen.step - 1, seen.last_features, seen.last_mechanism, seen.last_response, self.hypotheses)
        return (held + told).log_softmax(-1)


class Truth:
    """Everyone's role is known. For rosters of B worlds, in the order of play."""

    def __init__(self, society: TeamFormation, people: People) -> None:
        self.hypotheses, self.roles = role_vectors(society), roles_by_seat(society, people)

    def start(self, worlds: int) -> Tensor:
        return (self.roles[:, None] == self.hypotheses).all(-1).float().log()

    def update(self, held: Tensor, seen: PublicStep) -> Tensor:
        return held


def roles_by_seat(society: TeamFormation, people: People) -> Tensor:
    """[B, N] everyone's true role."""
    return by_seat(society.roles_of(people), seats_of(society.reset(people).features))


def evidence(step: int, features: Tensor, mechanism: Tensor, response: Tensor, hypotheses: Tensor) -> Tensor:
    """[B, H] log-probability of what was seen in a step, were the roles those; -inf where it cannot be."""
    b, h = len(features), len(hypotheses)
    state = state_of(features).under(mechanism).repeat(h)
    seen = Events.of(by_seat(response, seats_of(features)).repeat_interleave(h, 0))
    duty = duties(hypotheses.repeat(b, 1), state.together)
    moved = (scripted(state, duty) * seen.moves).sum((1, 2))  # [B H]
    expected = happen(step, state, duty, seen.moves.argmax(-1)).packed()
    agree = (expected == seen.packed()).all(-1).all(-1)
    return torch.where(agree, moved, -torch.inf).unflatten(0, (b, h))


def beliefs(society: TeamFormation, episode: Episode) -> Tensor:
    """[B, T + 1, H] the exact joint posterior (log) before each step of some episodes, and after the last."""
    believes = Posterior(society)
    held = [believes.start(len(episode.ids))]
    for t in range(episode.mechanism.shape[1]):
        public = (episode.features[:, t], episode.mechanism[:, t], episode.response[:, t])
        held.append((held[-1] + evidence(t, *public, believes.hypotheses)).log_softmax(-1))
    return torch.stack(held, 1)


def marginals(held: Tensor, hypotheses: Tensor) -> Tensor:
    """[..., N, 4] how likely each agent has each role, from the joint [..., H] (log)."""
    has = torch.eye(BASICS)[hypotheses]  # [H, N, 4]
    return torch.einsum("...h,hnk->...nk", held.exp(), has)


@dataclass(frozen=True)
class TeamPlanner:
    """Takes the partition that promises most (`mechanism.team_plans`), in the simulator without slips. What a partition
    would teach is worth nothing to it; a `first` partition that is given makes up for that.
    """

    believes: Beliefs
    draws: Draws
    samples: int  # role vectors drawn per decision
    first: int | None  # number of the partition that it begins with; None: that is planned too

    def start(self, worlds: int) -> Tensor:
        return self.believes.start(worlds)

    def propose(self, memory: Tensor, seen: PublicStep) -> tuple[Tensor, Tensor]:
        """[B, 15]"""
        held = self.believes.update(memory, seen)
        if seen.step not in DECISIONS:
            return held, torch.zeros(len(held), OPTIONS)
        if self.first is not None and seen.step == DECISIONS[0]:
            return held, torch.eye(OPTIONS)[[self.first]].expand(len(held), -1)
        planned = Planned(self.believes.hypotheses, without_slips, self.draws, self.samples)
        return held, planned.partition(held, seen.step, state_of(seen.features))


def without_slips(
    step: int, until: int, state: TeamState, roles: Tensor, luck: Draws | None = None
) -> tuple[TeamState, Tensor]:
    """The state after some steps without slips, and their welfare [P]: luck has no part in it."""
    duty, total = duties(roles, state.together), torch.zeros(len(roles))
    for t in range(step, until):
        state, welfare = advance(t, state, duty, intended(state, duty))
        total = total + welfare
    return state, total
