"""Imagined episodes: the same loop as `societies.play`, with the learned people in place of the real ones.

World b of B is answered by ensemble member b mod S for its whole life; its z is drawn once. Only the answers are
imagined: money is settled by the real rules. Welfare is predicted where it depends on hidden utilities, and so is the
next state where the world model's dynamics are learned; nothing is entered in the accounts then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from learning.draws import Draws
from societies.base import Episode, Principal, PublicStep, Settled, Society
from societies.mechanisms import in_force
from world_model.accounting import Step
from world_model.model import WorldModel
from world_model.records import personal

# The ensemble's disagreement is taken on every fourth agent: a second opinion on all would cost as much again.
AUDITED = 4


@dataclass(frozen=True)
class Dream:
    """Imagined worlds, the z that was drawn for them, and how far the ensemble disagreed."""

    episode: Episode
    z: Tensor  # [B, N, Z]
    disagreement: Tensor  # [B, T] mean over every fourth agent of |difference of two members' expected response|


@dataclass(frozen=True)
class Imagined:
    """One imagined step of B worlds: the fields of an Episode, without the time."""

    features: Tensor
    mechanism: Tensor
    action: Tensor
    choice: Tensor
    response: Tensor
    welfare: Tensor
    disagreement: Tensor
    accounts: Mapping[str, Tensor]


def imagine(
    model: WorldModel, society: Society, start: Tensor, principal: Principal, draws: Draws, soft: bool
) -> Dream:
    """Whole episodes from real or freshly drawn public states `start` [B, N, F]; B a multiple of the members.

    soft: do the imagined people reply with whole distributions (as the real ones do) or with single actions?
    Differentiable in the principal's parameters: actions are hard forward, expected responses backward.
    """
    z = draw_people(model, personal(society, start), draws)
    world = World(model, society, z, draws, soft)
    features, mind, record = start, principal.start(len(start)), list[Imagined]()
    for t in range(society.steps):
        mind, proposed = principal.propose(mind, _seen(t, features, record))
        step, features = world.step(t, features, in_force(society, t, features, proposed))
        record.append(step)
    return Dream(_episode(society, record, features, draws.episodes, soft), z, _along(record, "disagreement"))


def draw_people(model: WorldModel, covariates: Tensor, draws: Draws) -> Tensor:
    """New people from the learned prior: covariates [B, N, V] -> z [B, N, Z]."""
    c = draws.normal("imagined community", 0, model.prior.community)
    eps = draws.normal("imagined agent", 0, covariates.shape[1], model.prior.traits)
    with torch.no_grad():
        return model.prior(covariates, c, eps)


def _by_member(x: Tensor, members: int) -> Tensor:
    """[B, ...] -> [S, B/S, ...]: world b belongs to member b mod S."""
    return x.reshape(len(x) // members, members, *x.shape[1:]).transpose(0, 1)


def _by_world(x: Tensor) -> Tensor:
    """Back from [S, B/S, ...] to [B, ...]."""
    return x.transpose(0, 1).reshape(-1, *x.shape[2:])


@dataclass(frozen=True)
class Asked:
    """One step's question to everyone in B worlds."""

    prospects: Tensor  # [B, N, K, D]
    features: Tensor  # [B, N, F]
    open: Tensor  # [B, N, K] bool: what may be chosen


def answers(model: WorldModel, asked: Asked, z: Tensor, shift: int = 0) -> tuple[Tensor, Tensor]:
    """log p [B, N, K] by each world's own member, and [B, N / 4, K] of every fourth agent by the next member."""
    facts = (asked.prospects, asked.features, z, asked.open)
    own = [_by_member(x.roll(shift, 0), model.members) for x in facts]
    other = model.doubt(*[x[:, :, ::AUDITED] for x in own])
    return _by_world(model.log_probs(*own)).roll(-shift, 0), _by_world(other).roll(-shift, 0)


@dataclass(frozen=True)
class World:
    """B imagined worlds whose people are drawn: one step at a time."""

    model: WorldModel
    society: Society
    z: Tensor  # [B, N, Z]
    draws: Draws
    soft: bool  # replies are whole distributions
    shift: int = 0  # world b is answered by member (b + shift) mod S

    def step(self, t: int, features: Tensor, mechanism: Tensor) -> tuple[Imagined, Tensor]:
        """Everyone's answers to `mechanism` [B, M] in state `features` [B, N, F], and the next state."""
        open_ = self.society.choices(t, features, mechanism)
        asked = Asked(self.society.prospects(features, mechanism), features, open_)
        log_p, other = answers(self.model, asked, self.z, self.shift)  # [B, N, K]
        levels = self.society.respond(torch.arange(log_p.shape[-1])[None])[0]  # [K, R]
        turn = open_.any(-1)  # [B, N]
        action = torch.where(turn, self.draws.choice("decision", t, log_p.detach()), -1)
        expected = log_p.exp() @ levels  # [B, N, R]
        hard = levels[action.clamp_min(0)]
        response = hard + (expected - expected.detach())  # straight-through: Bengio et al. 2013
        settled, welfare = self._outcome(features, mechanism, response)
        one_hot = torch.nn.functional.one_hot(action.clamp_min(0), log_p.shape[-1]).to(log_p.dtype)
        step = Imagined(
            features=features,
            mechanism=mechanism,
            action=action,
            choice=(log_p.exp() if self.soft else one_hot) * turn[..., None],
            response=response,
            welfare=welfare,
            disagreement=(expected[:, ::AUDITED] - other.exp() @ levels).abs().mean((-1, -2)),
            accounts=settled.accounts,
        )
        return step, settled.features

    def _outcome(self, features: Tensor, mechanism: Tensor, response: Tensor) -> tuple[Settled, Tensor]:
        """What the step leads to, and its welfare [B]: by the real rules, or by each world's own member."""
        learned = self.model.accounting
        if learned is None:
            settled = self.society.settle(features, mechanism, response)
            return settled, self.society.public_welfare(settled.accounts)
        own = Step(*[self._own(x) for x in (features, mechanism, response, self.z)])
        if learned.motion is None:
            settled = self.society.settle(features, mechanism, response)
            return settled, self._back(learned(own, self._own(settled.features))[1])
        after, welfare = learned(own)
        return Settled(self._back(after), {}), self._back(welfare)

    def _own(self, x: Tensor) -> Tensor:
        """[B, ...] -> [S, B/S, ...]: to each world's member."""
        return _by_member(x.roll(self.shift, 0), self.model.members)

    def _back(self, x: Tensor) -> Tensor:
        """[S, B/S, ...] -> [B, ...]"""
        return _by_world(x).roll(-self.shift, 0)


def _seen(t: int, features: Tensor, record: list[Imagined]) -> PublicStep:
    if not record:
        return PublicStep(t, features, None, None, None, None)
    last = record[-1]
    return PublicStep(t, features, last.features, last.mechanism, last.response, last.choice)


def _along(record: list[Imagined], name: str) -> Tensor:
    values: list[Any] = [getattr(step, name) for step in record]
    return torch.stack(values, 1)


def _episode(society: Society, record: list[Imagined], last: Tensor, ids: Tensor, soft: bool) -> Episode:
    return Episode(
        society=society.name,
        ids=ids,
        features=torch.cat([_along(record, "features"), last[:, None]], 1),
        mechanism=_along(record, "mechanism"),
        action=_along(record, "action"),
        choice=_along(record, "choice"),
        soft=soft,
        response=_along(record, "response"),
        welfare=_along(record, "welfare"),
        counted=torch.tensor([society.counts(t) for t in range(society.steps)]),
        accounts={k: torch.stack([s.accounts[k] for s in record], 1) for k in record[0].accounts},
    )
