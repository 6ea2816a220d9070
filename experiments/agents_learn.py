"""Claim: RL people come to their best responses, where these are known.

What is won by choosing well is counted from uniformly random choices (0) to the exact best response (1), all with the
same other people in the same worlds. Where mistakes are dear that says little: whoever always works 40 hours has all
but a thousandth of it too. So the share is told beside that is counted from the one choice that is best if all take it,
whoever they are and whatever the rules (0), to the best response (1).

- income_tax: one worker among three others who always work 40 hours, under rates that stay: dynamic programming over
  the hours of the last year, by the society's own `step`;
- llm_economist_v1: the hours that are best by the closed form z - T(z) - effort;
- matrix_game, five 2x2 games: the choice that is best against what the others do on the mean in that step, by people
  with one network for all, with one for each seat, and with a table;
- congestion_game: one driver among scripted ones of a town that stays, under tolls that stay: the road that is best
  against what those do on the mean.

Besides, magnetic mirror descent finds the four published equilibria of perturbed rock-paper-scissors
(`learning.mirror_descent`), and what one person could still gain is told for people who learned matching pennies,
where no choice is best in the end. Told beside, too, are the poorest tenth of llm_economist_v1, whose dollars are
few among all, and what the best of tables could gain: what others do in the same step is not seen, least of all in the
first.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from functools import partial
from math import isnan
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.known_hours import POOREST, dynamic_programming, economist
from experiments.known_responses import (
    AT_MOST,
    Gained,
    by_ppo,
    by_table,
    games,
    mirror_descent,
    pennies,
    roads,
)
from experiments.saving_work import Bench, Unit, cpus, do_all, done
from societies.people_ppo import BestResponseSettings
from societies.tabular import QSettings

TRACKED = True
NAME, PART, PENNIES = "agents_learn", "gained", "pennies"
SEED = 20_261_130
BAR, CLOSE = 0.98, 1e-3  # share of the gain; distance from an equilibrium
TABLE = QSettings(600, 256, parts=32)


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    seeds: int = 3
    iterations: int = 200
    decisions: int = 8_192
    table: QSettings = TABLE  # of those with a table
    worlds: int = 200  # held out


SMOKE = Scale(1, 2, 300, QSettings(2), 4)


def claim(smoke: bool) -> Outcome:
    """Every case by every way to learn that is meant for it."""
    torch.set_num_threads(1)
    scale, folder = SMOKE if smoke else Scale(), workplace(NAME, smoke, TRACKED)
    same_settings(folder, {"seed": SEED, **asdict(scale)})
    seeds = tuple(SEED + i for i in range(scale.seeds))
    units = [Unit(f"{case}-{seed}", partial(_unit, case, scale, seed)) for seed in seeds for case in CASES]
    do_all([*units, Unit(PENNIES, partial(_pennies, scale))], folder, 1 if smoke else cpus(), time.time())
    gained = {name: found for case in CASES for name, found in _gained(folder, case, seeds).items()}
    return _outcome(scale, gained, done(folder, PENNIES, PART), seeds, smoke)


def _unit(case: str, scale: Scale, seed: int, bench: Bench) -> None:
    def make() -> dict[str, Tensor]:
        found = CASES[case](scale, seed)
        return {name: torch.tensor(astuple(g), dtype=torch.float64) for name, g in found}

    bench.part(PART, make)


def _pennies(scale: Scale, bench: Bench) -> None:
    def make() -> dict[str, Tensor]:
        left = pennies(_ppo(scale), SEED)
        return {"gain": torch.tensor(left.gain), "error": torch.tensor(left.error)}

    bench.part(PART, make)


def _gained(folder: Path, case: str, seeds: Sequence[int]) -> dict[str, list[Gained]]:
    """By name and seed."""
    parts = [done(folder, f"{case}-{seed}", PART) for seed in seeds]
    return {name: [Gained(*part[name].tolist()) for part in parts] for name in parts[0]}


def _outcome(
    scale: Scale, gained: Mapping[str, list[Gained]], left: Mapping[str, Tensor], seeds: tuple[int, ...], smoke: bool
) -> Outcome:
    shares = {name: [each.share for each in found] for name, found in gained.items()}
    means, off = {name: mean(found) for name, found in shares.items()}, mirror_descent()
    worst = min((name for name in means if not _beside(name)), key=lambda name: means[name])
    figures: dict[str, Json] = {
        "share_of_gain": {name: list(found) for name, found in shares.items()},
        "share_beyond_one_choice_for_all": {name: _beyond(found) for name, found in gained.items()},
        "mean_payoff": {name: [asdict(each) for each in found] for name, found in gained.items()},
        "mean_share": dict(means),
        "worst": worst,
        "mirror_descent_off": off,
        "pennies_left_to_gain": float(left["gain"]),
        "pennies_left_to_gain_error": float(left["error"]),
        "scale": asdict(scale),
    }
    return Outcome(
        claim="RL people come to 98% of the way from random choices to exact best responses, in every case, and mirror "
        "descent to the four published equilibria",
        passed=means[worst] >= BAR and off <= CLOSE,
        figure=f"{means[worst]:.1%} of the gain at worst ({worst}); equilibria within {off:.0e}",
        bar=f"{BAR:.0%}, {CLOSE:g}",
        figures=figures,
        seeds=seeds,
        smoke=smoke,
    )


def _beyond(found: Sequence[Gained]) -> list[Json]:
    """By seed; None where one choice is best for all."""
    return [None if isnan(each.beyond) else each.beyond for each in found]


def _beside(name: str) -> bool:
    return AT_MOST in name or POOREST in name


def _ppo(scale: Scale) -> BestResponseSettings:
    return BestResponseSettings(scale.iterations, scale.decisions, discount=0.0)


Found = Iterable[tuple[str, Gained]]
"""(what, how much of it was gained)"""


def _income_tax(scale: Scale, seed: int) -> Found:
    return [("income_tax", dynamic_programming(_ppo(scale), seed, scale.worlds))]


def _economist(scale: Scale, seed: int) -> Found:
    return economist(_ppo(scale), seed, scale.worlds)


def _congestion(scale: Scale, seed: int) -> Found:
    return [("congestion_game", roads(_ppo(scale), seed, scale.worlds))]


def _one_network(scale: Scale, seed: int) -> Found:
    return _named("one network", games(by_ppo(_ppo(scale), True), seed, scale.worlds))


def _own_networks(scale: Scale, seed: int) -> Found:
    return _named("own networks", games(by_ppo(_ppo(scale), False), seed, scale.worlds))


def _a_table(scale: Scale, seed: int) -> Found:
    return _named("a table", games(by_table(scale.table), seed, scale.worlds))


def _named(way: str, found: Found) -> Found:
    return [(f"{name}, {way}", gained) for name, gained in found]


CASES: dict[str, Callable[[Scale, int], Found]] = {
    "income_tax": _income_tax,
    "economist": _economist,
    "congestion": _congestion,
    "one-network": _one_network,
    "own-networks": _own_networks,
    "a-table": _a_table,
}
