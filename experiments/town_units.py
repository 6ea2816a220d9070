"""The units of work of the facility towns' tables: which parts each has, under which names they are kept."""

from functools import partial

from experiments.saving_methods import ppo_at, ppo_curve
from experiments.saving_work import Bench, Unit
from experiments.town_methods import ABLATIONS, ablated, dreamer_curve, known_at, mbpo_curve, place, swm_at
from experiments.town_scale import TownScale, policy_updates
from mechanism.baselines.ppo import new_recurrent_policy
from societies.catalog import load

KNOWN = "known"


def known(town: str, scale: TownScale) -> Unit:
    """The one part: ladder, with the welfare of every rung [C]."""
    return Unit(f"{town}-{KNOWN}", partial(_known, town, scale))


def ppo_curves(town: str, horizon: int, seed: int, scale: TownScale) -> Unit:
    """The one part: curve."""
    return Unit(f"{town}-ppo-{horizon}-{seed}", partial(_ppo_curve, town, horizon, seed, scale))


def swm(town: str, seed: int, scale: TownScale) -> Unit:
    """Parts: one for each budget."""
    return Unit(f"{town}-swm_ap-{seed}", partial(_swm, town, seed, scale))


def ablations(town: str, seed: int, scale: TownScale) -> Unit:
    """Parts: the ablations by name, and PPO with as many gradient steps as SWM-AP's policy takes."""
    return Unit(f"{town}-ablations-{seed}", partial(_ablations, town, seed, scale))


def recurrent(town: str, horizon: int, seed: int, scale: TownScale) -> Unit:
    """The one part: curve, of recurrent PPO."""
    return Unit(f"{town}-recurrent-{horizon}-{seed}", partial(_recurrent, town, horizon, seed, scale))


def model_based(town: str, name: str, seed: int, scale: TownScale) -> Unit:
    """The one part: curve, of mbpo or dreamer."""
    return Unit(f"{town}-{name}-{seed}", partial(_model_based, town, name, seed, scale))


def _known(town: str, scale: TownScale, bench: Bench) -> None:
    bench.part("ladder", partial(known_at, town, scale))


def _ppo_curve(town: str, horizon: int, seed: int, scale: TownScale, bench: Bench) -> None:
    at = place(town, seed, scale.held_out)
    bench.part("curve", partial(ppo_curve, at, scale.ppo, horizon, scale.every, seed))


def _recurrent(town: str, horizon: int, seed: int, scale: TownScale, bench: Bench) -> None:
    at = place(town, seed, scale.held_out)
    bench.part("curve", partial(ppo_curve, at, scale.recurrent, horizon, scale.every, seed, new_recurrent_policy))


def _model_based(town: str, name: str, seed: int, scale: TownScale, bench: Bench) -> None:
    at, often = place(town, seed, scale.held_out), scale.model_based_every
    make = {
        "mbpo": partial(mbpo_curve, at, scale.mbpo, scale.mbpo_episodes, often, seed),
        "dreamer": partial(dreamer_curve, at, scale.dreamer, scale.dreamer_episodes, often, seed),
    }
    bench.part("curve", make[name])


def _swm(town: str, seed: int, scale: TownScale, bench: Bench) -> None:
    at = place(town, seed, scale.held_out)
    for budget in scale.budgets:
        bench.part(str(budget), partial(swm_at, at, scale.swm, budget, seed))


def _ablations(town: str, seed: int, scale: TownScale, bench: Bench) -> None:
    for name in ABLATIONS:
        at = place(town, seed, scale.held_out, told=name == "oracle_traits")
        bench.part(name, partial(swm_at, at, ablated(name, scale.swm), scale.ablation, seed))
    at, updates = place(town, seed, scale.held_out), policy_updates(scale.swm, load(town).steps)
    bench.part("equal_updates", partial(ppo_at, at, scale.ppo, scale.ablation, seed, updates))
