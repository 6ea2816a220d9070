"""Claim: the learners of the facility towns are compared at settings that each of them was tuned to, by equal effort.

Every learner of `experiments.town_trials` has eight trials in two towns, on training and judged communities of their
own, and the winner is what the tables run. A trial's score is its mean welfare of a step at the end, over both towns.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.judging import Tensors
from experiments.saving_methods import ppo_curve
from experiments.saving_work import Bench, Unit, cpus, do_all, done
from experiments.town_methods import dreamer_curve, mbpo_curve, place, swm_at
from experiments.town_scale import small
from experiments.town_trials import WINNERS, dreamer_trials, mbpo_trials, ppo_trials, swm_trials
from mechanism.baselines.ppo import new_recurrent_policy

TRACKED = True
NAME = "town_tuning"
FIRST_SEED = 7000  # of the training communities; the tables' own are those from 0 on


@dataclass(frozen=True)
class Size:
    """How large the run is. Episodes are real ones."""

    towns: tuple[str, ...] = ("facility32", "facility8_sharp")
    seeds: int = 1
    held_out: int = 200  # tuning communities
    trials: int = 8
    ppo: int = 1_400  # episodes
    mbpo: int = 480
    dreamer: int = 160
    swm_ap: int = 10


LISTS: Mapping[str, Sequence[Any]] = {
    "swm_ap": swm_trials(),
    "mbpo": mbpo_trials(),
    "dreamer": dreamer_trials(),
    "recurrent": ppo_trials(),
    "ppo": ppo_trials(),
}


def claim(smoke: bool) -> Outcome:
    """Every trial of every learner, then who won."""
    torch.set_num_threads(1)
    size = Size(("facility8",), 1, 4, 2, 8, 8, 8, 2) if smoke else Size()
    lists = _small_lists() if smoke else LISTS
    folder = workplace(NAME, smoke, TRACKED)
    same_settings(folder, {"size": asdict(size), "trials": _plain(lists)})
    units = [
        Unit(f"{name}-{i}-{town}", partial(_trial, name, trial, town, size))
        for name, trials in lists.items()
        for i, trial in enumerate(trials)
        for town in size.towns
    ]
    do_all(units, folder, 1 if smoke else cpus(), time.time())

    def score(name: str, trial: int) -> float:
        parts = [done(folder, f"{name}-{trial}-{town}", str(seed)) for town in size.towns for seed in _seeds(size)]
        return float(torch.stack([part["welfare"].double().mean() for part in parts]).mean())

    scores = {name: [score(name, i) for i in range(len(trials))] for name, trials in lists.items()}
    return _outcome(scores, lists, size, smoke)


def _small_lists() -> Mapping[str, Sequence[Any]]:
    scale = small()
    few = {"ppo": scale.ppo, "recurrent": scale.recurrent, "mbpo": scale.mbpo}
    few |= {"dreamer": scale.dreamer, "swm_ap": scale.swm}
    return {name: (settings, settings) for name, settings in few.items()}


def _plain(lists: Mapping[str, Sequence[Any]]) -> dict[str, Json]:
    return {name: [json.loads(json.dumps(asdict(trial))) for trial in trials] for name, trials in lists.items()}


def _seeds(size: Size) -> range:
    return range(FIRST_SEED, FIRST_SEED + size.seeds)


def _trial(name: str, settings: Any, town: str, size: Size, bench: Bench) -> None:
    for seed in _seeds(size):
        bench.part(str(seed), partial(_learned, name, settings, town, seed, size))


def _learned(name: str, settings: Any, town: str, seed: int, size: Size) -> Tensors:
    """Welfare [1, C] at the end of one trial."""
    at = place(town, seed, size.held_out, tuning=True)
    make = {
        "ppo": partial(ppo_curve, at, settings, size.ppo, size.ppo, seed),
        "recurrent": partial(ppo_curve, at, settings, size.ppo, size.ppo, seed, new_recurrent_policy),
        "mbpo": partial(mbpo_curve, at, settings, size.mbpo, size.mbpo, seed),
        "dreamer": partial(dreamer_curve, at, settings, size.dreamer, size.dreamer, seed),
        "swm_ap": partial(swm_at, at, settings, size.swm_ap, seed),
    }
    return {"welfare": make[name]()["welfare"][-1:]}


def _outcome(
    scores: Mapping[str, Sequence[float]], lists: Mapping[str, Sequence[Any]], size: Size, smoke: bool
) -> Outcome:
    best = {name: max(range(len(own)), key=own.__getitem__) for name, own in scores.items()}
    other = [name for name in best if best[name] != WINNERS[name]]
    told = ", ".join(f"{name} {scores[name][i]:.4f} (trial {i})" for name, i in best.items())
    return Outcome(
        claim="every learner of the towns runs at the best of as many settings",
        passed=not other,
        figure=f"winners: {told}{f'; not what the tables run: {other}' if other else ''}",
        bar="the tables run the winners",
        figures={
            "unit": "mean welfare of a step on tuning communities, over both towns",
            "scores": {name: [round(score, 5) for score in own] for name, own in scores.items()},
            "trials": _plain(lists),
            "settings": json.loads(json.dumps(asdict(size))),
        },
        seeds=tuple(_seeds(size)),
        smoke=smoke,
    )
