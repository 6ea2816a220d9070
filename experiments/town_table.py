"""The table of a facility town: every method's level, and its share of the way from yardstick to yardstick.

Levels are sums of visits over the steps of an episode, as in the towns' ladders. Shapes: S seeds, C communities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.claims import Json
from experiments.judging import Tensors
from experiments.saving_curves import Curves, finals, joined_curve
from experiments.saving_work import done
from experiments.statistics import Floats, Interval, crossed_interval, gap_share, mean_interval, seed_interval
from experiments.town_methods import ABLATIONS
from experiments.town_scale import TownScale
from experiments.town_units import KNOWN
from societies.catalog import load

LABELS = {
    "random": "random cells",
    "best_fixed": "best fixed cells",
    "k_median": "greedy k-median on homes",
    "blind_myopic": "trait-blind with the true rules, myopic",
    "blind": "trait-blind with the true rules, planned",
    "bayes_myopic": "exact Bayes, myopic",
    "bayes": "exact Bayes, planned",
    "oracle_myopic": "oracle, greedy",
    "oracle": "oracle, planned",
    "swm_ap": "SWM-AP",
    "planned": "planning in SWM-AP's model",
    "ppo": "model-free PPO",
    "recurrent": "model-free PPO, recurrent",
    "mbpo": "MBPO",
    "dreamer": "DreamerV3-style latent model",
    "equal_updates": "model-free PPO, equal gradient updates (no imagination)",
    "no_traits": "SWM-AP, a world model without traits",
    "three_kinds": "SWM-AP, three kinds instead of two",
    "oracle_traits": "SWM-AP told everyone's traits",
    "prior_only": "SWM-AP that never updates its beliefs",
    "point_estimate": "SWM-AP with the likeliest trait for certain",
    "no_forecast": "SWM-AP, no forecasts in the policy's inputs",
    "one_step_ahead": "SWM-AP, imagination of one step",
    "two_steps_ahead": "SWM-AP, imagination of two steps",
    "few_dreams": "SWM-AP, a twentieth of the dreams",
    "some_dreams": "SWM-AP, a fifth of the dreams",
    "ppo_in_dreams": "SWM-AP by PPO in imagination alone",
    "paper": "SWM-AP as in the paper: joint classes, learned dynamics",
}


@dataclass(frozen=True)
class Row:
    """One method with one amount of real experience."""

    method: str
    label: str
    episodes: float | None  # real ones it spent; None = it was given the true rules, 0 = none
    level: Interval  # visits as a share of all, summed over the steps
    gain: Interval  # of level over random cells, paired
    gap: Interval  # share of the way from the trait-blind planner to the oracle
    seeds: int
    over: Mapping[str, Interval]  # of level over others, paired: the same seeds and communities

    def plain(self) -> dict[str, Json]:
        """For JSON: intervals as [value, low, high]."""
        told = {name: plain(getattr(self, name)) for name in ("level", "gain", "gap")}
        return {**asdict(self), **told, "over": {name: plain(own) for name, own in self.over.items()}}


def plain(interval: Interval) -> list[Json]:
    """[value, low, high]"""
    return [round(v, 5) for v in (interval.value, interval.low, interval.high)]


@dataclass(frozen=True)
class TownTable:
    """Reads the finished parts of one town."""

    folder: Path  # the claim's workplace
    town: str
    scale: TownScale

    @property
    def steps(self) -> int:
        return load(self.town).steps

    @property
    def decisions_per_episode(self) -> int:
        return self.steps * load(self.town).agents

    def known(self, rung: str) -> Floats:
        """[C] level of a rung of the ladder."""
        return self.steps * done(self.folder, f"{self.town}-{KNOWN}", "ladder")[rung].double().numpy()

    def parts(self, unit: str, part: str, seeds: int) -> Curves:
        """One part of the first seeds, in levels."""
        return [_levels(done(self.folder, f"{self.town}-{unit}-{seed}", part), self.steps) for seed in range(seeds)]

    def ppo(self, horizon: int) -> Curves:
        """PPO's learning curves with that horizon."""
        return self.parts(f"ppo-{horizon}", "curve", self.scale.seeds)

    def swm(self, budgets: Sequence[int], planned: bool = False) -> Curves:
        """SWM-AP's independent runs at rising budgets as curves; or planning in the world models of the same runs."""
        at = {b: self.parts("swm_ap", str(b), self.scale.seeds) for b in budgets}
        if planned:
            at = {b: [{**part, "welfare": part["planned"]} for part in own] for b, own in at.items()}
        return [joined_curve([at[b][seed] for b in budgets]) for seed in range(self.scale.seeds)]

    def rows(self, learned: dict[str, Curves]) -> list[Row]:
        """Yardsticks, SWM-AP at every budget, the learned baselines at their end, then the ablations."""
        ends = {name: finals(curves) for name, curves in learned.items()}
        return [
            *[self.row(rung, self.known(rung)[None], None) for rung in LABELS if rung in _rungs()],
            *[
                self.row(name, finals(self.swm([budget], name == "planned")), budget, ends)
                for budget in self.scale.budgets
                for name in ("swm_ap", "planned")
            ],
            *[self.row(name, end, float(learned[name][0]["episodes"][-1])) for name, end in ends.items()],
            *self._ablated(ends),
        ]

    def _ablated(self, ends: Mapping[str, Floats]) -> list[Row]:
        """Over the whole method and the learned baselines, on the ablations' seeds."""
        few, at = self.scale.ablation_seeds, self.scale.ablation
        others = {name: end[:few] for name, end in {"swm_ap": finals(self.swm([at])), **ends}.items()}
        names = ("equal_updates", *ABLATIONS)
        return [self.row(name, finals(self.parts("ablations", name, few)), at, others) for name in names]

    def row(
        self, method: str, values: Floats, episodes: float | None, others: Mapping[str, Floats] | None = None
    ) -> Row:
        """values, and those of others that it is compared with: [S, C] levels."""
        level, gain = (_interval(x) for x in (values, values - self.known("random")))
        over = {name: paired(values, other) for name, other in (others or {}).items()}
        return Row(method, LABELS[method], episodes, level, gain, self.gap(values), len(values), over)

    def gap(self, values: Floats, high: str = "oracle") -> Interval:
        """The share of the way from the trait-blind planner to another rung."""
        return gap_share(values, self.known("blind"), self.known(high))

    def seed_gaps(self, values: Floats) -> Floats:
        """[S] that share to the oracle, by seed."""
        low, high = self.known("blind").mean(), self.known("oracle").mean()
        return (values.mean(1) - low) / (high - low)


def _interval(values: Floats) -> Interval:
    """Of [S, C]: over communities only, where there is one seed."""
    return mean_interval(values[0]) if len(values) == 1 else crossed_interval(values)


def banded(curves: Curves) -> Floats:
    """[P, 4] episodes, and the mean over seeds with its 95% interval, at every checkpoint of one method's curves."""
    levels = np.stack([curve["welfare"].double().mean(1).numpy() for curve in curves])  # [S, P]
    found = [seed_interval(level) for level in levels.T]
    return np.column_stack([curves[0]["episodes"].numpy(), [(f.value, f.low, f.high) for f in found]])


def _rungs() -> tuple[str, ...]:
    return tuple(LABELS)[: tuple(LABELS).index("swm_ap")]


def _levels(part: Tensors, steps: int) -> Tensors:
    return {name: steps * x if name in ("welfare", "planned") else x for name, x in part.items()}


def paired(ours: Floats, theirs: Floats) -> Interval:
    """Mean difference of [S, C] levels of the same seeds in the same communities."""
    return crossed_interval(np.asarray(ours - theirs))
