"""Tuning by equal effort: every learner has its list of settings, each is tried once in every society, the best wins.

A trial's score is its mean welfare of a step at the end, over societies and seeds, on tuning communities that no table
uses.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.judging import Tensors
from experiments.saving_work import Bench, Unit, cpus, do_all, done

FIRST_SEED = 7000  # of the training communities; the tables' own are those from 0 on
Learn = Callable[[Any, str, int], Tensors]
"""(settings, society, seed) -> a learning curve: welfare [P, C]. It travels to another process."""


@dataclass(frozen=True)
class Learner:
    """What is tuned."""

    trials: Sequence[Any]  # its settings, dataclasses
    learn: Learn


@dataclass(frozen=True)
class Tuning:
    """A claim about who wins."""

    name: str  # of the claim
    claim: str
    societies: tuple[str, ...]
    seeds: int
    learners: Mapping[str, Learner]
    winners: Mapping[str, int]  # the trials that the tables run
    size: dict[str, Json]  # how large the run is

    @property
    def trials(self) -> dict[str, Json]:
        """Every learner's settings."""
        return {
            name: [json.loads(json.dumps(asdict(trial))) for trial in learner.trials]
            for name, learner in self.learners.items()
        }

    def outcome(self, smoke: bool) -> Outcome:
        """Every trial of every learner, then who won."""
        torch.set_num_threads(1)
        folder = workplace(self.name, smoke, tracked=True)
        same_settings(folder, {"size": self.size, "trials": self.trials})
        do_all(self._units(), folder, 1 if smoke else cpus(), time.time())

        def score(name: str, trial: int) -> float:
            units = [f"{name}-{trial}-{society}" for society in self.societies]
            parts = [done(folder, unit, str(seed)) for unit in units for seed in self._seeds()]
            return float(torch.stack([part["welfare"].double().mean() for part in parts]).mean())

        tried = {name: range(len(learner.trials)) for name, learner in self.learners.items()}
        return self._outcome({name: [score(name, i) for i in own] for name, own in tried.items()}, smoke)

    def _seeds(self) -> range:
        return range(FIRST_SEED, FIRST_SEED + self.seeds)

    def _units(self) -> list[Unit]:
        return [
            Unit(f"{name}-{i}-{society}", partial(_trial, learner.learn, trial, society, self._seeds()))
            for name, learner in self.learners.items()
            for i, trial in enumerate(learner.trials)
            for society in self.societies
        ]

    def _outcome(self, scores: Mapping[str, Sequence[float]], smoke: bool) -> Outcome:
        best = {name: max(range(len(own)), key=own.__getitem__) for name, own in scores.items()}
        other = [name for name in best if best[name] != self.winners[name]]
        told = ", ".join(f"{name} {scores[name][i]:.4f} (trial {i})" for name, i in best.items())
        return Outcome(
            claim=self.claim,
            passed=not other,
            figure=f"winners: {told}{f'; not what the tables run: {other}' if other else ''}",
            bar="the tables run the winners",
            figures={
                "unit": "mean welfare of a step on tuning communities, over all societies",
                "scores": {name: [round(score, 5) for score in own] for name, own in scores.items()},
                "trials": self.trials,
                "settings": self.size,
            },
            seeds=tuple(self._seeds()),
            smoke=smoke,
        )


def _trial(learn: Learn, settings: Any, society: str, seeds: Sequence[int], bench: Bench) -> None:
    """Parts: one for each seed, welfare [1, C] at the end."""
    for seed in seeds:
        bench.part(str(seed), partial(_end, learn, settings, society, seed))


def _end(learn: Learn, settings: Any, society: str, seed: int) -> Tensors:
    return {"welfare": learn(settings, society, seed)["welfare"][-1:]}
