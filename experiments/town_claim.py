"""The tables of the facility towns: what a claim on one or more towns does, from the first unit to the figures.

Finished parts are kept in results/curves/, with the results: they are the curves behind every figure, and a run that
was broken off goes on from them, on another machine too.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from experiments.claims import Json, Outcome, result_file, same_settings, workplace
from experiments.figures import svg
from experiments.files import write_atomic
from experiments.saving_curves import Curves, Longer, finals, highest, lengthened, levelled_off
from experiments.saving_work import Unit, cpus, do_all
from experiments.statistics import interquartile_mean
from experiments.town_figures import learning_curves, scene
from experiments.town_scale import TownScale, small
from experiments.town_table import TownTable, banded, plain
from experiments.town_units import ablations, known, model_based, ppo_curves, recurrent, swm
from experiments.town_verdict import BAR, NEAR, RECOVERED, Verdict, verdict

MODEL_BASED = ("mbpo", "dreamer")


@dataclass(frozen=True)
class Run:
    """One session of the claim."""

    name: str
    scale: TownScale
    folder: Path
    smoke: bool
    started: float  # seconds since 1970

    def do(self, units: Sequence[Unit]) -> None:
        """All of them, in as many processes as there are processors."""
        do_all(units, self.folder, 1 if self.smoke else cpus(), self.started)


@dataclass(frozen=True)
class Town:
    """One finished town."""

    table: TownTable
    learned: dict[str, Curves]  # every learned baseline
    longer: list[Longer]  # what each longer schedule of PPO added
    verdict: Verdict

    @property
    def curves(self) -> dict[str, Curves]:
        """Every learner's, ours as one of its rising budgets."""
        ours = {m: self.table.swm(self.table.scale.budgets, m == "planned") for m in ("planned", "swm_ap")}
        return {**ours, **self.learned}


def outcome(name: str, towns: Sequence[str], smoke: bool) -> Outcome:
    """Every method in every town, the table, the figures and the verdict."""
    torch.set_num_threads(1)
    run = _open(name, smoke)
    found = [_town(run, town) for town in towns]
    for town in found:
        figure = svg(learning_curves(scene(town.table), town.curves))
        file = result_file(name, smoke).with_name(f"{name}-{town.table.town}.svg")
        write_atomic(file, lambda part, figure=figure: part.write_bytes(figure))
    return Outcome(
        claim="SWM-AP needs a small share of PPO's real decisions, ends above every learned baseline and near planning",
        passed=all(all(town.verdict.bars.values()) for town in found),
        figure="; ".join(town.verdict.headline() for town in found),
        bar=f"1/{1 / BAR:.0f}, {RECOVERED:.0%}, above every learned baseline, within {NEAR} of planning in its model",
        figures=_figures(run, found),
        seeds=tuple(range(run.scale.seeds)),
        smoke=smoke,
    )


def _open(name: str, smoke: bool) -> Run:
    scale = small() if smoke else TownScale()
    folder = workplace(name, smoke, tracked=True)
    same_settings(folder, asdict(scale))
    return Run(name, scale, folder, smoke, time.time())


def _town(run: Run, town: str) -> Town:
    scale, table = run.scale, TownTable(run.folder, town, run.scale)
    seeds, few = range(scale.seeds), range(scale.ablation_seeds)
    run.do([known(town, scale), *[swm(town, seed, scale) for seed in seeds]])
    ppo, steps, flat = _long_curves(run, table)
    best = highest(ppo)
    run.do([recurrent(town, best, seed, scale) for seed in seeds])
    run.do([model_based(town, name, seed, scale) for name in MODEL_BASED for seed in seeds])
    run.do([ablations(town, seed, scale) for seed in few])
    others = {"recurrent": f"recurrent-{best}", **{name: name for name in MODEL_BASED}}
    learned = {"ppo": ppo[best], **{name: table.parts(unit, "curve", scale.seeds) for name, unit in others.items()}}
    return Town(table, learned, steps, verdict(table, ppo, learned, flat))


def _long_curves(run: Run, table: TownTable) -> tuple[dict[int, Curves], list[Longer], bool]:
    """PPO's curves by horizon, short ones first, until a longer one adds little; what each longer one added; and did it
    come to that.
    """

    def of(horizon: int) -> Curves:
        run.do([ppo_curves(table.town, horizon, seed, run.scale) for seed in range(run.scale.seeds)])
        return table.ppo(horizon)

    untaught = float(table.known("random").mean())
    curves, steps = lengthened(of, run.scale.horizons, untaught)
    flat = levelled_off(curves, steps, untaught)
    return {horizon: of(horizon) for horizon in run.scale.sooner} | curves, steps, flat


def _figures(run: Run, found: Sequence[Town]) -> dict[str, Json]:
    methods = ("swm_ap", "planned", *found[0].learned)
    gaps = {m: [town.table.seed_gaps(finals(_at_the_end(town, m))) for town in found] for m in methods}
    return {
        "unit": "people who visit, as a share of all, summed over the steps of an episode",
        "towns": {town.table.town: _of_town(town) for town in found},
        "interquartile_mean_of_gap": {m: plain(interquartile_mean(own)) for m, own in gaps.items()},
        "held_out_communities": run.scale.held_out,
        "settings": json.loads(json.dumps(asdict(run.scale))),
        "counted": "every real episode that is learned from, those that observations are normalised by included; not "
        "the held-out evaluation, nor the choice of settings",
    }


def _at_the_end(town: Town, method: str) -> Curves:
    if method in town.learned:
        return town.learned[method]
    return town.table.swm(town.table.scale.budgets[-1:], method == "planned")


def _of_town(town: Town) -> dict[str, Json]:
    return {
        **town.verdict.plain(),
        "ppo_horizons": [asdict(step) for step in town.longer],
        "table": [row.plain() for row in town.table.rows(town.learned)],
        "curves": {m: banded(own).round(5).tolist() for m, own in town.curves.items()},
    }
