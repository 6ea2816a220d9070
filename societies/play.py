"""The episode loop: a principal sets the rules, a population answers, the society moves on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.base import Decisions, Population
from learning.draws import Draws
from personas.people import People
from societies.base import Episode, Principal, PublicStep, Sealed, Society, State, Transition
from societies.mechanisms import check, in_force
from societies.rounds import round_of


@dataclass(frozen=True)
class Played:
    """What was played: the public record, and the sealed one."""

    episode: Episode
    sealed: Sealed


@dataclass(frozen=True)
class _Step:
    state: State  # before the step
    mechanism: Tensor  # [B, M]
    decisions: Decisions
    choice: Tensor  # [B, N, K]
    transition: Transition


def play(society: Society, population: Population, people: People, principal: Principal, draws: Draws) -> Played:
    """One whole episode in each of the B worlds of `people`, under `principal`. `draws.episodes` names the worlds.

    ValueError where the principal proposes rules that are not [B, M] or [M], or lie outside what is allowed.
    """
    state, record = society.reset(people), list[_Step]()
    mind, memory = principal.start(people.worlds), population.start(people)
    for _ in range(society.steps):
        mind, proposed = principal.propose(mind, _seen(state, record))
        check(society, state.step, proposed, people.worlds)
        mechanism = in_force(society, state.step, state.features, proposed)
        said = record[-1].decisions.messages if record else ()
        memory, decisions = population.decide(memory, round_of(society, state, mechanism, said, draws), draws)
        choice = _told_choice(decisions, len(society.choice_names))
        transition = society.step(state, mechanism, decisions.action)
        record.append(_Step(state, mechanism, decisions, choice, transition))
        state = transition.state
    return _sealed(society, record, state, draws.episodes)


def _seen(state: State, record: list[_Step]) -> PublicStep:
    if not record:
        return PublicStep(state.step, state.features, None, None, None, None)
    last = record[-1]
    return PublicStep(
        state.step, state.features, last.state.features, last.mechanism, last.transition.response, last.choice
    )


def _told_choice(decisions: Decisions, size: int) -> Tensor:
    """[B, N, K] what the people said; zeros of those who were not asked, or said nothing that could be used."""
    if decisions.log_probs is not None:
        told = decisions.log_probs.exp()
    else:
        one_hot = torch.nn.functional.one_hot(decisions.action.clamp_min(0), size).float()
        told = one_hot * (decisions.action >= 0)[..., None]
    for fallback in decisions.fallbacks:
        told[fallback.world, fallback.agent] = 0.0
    return told


def _sealed(society: Society, record: list[_Step], last: State, ids: Tensor) -> Played:
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
