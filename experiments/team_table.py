"""Claim: in team formation SWM-AP goes most of the way to exact Bayes, with few of PPO's real decisions.

SWM-AP plans in the world model that it learned (`mechanism.swm_teams`); PPO learns from real episodes alone, with sums
of the history or with a memory of its own, and decisions are counted against both. The way is that from the best fixed
sequence of partitions to exact Bayes after a probe, which is no upper bound: its plans are certainty-equivalent, and it
always begins with all together; the way to exact Bayes that begins with its best partition is told beside. Finished
parts are kept with the results.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from experiments.claims import Json, Outcome, result_file, same_settings, workplace
from experiments.figures import svg
from experiments.files import write_atomic
from experiments.judging import Tensors
from experiments.saving_curves import Curves, Longer, finals, highest, joined_curve, lengthened, levelled_off
from experiments.saving_verdict import Saving, fraction, saving
from experiments.saving_work import Unit, cpus, do_all, done
from experiments.statistics import Floats, Interval, crossed_interval, gap_share, interquartile_mean, mean_interval
from experiments.team_ladder import LABELS as RUNGS
from experiments.team_ladder import UNIT
from experiments.team_methods import FORMS
from experiments.team_scale import TeamScale, small
from experiments.team_units import KNOWN, known, ppo, recurrent, swm
from experiments.town_figures import Scene, learning_curves
from experiments.town_table import paired, plain
from societies.teams import AGENTS, STEPS, partition_name

TRACKED = True
NAME = "team_table"
WAY, SHARE = 0.9, 1 / 5  # of the way to Bayes, of PPO's real decisions
BEST_FIRST = "bayes_best_first"
LABELS = {
    **RUNGS,
    BEST_FIRST: "exact Bayes, planned after its best first partition",
    "swm_ap": "SWM-AP, planning in its model",
    "ppo": "model-free PPO",
    "recurrent": "model-free PPO, recurrent",
    "no_probe": "SWM-AP, its first partition planned like the others",
    "together_first": "SWM-AP, all together first",
    "prior_only": "SWM-AP that never updates its beliefs",
    "one_draw": "SWM-AP, one draw from its beliefs",
    "blunt": "SWM-AP, its world model blunt",
    "six_kinds": "SWM-AP, its world model of six kinds",
}
ABLATIONS = ("no_probe", "together_first", "prior_only", "one_draw", *FORMS)
PER_EPISODE = STEPS * AGENTS  # decisions of people


@dataclass(frozen=True)
class Trained:
    """One kind of PPO."""

    curves: dict[int, Curves]  # by horizon
    longer: list[Longer]  # what each longer schedule added
    levelled_off: bool


@dataclass(frozen=True)
class Found:
    """Everything that was measured, in levels: returns of whole episodes."""

    folder: Path
    scale: TeamScale
    trained: dict[str, Trained]  # both PPOs

    def known(self, rung: str) -> Floats:
        """[C]"""
        part = done(self.folder, KNOWN, "first" if rung == BEST_FIRST else "ladder")
        return STEPS * part[rung].double().numpy()

    def swm(self, budget: int) -> Curves:
        """SWM-AP with that many episodes, by seed."""
        return [_levels(done(self.folder, f"swm_ap-{seed}", str(budget))) for seed in range(self.scale.seeds)]

    @property
    def curve(self) -> Curves:
        """SWM-AP's independent runs at rising budgets as curves."""
        at = [self.swm(budget) for budget in self.scale.budgets]
        return [joined_curve(parts) for parts in zip(*at, strict=True)]

    @property
    def learned(self) -> dict[str, Curves]:
        """The learned baselines, each at the horizon at which it ends highest."""
        return {name: own.curves[highest(own.curves)] for name, own in self.trained.items()}

    def ablation(self, name: str) -> Floats:
        """[S, C] of the first seeds."""
        units = [f"swm_ap-{seed}" for seed in range(self.scale.ablation_seeds)]
        if name in FORMS:
            parts = [done(self.folder, own, name)["welfare"][0] for own in units]
        else:
            parts = [done(self.folder, own, "ablations")[name][0] for own in units]
        return STEPS * torch.stack(parts).double().numpy()

    def way(self, values: Floats, high: str = "bayes") -> Interval:
        """The share of the way from the best fixed sequence to exact Bayes after a probe, of [S, C] levels."""
        return gap_share(values, self.known("best_fixed"), self.known(high))

    def savings(self, untaught: str = "random") -> dict[str, Saving]:
        """Real decisions against those of either PPO, to 95% of its gain over the rung `untaught`."""
        start = self.known(untaught)
        return {name: saving(own.curves, self.curve, start, PER_EPISODE) for name, own in self.trained.items()}


def claim(smoke: bool) -> Outcome:
    """Every method, the table, the figure and the verdict."""
    torch.set_num_threads(1)
    found = _measured(small() if smoke else TeamScale(), smoke)
    scale, saved = found.scale, found.savings()
    end = finals(found.swm(scale.budgets[-1]))
    way, over = found.way(end), {name: paired(end, finals(curves)) for name, curves in found.learned.items()}
    shares = [own.share.value for own in saved.values()]
    bars = {
        "way": way.value >= WAY,
        "saving": all(share is not None and share <= SHARE for share in shares),
        "not_below_ppo": all(gain.high >= 0 for gain in over.values()),
        "ppo_levelled_off": all(own.levelled_off for own in found.trained.values()),
    }
    _draw(found, smoke)
    return Outcome(
        claim="SWM-AP goes most of the way to exact Bayes, with a small share of PPO's real decisions",
        passed=all(bars.values()),
        figure=_headline(way, saved, over, bars),
        bar=f"{WAY:.0%} of the way, 1/{1 / SHARE:.0f} of either PPO's real decisions, ends not below them",
        figures={
            "unit": UNIT,
            "way_to_bayes": plain(way),
            "way_by_seed": plain(interquartile_mean([_way_by_seed(found, end)])),
            "over_baselines": {name: plain(gain) for name, gain in over.items()},
            "savings": {name: {**own.plain()} for name, own in saved.items()},
            "savings_from_best_fixed": {name: {**own.plain()} for name, own in found.savings("best_fixed").items()},
            "ways": {name: plain(found.way(finals(curves))) for name, curves in found.learned.items()},
            "bars": {**bars},
            "horizons": {name: [asdict(step) for step in own.longer] for name, own in found.trained.items()},
            "table": _rows(found),
            "first_partitions": _firsts(found),
            "best_first_partition": partition_name(int(done(found.folder, KNOWN, "first")["first"][0])),
            "held_out_rosters": scale.held_out,
            "settings": json.loads(json.dumps(asdict(scale))),
        },
        seeds=tuple(range(scale.seeds)),
        smoke=smoke,
    )


def _measured(scale: TeamScale, smoke: bool) -> Found:
    folder, started = workplace(NAME, smoke, tracked=True), time.time()
    same_settings(folder, asdict(scale))
    seeds = range(scale.seeds)

    def do(units: Sequence[Unit]) -> None:
        do_all(units, folder, 1 if smoke else cpus(), started)

    def of(unit: Callable[[int, int, TeamScale], Unit], horizon: int) -> Curves:
        units = [unit(horizon, seed, scale) for seed in seeds]
        do(units)
        return [_levels(done(folder, own.name, "curve")) for own in units]

    def trained(unit: Callable[[int, int, TeamScale], Unit]) -> Trained:
        curves, steps = lengthened(partial(of, unit), scale.horizons, untaught)
        flat = levelled_off(curves, steps, untaught)
        return Trained({horizon: of(unit, horizon) for horizon in scale.sooner} | curves, steps, flat)

    do([known(scale), *[swm(seed, scale) for seed in seeds]])
    untaught = STEPS * float(done(folder, KNOWN, "ladder")["random"].mean())
    return Found(folder, scale, {"ppo": trained(ppo), "recurrent": trained(recurrent)})


def _levels(part: Tensors) -> Tensors:
    return {**part, "welfare": STEPS * part["welfare"]}


def _headline(way: Interval, saved: dict[str, Saving], over: dict[str, Interval], bars: dict[str, bool]) -> str:
    missed = [name.replace("_", " ") for name, met in bars.items() if not met]
    shares = ", ".join(f"{fraction(own.share)} of the decisions of {LABELS[name]}" for name, own in saved.items())
    ends = ", ".join(f"{gain.value:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})" for gain in over.values())
    told = f"{way.value:.0%} of the way to exact Bayes, {shares}, ends {ends} above them"
    return f"{told}{f', MISSED {missed}' if missed else ''}"


def _way_by_seed(found: Found, values: Floats) -> Floats:
    """[S]"""
    low, high = found.known("best_fixed").mean(), found.known("bayes").mean()
    return (values.mean(1) - low) / (high - low)


def _rows(found: Found) -> list[Json]:
    """Yardsticks, SWM-AP at every budget, the learned baselines at their end, the ablations."""
    scale, learned = found.scale, {name: finals(own) for name, own in found.learned.items()}
    ours = {budget: finals(found.swm(budget)) for budget in scale.budgets}
    whole = ours[scale.ablation][: scale.ablation_seeds]
    return [
        *[_row(found, rung, found.known(rung)[None], None, {}) for rung in (*RUNGS, BEST_FIRST)],
        *[_row(found, "swm_ap", own, budget, learned) for budget, own in ours.items()],
        *[_row(found, name, own, int(found.learned[name][0]["episodes"][-1]), {}) for name, own in learned.items()],
        *[_row(found, name, found.ablation(name), scale.ablation, {"swm_ap": whole}) for name in ABLATIONS],
    ]


def _row(found: Found, method: str, values: Floats, episodes: int | None, others: Mapping[str, Floats]) -> Json:
    """episodes: real ones it spent; None = it was given the true rules. Intervals are [value, low, high]; `over` are
    paired differences to others on the same seeds and rosters.
    """
    level = mean_interval(values[0]) if len(values) == 1 else crossed_interval(values)
    told: dict[str, Json] = {"method": method, "label": LABELS[method], "episodes": episodes, "seeds": len(values)}
    ways: dict[str, Json] = {"way": plain(found.way(values)), "way_to_best_first": plain(found.way(values, BEST_FIRST))}
    over: dict[str, Json] = {name: plain(paired(values, other)) for name, other in others.items()}
    return {**told, "level": plain(level), **ways, "over": over}


def _firsts(found: Found) -> dict[str, Json]:
    """Which partition SWM-AP begins with, at every budget: how many seeds do."""
    chosen = {b: [partition_name(int(part["first"][0])) for part in found.swm(b)] for b in found.scale.budgets}
    counted = {b: dict(zip(*np.unique(names, return_counts=True), strict=True)) for b, names in chosen.items()}
    return {str(b): {str(name): int(n) for name, n in own.items()} for b, own in counted.items()}


def _draw(found: Found, smoke: bool) -> None:
    yardsticks = {rung: float(found.known(rung).mean()) for rung in ("best_fixed", "bayes", BEST_FIRST, "oracle")}
    before = Scene("team_formation", UNIT, LABELS, yardsticks)
    figure = svg(learning_curves(before, {"swm_ap": found.curve, **found.learned}))
    write_atomic(result_file(NAME, smoke).with_suffix(".svg"), lambda part: part.write_bytes(figure))
