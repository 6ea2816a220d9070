"""What there is to win in team formation: a ladder from random partitions to a planner that knows everyone's role.

Planners know the true rules: `blind` never learns who has which role, `bayes` keeps the exact joint posterior, `oracle`
is told. The reference levels were measured on a prototype with the same rules, on other rosters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from experiments import standing
from experiments.claims import Json, Outcome
from experiments.errors import ROOT
from experiments.oracles import Each
from experiments.standing import HELD_OUT_SEED, Reference, Rungs, batch, scored
from experiments.team_knowledge import knowledge
from experiments.team_oracles import (
    Beliefs,
    Posterior,
    Prior,
    TeamPlanner,
    Truth,
    beliefs,
    role_vectors,
    roles_by_seat,
)
from learning.draws import Draws, child_seed, draws
from mechanism.explore import RandomRules
from mechanism.team_plans import OPTIONS
from personas.rosters import Rosters, open_rosters
from societies.base import Principal
from societies.catalog import load
from societies.library.team_formation import TeamFormation
from societies.mechanisms import option
from societies.play import Fixed, play
from societies.stage import Stage
from societies.teams import ALL_TOGETHER, DECISIONS, STEPS, partition_name

ROSTERS = ROOT / "personas/populations/gatherers.yaml"
LABELS = {
    "random": "random partitions",
    "together": "all together, always",
    "blind": "planned, never learning",
    "best_fixed": "best fixed sequence",
    "bayes_no_probe": "exact Bayes, planned",
    "bayes": "exact Bayes, planned after a probe",
    "oracle": "oracle, planned",
}
ORDER = ("random", "best_fixed", "bayes", "oracle")
UNIT = f"earnings less upkeep, summed over {STEPS} steps"
WATCHED = 250  # rosters on which exact beliefs are followed
DRAWS, MORE_DRAWS = 4, 5  # role vectors that a plan is made for; as in the prototype, more for Bayes without a probe


@dataclass(frozen=True)
class Ladder:
    """The society, and the rosters that its rungs are found and scored on."""

    society: TeamFormation
    rosters: Rosters
    communities: int
    training: int  # worlds that the best fixed sequence is found on

    def stage(self, seed: int = HELD_OUT_SEED) -> Stage:
        """Rosters, whose moves are only watched: the held-out ones."""
        return Stage(self.society, ScriptedPopulation(tells_distribution=False), self.rosters, seed)


def ladder(name: str, communities: int, training: int) -> Ladder:
    """The ladder of the team society of that name."""
    society = load(name)
    assert isinstance(society, TeamFormation)
    rosters = open_rosters(ROSTERS, society.agents, attributes=society.attributes_used, traits=society.traits_used)
    return Ladder(society, rosters, communities, training)


def climb(ladder: Ladder, fixed: Tensor) -> dict[str, Tensor]:
    """Every rung's return on every held-out roster, [C] sums over the steps, given the best fixed sequence [T, M]."""
    torch.set_num_threads(1)
    society, stage = ladder.society, ladder.stage()
    prior, posterior = Prior(society), Posterior(society)

    def worlds(start: int) -> Draws:
        return draws(HELD_OUT_SEED, start, batch(ladder.communities, start))

    def planner(believes: Beliefs, start: int, samples: int, first: int | None = None) -> TeamPlanner:
        return TeamPlanner(believes, worlds(start), samples, first)

    rungs: dict[str, Callable[[int], Principal]] = {
        "random": lambda start: RandomRules(society, worlds(start)),
        "together": lambda start: Fixed(option(society, partition_name(ALL_TOGETHER))),
        "blind": lambda start: planner(prior, start, DRAWS),
        "best_fixed": lambda start: Fixed(fixed),
        "bayes_no_probe": lambda start: planner(posterior, start, MORE_DRAWS),
        "bayes": lambda start: planner(posterior, start, DRAWS, ALL_TOGETHER),
        "oracle": lambda start: planner(Truth(society, ladder.rosters.people(worlds(start))), start, 1),
    }
    return {name: scored(stage, ladder.communities, rung) for name, rung in rungs.items()}


def best_first(ladder: Ladder, rosters: int) -> tuple[int, Tensor]:
    """The partition that exact Bayes does best to begin with, by so many training rosters; [C] what it then comes to on
    the held-out ones. It is searched for, as SWM-AP searches for its own.
    """
    torch.set_num_threads(1)
    posterior = Posterior(ladder.society)

    def returns(first: int, seed: int, communities: int) -> Tensor:
        def planner(start: int) -> TeamPlanner:
            return TeamPlanner(posterior, draws(seed, start, batch(communities, start)), DRAWS, first)

        return scored(ladder.stage(seed), communities, planner)

    learned = [returns(first, child_seed(HELD_OUT_SEED, "headroom"), rosters).mean() for first in range(OPTIONS)]
    first = int(torch.stack(learned).argmax())
    return first, returns(first, HELD_OUT_SEED, ladder.communities)


def best_fixed(ladder: Ladder) -> Tensor:
    """[T, M] the partitions that do best whoever the agents are, by coordinate search on training rosters.

    Early partitions can make up for late ones, so the search goes through the decisions in both orders, and the better
    end counts.
    """
    ends = torch.stack([_climbed(ladder, DECISIONS), _climbed(ladder, DECISIONS[::-1])])
    return ends[_welfare(ladder, ends).argmax()]


def _climbed(ladder: Ladder, order: tuple[int, ...]) -> Tensor:
    """[T, M] from all together throughout to where no other partition at one decision alone does better."""
    path, before = torch.zeros(STEPS, OPTIONS), None
    path[list(DECISIONS), ALL_TOGETHER] = 1.0
    while before is None or not torch.equal(before, path):
        before = path.clone()
        for t in order:
            tried = path.repeat(OPTIONS, 1, 1)  # [M, T, M] with every partition in turn at step t
            tried[:, t] = torch.eye(OPTIONS)
            path[t] = torch.eye(OPTIONS)[_welfare(ladder, tried).argmax()]
    return path


def _welfare(ladder: Ladder, paths: Tensor) -> Tensor:
    """[P] mean return of fixed sequences [P, T, M] on the training rosters, the same for all."""
    ids = torch.arange(ladder.training).repeat(len(paths))
    d = Draws(child_seed(HELD_OUT_SEED, "headroom"), ids)
    each = Each(paths.repeat_interleave(ladder.training, 0))
    episode = play(ladder.society, ScriptedPopulation(False), ladder.rosters.people(d), each, d).episode
    return episode.returns().unflatten(0, (len(paths), -1)).mean(1)


def known(ladder: Ladder) -> list[Json]:
    """What exact beliefs know before each decision and at the end, if they are planned with after a probe."""
    society, d = ladder.society, draws(HELD_OUT_SEED, 0, min(WATCHED, ladder.communities))
    people = ladder.rosters.people(d)
    principal = TeamPlanner(Posterior(society), d, DRAWS, ALL_TOGETHER)
    episode = play(society, ScriptedPopulation(False), people, principal, d).episode
    return knowledge(beliefs(society, episode), roles_by_seat(society, people), role_vectors(society))


def outcome(name: str, reference: Reference, smoke: bool) -> Outcome:
    """The ladder of a team society, and whether it stands as it was measured before."""
    teams = ladder(name, 6, 2) if smoke else ladder(name, 1000, 1000)
    fixed = best_fixed(teams)
    found = climb(teams, fixed)
    result = standing.outcome(name, Rungs(LABELS, ORDER, "blind", UNIT), found, reference, smoke)
    sequence: list[Json] = [partition_name(int(fixed[t].argmax())) for t in DECISIONS]
    means = {rung: float(found[rung].mean()) for rung in ORDER}
    more: dict[str, Json] = {
        "best_fixed_sequence": sequence,
        "bayes_over_best_fixed": round(means["bayes"] / means["best_fixed"] - 1, 4),
        "oracle_over_best_fixed": round(means["oracle"] / means["best_fixed"] - 1, 4),
        "exact_beliefs": known(teams),
    }
    return replace(result, figures={**result.figures, **more})
