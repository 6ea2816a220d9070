"""Claim: with people who are asked in words, SWM-AP chooses better sites than model-free PPO and greedy k-median.

The town is facility8; its people are a language model, the embedded one, that reads who it is and which places are
open. It tells the probability of every choice, and those are what the world model learns from. Every method has the
same few real episodes, and all are judged on the same held-out communities of the same language-model people.
"""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from agents.base import Population
from agents.embedded.engine import EmbeddedEngine
from agents.embedded.vocabulary import STAND_IN
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.judging import Place, judge
from experiments.provenance import embedded_weights
from experiments.saving_methods import ppo_at
from experiments.saving_work import Bench, Unit, cpus, do_all, done
from experiments.statistics import Floats, Interval, crossed_interval, mean_interval
from experiments.town_methods import place, swm_at
from experiments.town_scale import TownScale, small
from experiments.town_table import paired, plain
from mechanism.baselines.k_median import KMedian
from societies.catalog import load

NAME, TOWN = "language_agents_choose_sites", "facility8"
RIVALS = ("ppo", "k_median")


@dataclass(frozen=True)
class Scale:
    """Episodes are real ones."""

    seeds: int = 10
    held_out: int = 100  # communities
    budgets: tuple[int, ...] = (5, 20, 50)
    learners: TownScale = field(default_factory=TownScale)  # the settings with which they play scripted people


def claim(smoke: bool) -> Outcome:
    """Every method at every budget, then the paired differences."""
    torch.set_num_threads(1)
    scale = Scale(2, 3, (4, 6), small()) if smoke else Scale()
    folder = workplace(NAME, smoke)
    same_settings(folder, {"scale": asdict(scale), "embedded_model": embedded_weights()})
    units = [Unit("k_median", partial(_k_median, scale))]
    units += [Unit(f"learners-{seed}", partial(_learners, scale, seed)) for seed in range(scale.seeds)]
    do_all(units, folder, 1 if smoke else cpus(), time.time())
    return _outcome(scale, folder, smoke)


@contextmanager
def _people(bench: Bench) -> Generator[Population]:
    with Journal(bench.journal) as opened:
        yield LanguagePopulation(EmbeddedEngine(), opened, purpose=NAME)


def _asked(seed: int, held_out: int, who: Population) -> Place:
    """The town of one seed with these people, to learn in and to be judged in."""
    at = place(TOWN, seed, held_out)
    return replace(at, training=replace(at.training, population=who), judged=replace(at.judged, population=who))


def _k_median(scale: Scale, bench: Bench) -> None:
    with _people(bench) as who:
        at = _asked(0, scale.held_out, who)
        bench.part("judged", lambda: judge(at, KMedian(at.judged.society)))


def _learners(scale: Scale, seed: int, bench: Bench) -> None:
    with _people(bench) as who:
        at = _asked(seed, scale.held_out, who)
        for budget in scale.budgets:
            bench.part(f"swm_ap-{budget}", partial(swm_at, at, scale.learners.swm, budget, seed))
            bench.part(f"ppo-{budget}", partial(ppo_at, at, scale.learners.ppo, budget, seed))


@dataclass(frozen=True)
class Table:
    """The finished parts, in levels: visits as a share of all, summed over the steps."""

    scale: Scale
    folder: Path

    def method(self, name: str, budget: int) -> Floats:
        """[S, C] of a method, k-median as often as there are seeds."""
        if name == "k_median":
            one = self._levels("k_median", "judged")
            return np.repeat(one, self.scale.seeds, 0)
        return np.concatenate([self._levels(f"learners-{s}", f"{name}-{budget}") for s in range(self.scale.seeds)])

    def _levels(self, unit: str, part: str) -> Floats:
        """[1, C]"""
        return load(TOWN).steps * done(self.folder, unit, part)["welfare"][-1:].double().numpy()

    def level(self, name: str, budget: int) -> Interval:
        """Mean level of a method."""
        values = self.method(name, budget)
        return mean_interval(values[0]) if name == "k_median" else crossed_interval(values)

    def over(self, rival: str, budget: int) -> Interval:
        """SWM-AP less the rival, the same seeds in the same communities."""
        return paired(self.method("swm_ap", budget), self.method(rival, budget))


def _outcome(scale: Scale, folder: Path, smoke: bool) -> Outcome:
    table = Table(scale, folder)
    over = {budget: {rival: table.over(rival, budget) for rival in RIVALS} for budget in scale.budgets}
    levels = {budget: {m: table.level(m, budget) for m in ("swm_ap", *RIVALS)} for budget in scale.budgets}
    figures: dict[str, Json] = {
        "unit": "people who visit, as a share of all, summed over the steps of an episode",
        "levels": _plain(levels),
        "over": _plain(over),
        "held_out_communities": scale.held_out,
        "people": STAND_IN,
        "counted": "every real episode that is learned from; not the held-out evaluation",
    }
    return Outcome(
        claim="with language-model people SWM-AP chooses better sites than PPO and greedy k-median, from few episodes",
        passed=all(gain.low > 0 for row in over.values() for gain in row.values()),
        figure="; ".join(_headline(budget, row) for budget, row in over.items()),
        bar="every paired 95% interval is clear of 0",
        figures=figures,
        seeds=tuple(range(scale.seeds)),
        smoke=smoke,
    )


def _headline(budget: int, row: Mapping[str, Interval]) -> str:
    gains = ", ".join(f"{x.value:+.3f} [{x.low:+.3f}, {x.high:+.3f}] to {rival}" for rival, x in row.items())
    return f"{budget} episodes: {gains}"


def _plain(table: Mapping[int, Mapping[str, Interval]]) -> Json:
    return {str(budget): {name: plain(x) for name, x in row.items()} for budget, row in table.items()}
