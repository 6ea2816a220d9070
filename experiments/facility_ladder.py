"""What there is to win in a facility town: a ladder from random places to a planner that knows who is who.

Every rung meets the same held-out communities with the same choice noise. Planners know the true choice rule: `blind`
never learns who is who, `bayes` keeps the exact posterior, `oracle` is told. The reference levels were measured on a
prototype of the same towns, on other communities.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from experiments import standing
from experiments.claims import Outcome
from experiments.errors import ROOT
from experiments.facility_oracles import Posterior, Prior, Truth, planner
from experiments.oracles import Each
from experiments.standing import HELD_OUT_SEED, Reference, Rungs, batch, scored
from learning.draws import Draws, child_seed, draws
from mechanism.baselines.k_median import KMedian
from mechanism.explore import RandomRules
from personas.rosters import Rosters, open_rosters
from societies.base import Principal
from societies.catalog import load
from societies.facilities import Facilities
from societies.play import Fixed, play
from societies.stage import Stage

ROSTERS = ROOT / "personas/populations/visitors.yaml"
LABELS = {
    "random": "random cells",
    "best_fixed": "best fixed cells",
    "k_median": "greedy k-median on homes",
    "blind_myopic": "trait-blind, myopic",
    "blind": "trait-blind, planned",
    "bayes_myopic": "exact Bayes, myopic",
    "bayes": "exact Bayes, planned",
    "oracle_myopic": "oracle, greedy",
    "oracle": "oracle, planned",
}
ORDER = ("random", "best_fixed", "k_median", "blind_myopic", "blind", "bayes", "oracle")


@dataclass(frozen=True)
class Ladder:
    """One town and the communities that its rungs are found and scored on."""

    society: Facilities
    rosters: Rosters
    communities: int
    training: int  # worlds that the best fixed cells are found on

    def stage(self, seed: int) -> Stage:
        """People reply with single actions, as visitors who are only watched."""
        return Stage(self.society, ScriptedPopulation(tells_distribution=False), self.rosters, seed)


def ladder(name: str, communities: int, training: int) -> Ladder:
    """The ladder of the facility society of that name."""
    society = load(name)
    assert isinstance(society, Facilities)
    rosters = open_rosters(ROSTERS, society.agents, attributes=society.attributes_used, traits=society.traits_used)
    return Ladder(society, rosters, communities, training)


def climb(ladder: Ladder) -> dict[str, Tensor]:
    """Every rung's return on every held-out community, [C] sums over the steps."""
    torch.set_num_threads(1)
    society, fixed = ladder.society, Fixed(best_fixed(ladder))

    def told(start: int) -> Truth:
        return Truth(ladder.rosters.people(draws(HELD_OUT_SEED, start, batch(ladder.communities, start))).traits)

    rungs: dict[str, Callable[[int], Principal]] = {
        "random": lambda start: RandomRules(society, draws(HELD_OUT_SEED, start, batch(ladder.communities, start))),
        "best_fixed": lambda start: fixed,
        "k_median": lambda start: KMedian(society),
        "blind_myopic": lambda start: planner(society, Prior(society), 1),
        "blind": lambda start: planner(society, Prior(society)),
        "bayes_myopic": lambda start: planner(society, Posterior(society), 1),
        "bayes": lambda start: planner(society, Posterior(society)),
        "oracle_myopic": lambda start: planner(society, told(start), 1),
        "oracle": lambda start: planner(society, told(start)),
    }
    stage = ladder.stage(HELD_OUT_SEED)
    return {name: scored(stage, ladder.communities, rung) for name, rung in rungs.items()}


def best_fixed(ladder: Ladder) -> Tensor:
    """[T, M] the cells that do best whatever the community, by coordinate search on training communities."""
    m = len(ladder.society.cells)
    path, before = torch.zeros(ladder.society.steps, m), None
    while before is None or not torch.equal(before, path):  # the first pass builds the path up, step by step
        before = path.clone()
        for t in range(len(path)):
            tried = path.expand(m, -1, -1).clone()  # [M, T, M] with every cell in turn at step t
            tried[:, t] = torch.eye(m)
            path[t] = torch.eye(m)[_welfare(ladder, tried).argmax()]
    return path


def _welfare(ladder: Ladder, paths: Tensor) -> Tensor:
    """[P] mean return of fixed paths [P, T, M] on the training communities, the same for all."""
    seed, several = child_seed(HELD_OUT_SEED, "headroom"), max(1, 2000 // ladder.training)
    found = list[Tensor]()
    for part in paths.split(several):
        ids = torch.arange(ladder.training).repeat(len(part))
        d = Draws(seed, ids)
        each = Each(part.repeat_interleave(ladder.training, 0))
        people = ladder.rosters.people(d)
        episode = play(ladder.society, ScriptedPopulation(False), people, each, d).episode
        found.append(episode.returns().reshape(len(part), -1).mean(1))
    return torch.cat(found)


def outcome(name: str, reference: Reference, smoke: bool) -> Outcome:
    """The ladder of a town, and whether it stands as it was measured before."""
    town = ladder(name, 12, 2) if smoke else ladder(name, 1000, 400)
    unit = f"people who visit, as a share of all, summed over {town.society.steps} steps"
    return standing.outcome(name, Rungs(LABELS, ORDER, "blind", unit), climb(town), reference, smoke)
