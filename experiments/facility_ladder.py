"""What there is to win in a facility town: a ladder from random places to a planner that knows who is who.

Every rung meets the same held-out communities with the same choice noise. Planners know the true choice rule: `blind`
never learns who is who, `bayes` keeps the exact posterior, `oracle` is told. The reference levels were measured on a
prototype of the same towns, on other communities.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from experiments.claims import Json, Outcome
from experiments.errors import ROOT
from experiments.facility_oracles import Posterior, Prior, Truth, planner
from experiments.oracles import Each
from experiments.statistics import Interval, mean_interval, paired_interval
from learning.draws import Draws, child_seed, draws
from mechanism.baselines.k_median import KMedian
from mechanism.explore import RandomRules
from personas.rosters import Rosters, open_rosters
from societies.base import Principal
from societies.catalog import load
from societies.facilities import Facilities
from societies.play import Fixed, play
from societies.stage import Stage

HELD_OUT_SEED = 910_001  # of the communities that policies are judged on; never learned from
BATCH = 100  # worlds at once
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
Reference = Mapping[str, tuple[float, float]]
"""Rung -> (level, half-width of its 95% interval), sums over the five steps."""


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
        return Truth(ladder.rosters.people(draws(HELD_OUT_SEED, start, _size(ladder, start))).traits)

    rungs: dict[str, Callable[[int], Principal]] = {
        "random": lambda start: RandomRules(society, draws(HELD_OUT_SEED, start, _size(ladder, start))),
        "best_fixed": lambda start: fixed,
        "k_median": lambda start: KMedian(society),
        "blind_myopic": lambda start: planner(society, Prior(society), 1),
        "blind": lambda start: planner(society, Prior(society)),
        "bayes_myopic": lambda start: planner(society, Posterior(society), 1),
        "bayes": lambda start: planner(society, Posterior(society)),
        "oracle_myopic": lambda start: planner(society, told(start), 1),
        "oracle": lambda start: planner(society, told(start)),
    }
    return {name: scored(ladder, rung) for name, rung in rungs.items()}


def scored(ladder: Ladder, principal: Callable[[int], Principal]) -> Tensor:
    """[C] returns on the held-out communities; the principal is made anew for the batch that starts at a world."""
    stage = ladder.stage(HELD_OUT_SEED)
    parts = [stage.play(principal(start), start, _size(ladder, start)) for start in range(0, ladder.communities, BATCH)]
    return ladder.society.steps * torch.cat([episode.returns() for episode in parts])


def _size(ladder: Ladder, start: int) -> int:
    return min(BATCH, ladder.communities - start)


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
    found = climb(town)
    levels = {rung: mean_interval(returns.double().numpy()) for rung, returns in found.items()}
    apart = [rung for rung in reference if not _overlap(levels[rung], reference[rung])]
    means = [levels[rung].value for rung in ORDER]
    ordered = means == sorted(means)
    return Outcome(
        claim=f"the ladder of {name} stands: known levels, and who knows more can do more",
        passed=not apart and ordered,
        figure=f"{len(reference) - len(apart)} of {len(reference)} levels as before"
        f"{' (not ' + ', '.join(apart) + ')' if apart else ''}, rungs {'in order' if ordered else 'OUT OF ORDER'}",
        bar="the 95% interval of every level overlaps that of the reference, rungs in order",
        figures=_figures(town, found, levels, reference),
        seeds=(HELD_OUT_SEED,),
        smoke=smoke,
    )


def _overlap(level: Interval, reference: tuple[float, float]) -> bool:
    centre, half = reference
    return level.low <= centre + half and centre - half <= level.high


def _figures(
    town: Ladder, found: Mapping[str, Tensor], levels: Mapping[str, Interval], reference: Reference
) -> dict[str, Json]:
    gap, bayes = _paired(found, "oracle", "blind"), _paired(found, "bayes", "blind")
    return {
        "held_out_communities": town.communities,
        "unit": f"people who visit, as a share of all, summed over {town.society.steps} steps",
        "ladder": [_row(name, found, levels[name]) for name in LABELS],
        "reference": {rung: list(level) for rung, level in reference.items()},
        "value_of_traits": _plain(gap),
        "worth_to": "one who plans without learning who is who",
        "bayes_over_blind": _plain(bayes),
        "value_of_traits_share": round(gap.value / levels["blind"].value, 4),
    }


def _row(name: str, found: Mapping[str, Tensor], level: Interval) -> dict[str, Json]:
    gain = _paired(found, name, "best_fixed")
    return {"name": name, "label": LABELS[name], "welfare": _plain(level), "gain": _plain(gain)}


def _paired(found: Mapping[str, Tensor], ours: str, theirs: str) -> Interval:
    return paired_interval(found[ours].double().numpy(), found[theirs].double().numpy())


def _plain(interval: Interval) -> list[Json]:
    """[value, low, high]"""
    return [round(value, 5) for value in asdict(interval).values()]
