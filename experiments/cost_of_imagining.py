"""Claim: what a step of the principal in imagination costs grows no faster than the number of people imagined.

Towns as facility32 with 2 to 1,000 people. A policy is improved by PPO in imagined episodes: people are drawn and
answer, beliefs are tracked, options are forecast, the policy acts, and is updated on all of it as in SWM-AP. Every size
is run in a process of its own, one thread each, in turn and several times over, after a short run that is not timed.
The first episodes, by which PPO sets its scales, take time here but are not counted as steps.

The paper gives 0.91, 1.15, 1.93, 3.45 and 5.25 hours for 2, 4, 8, 16 and 32 agents on one GPU (arXiv 2510.19270).
"""

import json
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
import typer

from experiments.claims import Json, Outcome
from experiments.people_not_in_training import place
from experiments.town_scale import TownScale
from mechanism.dreams import Dreams
from mechanism.improve import ImproveSettings, improve_by_ppo
from mechanism.policy import untrained
from world_model.fit import quiet
from world_model.model import WorldModel

UNIT = 100_000  # steps of the principal that cost is told for
PAPER = {2: 0.91, 4: 1.15, 8: 1.93, 16: 3.45, 32: 5.25}  # hours, as quoted
GROWS = 1.1  # cost per agent, over that of the next smaller size: more is growth, less is the noise of a machine


@dataclass(frozen=True)
class Size:
    """How large the run is."""

    people: tuple[int, ...] = (2, 4, 8, 16, 32, 128, 1000)
    repeats: int = 5
    rounds: int = 4  # of PPO that are timed
    agents_at_once: int = 12_800  # imagined in one round, as near as may be; worlds come in multiples of 20


class Cost(NamedTuple):
    """Of one run of one size."""

    steps: int  # of the principal
    wall: float  # seconds
    processor: float  # seconds
    memory: int  # bytes that the process held at most, beyond what it held before


def claim(smoke: bool) -> Outcome:
    """Measure every size in turn, again and again."""
    size = Size((2, 8), 2, 1, 160) if smoke else Size()
    found: dict[int, list[Cost]] = {n: [] for n in size.people}
    for i in range(size.repeats):
        for n in size.people:
            found[n].append(_alone(n, size))
            typer.echo(f"repeat {i + 1}, {n} people: {_hours(found[n][-1].wall, found[n][-1].steps):.4f} hours")
    return _outcome(found, size, smoke)


def _alone(people: int, size: Size) -> Cost:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, people, size).result()


def worlds_of(people: int, size: Size) -> int:
    """Imagined worlds of a round of PPO: a multiple of 20, which copies and members share out."""
    return 20 * min(10, max(1, size.agents_at_once // (20 * people)))


def measure(people: int, size: Size) -> Cost:
    """What improving a policy costs among so many people."""
    torch.set_num_threads(1)
    stage, swm = place(people, 0, 1).training, TownScale().swm
    model = WorldModel(stage.society, swm.model, 0).requires_grad_(False)
    dreams, learned = Dreams(stage, model, 0, False), untrained(stage.society, model, 0, forecast=True)
    settings = ImproveSettings(size.rounds, worlds_of(people, size), 4, swm.improve.ppo)
    held = _most_held()
    improve_by_ppo(learned, dreams.rewards, replace(settings, iterations=1), 0, quiet)
    wall, processor = time.perf_counter(), time.process_time()
    improve_by_ppo(learned, dreams.rewards, settings, 1, quiet)
    spent = (time.perf_counter() - wall, time.process_time() - processor)
    return Cost(size.rounds * settings.worlds * stage.society.steps, *spent, _most_held() - held)


def _most_held() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def _hours(seconds: float, steps: int) -> float:
    return seconds / steps * UNIT / 3600


def _outcome(found: dict[int, list[Cost]], size: Size, smoke: bool) -> Outcome:
    hours = {n: [_hours(cost.wall, cost.steps) for cost in own] for n, own in found.items()}
    processor = {n: [_hours(cost.processor, cost.steps) for cost in own] for n, own in found.items()}
    each = {n: median(own) / n for n, own in hours.items()}
    growth = {f"{a} to {b}": each[b] / each[a] for a, b in pairwise(size.people)}
    worst = max(growth, key=lambda step: growth[step])
    first, last = size.people[0], size.people[-1]
    told = ", ".join(f"{n}: {median(own):.3f}" for n, own in hours.items())
    return Outcome(
        claim="a step of the principal in imagination costs no more per person, the more people are imagined",
        passed=growth[worst] <= GROWS,
        figure=f"hours per 100k steps {told}; per person times {each[last] / each[first]:.3f} from {first} to {last}, "
        f"times {growth[worst]:.2f} at worst ({worst})",
        bar=f"cost per person times {GROWS} at most from size to size",
        figures={
            "hours_per_100k_steps": {str(n): _spread(own) for n, own in hours.items()},
            "processor_hours": {str(n): _spread(own) for n, own in processor.items()},
            "megabytes": {str(n): median(c.memory for c in own) / 1e6 for n, own in found.items()},
            "worlds": {str(n): worlds_of(n, size) for n in size.people},
            "cost_per_person_from_size_to_size": {**growth},
            "hours_in_the_paper": {str(n): h for n, h in PAPER.items()},
            "settings": json.loads(json.dumps(asdict(size))),
        },
        seeds=(0,),
        smoke=smoke,
    )


def _spread(values: Sequence[float]) -> list[Json]:
    """[median, least, most]"""
    return [float(x) for x in (median(values), np.min(values), np.max(values))]
