"""Claim: with a world model to imagine in, the principal needs a small share of the real decisions that PPO needs.

The measure: real decisions until the point where model-free PPO has made 95% of its whole gain over US federal rates,
on held-out communities. PPO is tuned with more trials than SWM-AP, its curve is extended until a run about 30% longer
adds nothing; of all its horizons the one that ends highest sets the point, and the one that reaches it soonest is the
rival. Every episode is counted with its warm-up; so are those that observations are normalised by, and SWM-AP's checks.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.provenance import embedded_weights
from experiments.saving_curves import Curves, Longer, finals, joined_curve, lengthened
from experiments.saving_scale import Scale, ppo_trials, small, swm_trials
from experiments.saving_table import Row, Table, embedded_rows, quoted_rows, scripted_rows
from experiments.saving_units import (
    long_curve,
    ppo_budgets,
    ppo_trial,
    references,
    rivals,
    swm_and_ablations,
    swm_budgets,
    swm_trial,
)
from experiments.saving_verdict import BAR, BAR_CMA, Saving, cma_savings, holds, saving
from experiments.saving_work import Unit, cpus, do_all, done
from mechanism.improve import ImproveSettings
from mechanism.swm_ap import SWMSettings
from societies.catalog import load

NAME = "imagination_saves_calls"


@dataclass(frozen=True)
class Run:
    """One session of the claim."""

    scale: Scale
    folder: Path  # the workplace
    workers: int
    started: float  # seconds since 1970
    per_episode: int  # real decisions of one episode

    def do(self, units: Sequence[Unit]) -> None:
        """All of them, in as many processes as there are processors."""
        do_all(units, self.folder, self.workers, self.started)

    def table(self) -> Table:
        """Of scripted people."""
        return Table(self.folder, "scripted", self.scale.seeds, self.per_episode)


@dataclass(frozen=True)
class Tuned:
    """The winners of each learner's trials."""

    ppo: ImproveSettings
    swm: SWMSettings
    scores: dict[str, list[float]]  # mean welfare on tuning communities, by trial


def claim(smoke: bool) -> Outcome:
    """Tuning, PPO's long curves, every method at small budgets, then SWM-AP beyond those where it has to go on."""
    torch.set_num_threads(1)
    run = _open(smoke)
    tuned = _tune(run)
    curves, steps = _long_curves(run, tuned.ppo)
    run.do(_units(run.scale, tuned))
    found = _saving(run, tuned.swm, curves)
    rows = scripted_rows(run.table(), run.scale, curves[found.ppo_highest])
    embedded = Table(run.folder, "embedded", run.scale.embedded_seeds, run.per_episode)
    ends: dict[str, Json] = {str(horizon): float(finals(own).mean()) for horizon, own in curves.items()}
    return _outcome(run, tuned, ends, steps, found, [*rows, *embedded_rows(embedded, run.scale)], smoke)


def _open(smoke: bool) -> Run:
    scale, folder, society = small() if smoke else Scale(), workplace(NAME, smoke), load("income_tax")
    same_settings(folder, {"scale": asdict(scale), "embedded_model": embedded_weights()})
    return Run(scale, folder, 1 if smoke else cpus(), time.time(), society.steps * society.agents)


def _tune(run: Run) -> Tuned:
    """Both learners' trials, on communities that nothing else is played or judged on."""
    ppo, swm = ppo_trials(run.scale), swm_trials(run.scale)
    units = {"ppo": [ppo_trial(i, trial, run.scale) for i, trial in enumerate(ppo)]}
    units["swm_ap"] = [swm_trial(i, trial, run.scale) for i, trial in enumerate(swm)]
    run.do([*units["swm_ap"], *units["ppo"]])  # the longest first, so that no processor waits long
    seeds = {"ppo": run.scale.tuning_seeds, "swm_ap": run.scale.swm_tuning_seeds}
    scores = {name: [_score(run, unit, seeds[name]) for unit in own] for name, own in units.items()}
    best = {name: own.index(max(own)) for name, own in scores.items()}
    return Tuned(ppo[best["ppo"]], swm[best["swm_ap"]], scores)


def _score(run: Run, unit: Unit, seeds: int) -> float:
    """Mean welfare at the end of a trial."""
    parts = [done(run.folder, unit.name, str(seed)) for seed in range(seeds)]
    return float(finals(parts).mean())


def _long_curves(run: Run, settings: ImproveSettings) -> tuple[dict[int, Curves], list[Longer]]:
    """PPO's curves by horizon, short ones first, until a longer one adds nothing; and what each longer one added."""

    def of(horizon: int) -> Curves:
        units = [long_curve(settings, horizon, seed, run.scale) for seed in range(run.scale.seeds)]
        run.do(units)
        return [done(run.folder, unit.name, "curve") for unit in units]

    curves, steps = lengthened(of, run.scale.horizons)
    return {horizon: of(horizon) for horizon in run.scale.sooner} | curves, steps


def _units(scale: Scale, tuned: Tuned) -> list[Unit]:
    """What depends on nothing but the tuned settings, the longest first."""
    seeds, few = range(scale.seeds), range(scale.embedded_seeds)
    return [
        *[swm_and_ablations(tuned.swm, seed, scale) for seed in seeds],
        *[swm_budgets("embedded", tuned.swm, scale.budgets, seed, scale) for seed in few],
        *[ppo_budgets("embedded", tuned.ppo, seed, scale) for seed in few],
        *[rivals(tuned.ppo, tuned.swm, seed, scale) for seed in seeds],
        references("embedded", scale),
        references("scripted", scale),
    ]


def _saving(run: Run, swm: SWMSettings, curves: dict[int, Curves]) -> Saving:
    """How much SWM-AP needs; seeds that have not reached PPO's point yet go on while the bar can still be met."""
    us, per_episode = run.table().us(), run.per_episode
    budgets, scale = run.scale.budgets, run.scale
    found = saving(curves, _swm_curves(run, [budgets] * scale.seeds), us, per_episode)
    tried = [budgets for _ in range(scale.seeds)]
    for budget in scale.beyond:
        late = [seed for seed in range(scale.seeds) if not found.swm[seed].reached]
        if not late or tried[late[0]][-1] * per_episode > BAR * found.needed_by_ppo:
            break
        run.do([swm_budgets("scripted", swm, (budget,), seed, scale) for seed in late])
        tried = [(*own, budget) if seed in late else own for seed, own in enumerate(tried)]
        found = saving(curves, _swm_curves(run, tried), us, per_episode)
    return found


def _swm_curves(run: Run, budgets: Sequence[Sequence[int]]) -> Curves:
    """SWM-AP of every seed: its independent runs at rising budgets, as checkpoints."""
    names = [f"scripted-swm_ap-{seed}" for seed in range(run.scale.seeds)]
    return [
        joined_curve([done(run.folder, name, str(b)) for b in own]) for name, own in zip(names, budgets, strict=True)
    ]


def _outcome(
    run: Run, tuned: Tuned, ends: dict[str, Json], steps: list[Longer], found: Saving, rows: list[Row], smoke: bool
) -> Outcome:
    swm = _swm_curves(run, [run.scale.budgets] * run.scale.seeds)
    cma = cma_savings(run.table(), swm)
    plateau = bool(steps) and steps[-1].nothing
    figures: dict[str, Json] = {
        **found.plain(),
        "ppo_levelled_off": plateau,
        "ppo_horizons": [asdict(step) for step in steps],
        "ppo_ends": ends,
        "against_cma_es": {name: own.plain() for name, own in cma.items()},
        "tuned": json.loads(json.dumps({"ppo": asdict(tuned.ppo), "swm_ap": asdict(tuned.swm)})),
        "tuning_scores": {name: [round(score, 5) for score in own] for name, own in tuned.scores.items()},
        "ablations_less_whole": run.table().less_whole(run.scale),
        "table": [row.plain() for row in rows],
        "quoted_rows": quoted_rows(rows),
        "held_out_communities": run.scale.held_out,
        "counted": "warm-up, normalising, exploration and checks; not the held-out evaluation nor the tuning",
    }
    return Outcome(
        claim="imagination saves nearly all of the real decisions that model-free PPO needs for the same welfare",
        passed=holds(found, plateau, cma["cma_es_fixed"]),
        figure=f"{found.headline()}{'' if plateau else '; PPO had not levelled off'}; {cma['cma_es_fixed'].headline()}",
        bar=f"1/{1 / BAR:.0f} of PPO's decisions, 1/{1 / BAR_CMA:.0f} of CMA-ES's",
        figures=figures,
        seeds=tuple(range(run.scale.seeds)),
        smoke=smoke,
    )
