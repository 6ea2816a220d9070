"""Claim: what SWM-AP learned with rosters of one size serves new people, in rosters of sizes that it never saw.

Towns as facility32, with 8, 32 and 128 people. At every size SWM-AP learns from the same number of real decisions, and
is judged on held-out towns of every size: its policy as it is; and, where learning is cheaper than that of the larger
town, a policy learned anew in imagination, with the world model of the smaller one and no further real decision.

Shapes: S seeds, C held-out towns.
"""

import json
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import permutations
from pathlib import Path

import torch

from agents.scripted import ScriptedPopulation
from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.facility_ladder import HELD_OUT_SEED, ROSTERS
from experiments.facility_oracles import Posterior, Prior, planner
from experiments.judging import Place, Tensors, judge
from experiments.saving_work import Bench, Unit, cpus, do_all, done
from experiments.statistics import Floats, Interval, crossed_interval, gap_share, way_share
from experiments.town_scale import TownScale, small, swm_budget
from experiments.town_table import plain
from learning.draws import child_seed
from mechanism.swm_ap import SWMSettings, swm_ap
from mechanism.transfer import as_it_is, carried, imagined_anew
from personas.rosters import open_rosters
from societies.catalog import load
from societies.facilities import Facilities
from societies.stage import Stage
from world_model.fit import quiet

TRACKED = True
NAME, TOWN = "people_not_in_training", "facility32"
BAR = 0.9  # of what training on that size gains over the trait-blind planner


def _swm() -> SWMSettings:
    base = TownScale().swm
    return replace(base, distil=replace(base.distil, planned_episodes=500))


@dataclass(frozen=True)
class Size:
    """How large the run is."""

    seeds: int = 10
    held_out: int = 200  # towns of every size
    decisions: int = 3_200  # real ones, at every size
    people: tuple[int, ...] = (8, 32, 128)
    anew: tuple[tuple[int, int], ...] = ((8, 32), (8, 128))  # learned anew in imagination: from, to
    swm: SWMSettings = field(default_factory=_swm)


def claim(smoke: bool) -> Outcome:
    """Learn at every size, go to every size, compare."""
    torch.set_num_threads(1)
    size = Size(2, 4, 160, (4, 8), ((4, 8),), small().swm) if smoke else Size()
    folder = workplace(NAME, smoke, TRACKED)
    same_settings(folder, asdict(size))
    units = [Unit(f"known-{n}", partial(_known, n, size)) for n in size.people]
    units += [
        Unit(f"from-{n}-{seed}", partial(_learn, n, seed, size)) for seed in range(size.seeds) for n in size.people
    ]
    do_all(units, folder, 1 if smoke else cpus(), time.time())
    return _outcome(Found(folder, size), smoke)


def town(agents: int) -> Facilities:
    """The town with that many people."""
    base = load(TOWN)
    assert isinstance(base, Facilities)
    return Facilities(f"{TOWN}, {agents} people", agents, base.side, base.tastes, base.objective, base.sites)


def place(agents: int, seed: int, held_out: int) -> Place:
    """The rosters of one seed and size."""
    society = town(agents)
    rosters = open_rosters(ROSTERS, agents, attributes=society.attributes_used, traits=society.traits_used)
    people = ScriptedPopulation(tells_distribution=False)
    training = Stage(society, people, rosters, child_seed(seed, f"{NAME}, {agents}"))
    return Place(training, Stage(society, people, rosters, HELD_OUT_SEED), held_out)


def _known(agents: int, size: Size, bench: Bench) -> None:
    bench.part("yardsticks", partial(_yardsticks, agents, size))


def _yardsticks(agents: int, size: Size) -> Tensors:
    """[1, C] each: planning with the true rules, by who never learns who is who and by exact Bayes."""
    at, society = place(agents, 0, size.held_out), town(agents)
    believes = {"blind": Prior(society), "bayes": Posterior(society)}
    return {name: judge(at, planner(society, own))["welfare"] for name, own in believes.items()}


def _learn(agents: int, seed: int, size: Size, bench: Bench) -> None:
    bench.part("judged", partial(_judged, agents, seed, size))


def _judged(agents: int, seed: int, size: Size) -> Tensors:
    """[1, C] welfare of the policy as it is in towns of every size, and of those learned anew."""
    at = place(agents, seed, size.held_out)
    episodes = size.decisions // at.training.decisions_per_episode
    learned = swm_ap(at.training, swm_budget(size.swm, episodes), child_seed(seed, "swm_ap"), quiet)
    found = dict[str, torch.Tensor]()
    for other in size.people:
        there, society = place(other, seed, size.held_out), town(other)
        model = carried(learned.model, size.swm, society)
        found[f"{other}"] = judge(there, as_it_is(learned.learned, model, society))["welfare"]
        if (agents, other) in size.anew:
            anew = imagined_anew(there.training, model, size.swm, child_seed(seed, "swm_ap"), quiet)
            found[f"{other} anew"] = judge(there, anew)["welfare"]
    return found


@dataclass(frozen=True)
class Found:
    """Reads the finished parts, in visits summed over the steps of an episode."""

    folder: Path
    size: Size

    def known(self, agents: int, name: str) -> Floats:
        """[C] of a yardstick."""
        return self._levels(done(self.folder, f"known-{agents}", "yardsticks")[name])[0]

    def levels(self, learned: int, judged: int, how: str = "") -> Floats:
        """[S, C] learned at one size, judged at another."""
        parts = [done(self.folder, f"from-{learned}-{seed}", "judged") for seed in range(self.size.seeds)]
        return self._levels(torch.cat([part[f"{judged}{how}"] for part in parts]))

    def _levels(self, welfare: torch.Tensor) -> Floats:
        return load(TOWN).steps * welfare.double().numpy()

    def moves(self) -> list[tuple[int, int, str]]:
        """From which size to which, and how."""
        return [(a, b, "") for a, b in permutations(self.size.people, 2)] + [(a, b, " anew") for a, b in self.size.anew]

    def kept(self, move: tuple[int, int, str]) -> Interval:
        """Of what training on the new size gains over the trait-blind planner, the share that came along."""
        _, there, _ = move
        return way_share(self.levels(*move), self.known(there, "blind"), self.levels(there, there))


def _outcome(found: Found, smoke: bool) -> Outcome:
    kept = {move: found.kept(move) for move in found.moves()}
    grown = {(a, b, how): share for (a, b, how), share in kept.items() if a < b}
    worst = min(grown, key=lambda move: grown[move].value)
    told = [f"{a} to {b}{how}: {share.value:.0%}" for (a, b, how), share in grown.items()]
    return Outcome(
        claim="what was learned with few people serves new people, and many more of them than were ever seen",
        passed=grown[worst].value >= BAR,
        figure=f"of the gain of training on that size, {', '.join(told)}",
        bar=f"{BAR:.0%} for every larger size",
        figures={
            "unit": "people who visit, as a share of all, summed over the steps of an episode",
            "sizes": {str(n): _of_size(found, n) for n in found.size.people},
            "kept": {f"{a} to {b}{how}": plain(share) for (a, b, how), share in kept.items()},
            "settings": json.loads(json.dumps(asdict(found.size))),
        },
        seeds=tuple(range(found.size.seeds)),
        smoke=smoke,
    )


def _of_size(found: Found, agents: int) -> dict[str, Json]:
    blind, bayes, own = found.known(agents, "blind"), found.known(agents, "bayes"), found.levels(agents, agents)
    levels = {f"from {a}{how}": found.levels(a, b, how) for a, b, how in found.moves() if b == agents}
    return {
        "real_episodes": found.size.decisions // (agents * load(TOWN).steps),
        "blind": plain(crossed_interval(blind[None])),
        "bayes": plain(crossed_interval(bayes[None])),
        "own": plain(crossed_interval(own)),
        "recovered": plain(gap_share(own, blind, bayes)),
        **{name: plain(crossed_interval(level)) for name, level in levels.items()},
    }
