"""A population of several kinds of people: some asked of one model, some of another, some scripted or trained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from agents.base import Decisions, Population, Round
from learning.draws import Draws, name_key
from personas.people import People, Persona

Kind = Callable[[Persona], int]
"""Which of the parts somebody belongs to"""


@dataclass(frozen=True)
class Memory:
    """Who belongs to which part [B, N], and what each part keeps for itself."""

    kind: Tensor
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class MixedPopulation:
    """Each person belongs to one of `parts`, by `kind`, and to no other for life. The parts are asked one by one."""

    parts: tuple[Population, ...]
    kind: Kind

    def start(self, people: People) -> Memory:
        """As each part starts."""
        rows = [[self.kind(people.persona(w, n)) for n in range(people.agents)] for w in range(people.worlds)]
        return Memory(torch.tensor(rows), tuple(part.start(people) for part in self.parts))

    def decide(self, memory: Memory, round: Round, draws: Draws) -> tuple[Memory, Decisions]:
        """Everyone's decision, each asked within their own part."""
        kept, made = list(memory.parts), list[tuple[Tensor, Decisions]]()
        for i, part in enumerate(self.parts):
            own = memory.kind == i  # [B, N]
            choices = round.choices & own[..., None]
            if choices.any():
                kept[i], decisions = part.decide(kept[i], replace(round, choices=choices), draws)
                made.append((own, decisions))
        return replace(memory, parts=tuple(kept)), _together(made, round.choices)


def by_share(shares: Sequence[float], named: Sequence[frozenset[str]], lot: str = "part") -> Kind:
    """Persons whose id is `named` by a part belong to it; of the others every part has its share, drawn by who they
    are: residents of a village by their ids, so that each is of one part in every episode; people of a population
    file by the seed that drew them too, since others have the same ids in other seeds. What the shares leave is part
    0's. Draws under another `lot` have nothing to do with each other.
    """

    def kind(persona: Persona) -> int:
        for i, ids in enumerate(named):
            if persona.id in ids:
                return i
        who = persona.id if persona.drawn is None else f"{persona.id}, {persona.drawn}"
        place = name_key(f"{lot} of {who}") / 2**64
        for i, share in enumerate(shares):
            if place < share:
                return i
            place -= share
        return 0

    return kind


def _together(made: Sequence[tuple[Tensor, Decisions]], choices: Tensor) -> Decisions:
    """One set of decisions from those of the parts, each [B, N] whom they are of."""
    action = torch.full(choices.shape[:2], -1)
    log_probs = torch.full(choices.shape, -torch.inf)
    for own, decisions in made:
        action = torch.where(own, decisions.action, action)
        log_probs = torch.where(own[..., None], _log_probs(decisions, choices.shape[-1]), log_probs)
    told = any(decisions.log_probs is not None for _, decisions in made)
    fallbacks = tuple(f for _, decisions in made for f in decisions.fallbacks)
    messages = tuple(m for _, decisions in made for m in decisions.messages)
    return Decisions(action, log_probs if told else None, fallbacks, messages)


def _log_probs(decisions: Decisions, size: int) -> Tensor:
    """[B, N, K] one-hot where a part tells actions alone."""
    if decisions.log_probs is not None:
        return decisions.log_probs
    one_hot = torch.nn.functional.one_hot(decisions.action.clamp_min(0), size)
    return torch.where((one_hot > 0) & (decisions.action >= 0)[..., None], 0.0, -torch.inf)
