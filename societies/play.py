"""The episode loop: a principal sets the rules, a population answers, the society moves on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.base import Population
from learning.draws import Draws
from personas.people import People
from societies.base import Episode, Principal, PublicStep, Sealed, Society, State
from societies.moment import Moment, Step


@dataclass(frozen=True)
class Played:
    """What was played: the public record, and the sealed one."""

    episode: Episode
    sealed: Sealed


def play(society: Society, population: Population, people: People, principal: Principal, draws: Draws) -> Played:
    """One whole episode in each of the B worlds of `people`, under `principal`. `draws.episodes` names the worlds.

    ValueError where the principal proposes rules that are not [B, M] or [M], or lie outside what is allowed.
    """
    moment, record = Moment(society, society.reset(people)), list[Step]()
    mind, memory = principal.start(people.worlds), population.start(people)
    while not moment.over:
        mind, proposed = principal.propose(mind, moment.seen())
        mechanism = moment.under(proposed)
        memory, decisions = population.decide(memory, moment.asks(mechanism, draws), draws)
        moment = moment.after(mechanism, decisions)
        assert moment.last is not None
        record.append(moment.last)
    return _sealed(society, record, moment.state, draws.episodes)


def _sealed(society: Society, record: list[Step], last: State, ids: Tensor) -> Played:
    def along(tensors: list[Tensor]) -> Tensor:
        return torch.stack(tensors, 1)

    accounts = record[0].transition.accounts
    episode = Episode(
        society=society.name,
        ids=ids,
        features=along([s.state.features for s in record] + [last.features]),
        mechanism=along([s.mechanism for s in record]),
        action=along([s.decisions.action for s in record]),
        choice=along([s.choice for s in record]),
        soft=2 * sum(s.decisions.log_probs is not None for s in record) > len(record),
        response=along([s.transition.response for s in record]),
        welfare=along([s.transition.welfare for s in record]),
        counted=torch.tensor([society.counts(t) for t in range(society.steps)]),
        accounts={name: along([s.transition.accounts[name] for s in record]) for name in accounts},
        fallbacks=tuple(f for s in record for f in s.decisions.fallbacks),
        messages=tuple(s.decisions.messages for s in record) if any(s.decisions.messages for s in record) else (),
    )
    payoff = along([s.transition.payoff for s in record])
    return Played(episode, Sealed(last.people.trait_names, last.people.traits, payoff))


@dataclass(frozen=True)
class Fixed:
    """A principal whose rules never change: [M], or one path [T, M] for the whole episode."""

    mechanism: Tensor

    def start(self, worlds: int) -> int:
        return worlds

    def propose(self, memory: int, seen: PublicStep) -> tuple[int, Tensor]:
        if self.mechanism.dim() == 1:
            return memory, self.mechanism.expand(memory, -1)
        if seen.step >= len(self.mechanism):
            raise ValueError(f"the path has rules for {len(self.mechanism)} steps; step {seen.step} needs some too")
        return memory, self.mechanism[seen.step].expand(memory, -1)
