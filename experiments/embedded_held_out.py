"""Held-out decisions of the facility towns and of team formation, for the embedded model's examination.

People are new, in words that training never used; places go up at random cells and by greedy k-median, which training
never saw; teams are formed at random. Everybody is scripted, and every decision is one that a scripted person took.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from agents.base import Question
from experiments.embedded_lessons import sampler
from experiments.embedded_towns import TOWNS, told
from learning.draws import Draws, child_seed, draws
from mechanism.baselines.k_median import KMedian
from mechanism.explore import RandomRules
from personas.people import People
from societies.base import Principal, PublicStep, Society, State

HELD_OUT = 900_002  # the seed of everything here
TEAMS = ("team_formation", "team_formation_iid")
SOCIETIES = (*TOWNS, *TEAMS)


@dataclass(frozen=True)
class Moment:
    """B worlds in one step, under the rules in force."""

    society: Society
    state: State
    rules: Tensor  # [B, M]

    def with_people(self, people: People) -> "Moment":
        """The same with other people in the same places."""
        return replace(self, state=replace(self.state, people=people))

    def exact(self) -> Tensor:
        """[B, N, K] probabilities of the scripted people."""
        return self.society.teacher(self.state, self.rules).exp()

    def taught(self) -> Tensor:
        """[B, N, K] the same where everyone is as the words tell."""
        return self.with_people(as_told(self.state.people)).exact()

    def offered(self) -> Tensor:
        """[B, N, K] bool"""
        return self.society.choices(self.state.step, self.state.features, self.rules)

    def questions(self) -> list[list[Question]]:
        """[B][N], each with the choices that are open."""
        views, offered = self.society.look(self.state, self.rules), self.offered()
        people = self.state.people
        return [
            [
                narrowed(self.society.tell(views[w, n], people.persona(w, n)), offered[w, n])
                for n in range(views.shape[1])
            ]
            for w in range(len(views))
        ]


def narrowed(question: Question, offered: Tensor) -> Question:
    """The question with the choices that are open [K] only, as language-model people are asked."""
    open_ = offered.tolist()
    return replace(question, choices=tuple(c for c, may in zip(question.choices, open_, strict=True) if may))


def as_told(people: People) -> People:
    """Everyone as the words tell: liking for walks in grades; what follows from strength is told in the news."""
    if "roaming" not in people.trait_names:
        return people
    graded = people.traits.clone()
    place = people.trait_names.index("roaming")
    graded[..., place] = told(people.traits[..., place])
    return people.with_traits(graded)


def somebody(society: Society, d: Draws, anywhere: bool = False) -> People:
    """Held-out people; `anywhere`: their traits lie evenly on the whole scale."""
    name = "visitors" if "home_x" in society.attributes_used else "gatherers"
    people = sampler(name, "held_out", society.agents).people(d)
    return people.with_traits(d.uniform("anywhere", 0, *people.traits.shape[1:])) if anywhere else people


def principals(society: Society) -> dict[str, Callable[[Draws], Principal]]:
    """Who makes the rules that people are examined under."""
    found: dict[str, Callable[[Draws], Principal]] = {"random": lambda d: RandomRules(society, d)}
    if "home_x" in society.attributes_used:
        found["k_median"] = lambda d: KMedian(society)
    return found


def moments(society: Society, worlds: int, anywhere: bool = False) -> list[Moment]:
    """Every step of `worlds` held-out worlds under each principal."""
    found = list[Moment]()
    for name, make in principals(society).items():
        d = draws(child_seed(HELD_OUT, f"{society.name} {name} {anywhere}"), 0, worlds)
        found += _lived(society, somebody(society, d, anywhere), make(d), d)
    return found


def _lived(society: Society, people: People, principal: Principal, d: Draws) -> list[Moment]:
    state, memory, found = society.reset(people), principal.start(people.worlds), list[Moment]()
    for step in range(society.steps):
        seen = PublicStep(step, state.features, None, None, None, None)
        memory, rules = principal.propose(memory, seen)
        found.append(Moment(society, state, rules))
        action = d.choice("decision", step, society.teacher(state, rules))
        state = society.step(state, rules, action).state
    return found


def redrawn(people: People, agent: Tensor, values: Tensor) -> People:
    """The same people, but the trait of one agent [B] of every world set to values [B]. They have one trait."""
    traits = people.traits.clone()
    traits[torch.arange(people.worlds), agent, 0] = values
    return people.with_traits(traits)
