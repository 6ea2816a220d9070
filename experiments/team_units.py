"""The units of work of team formation's table: which parts each has, under which names they are kept."""

from functools import partial

from experiments.saving_methods import ppo_curve
from experiments.saving_work import Bench, Unit
from experiments.team_methods import FORMS, ablated_at, best_first_at, known_at, other_form, place, swm_at
from experiments.team_scale import TeamScale
from mechanism.baselines.ppo import new_recurrent_policy

KNOWN = "known"


def known(scale: TeamScale) -> Unit:
    """Parts: ladder, with the welfare of every rung [C]; first, with exact Bayes's best first partition."""
    return Unit(KNOWN, partial(_known, scale))


def swm(seed: int, scale: TeamScale) -> Unit:
    """Parts: one for each budget; for the first seeds the ablations, and one for each other form of the world model."""
    return Unit(f"swm_ap-{seed}", partial(_swm, seed, scale))


def ppo(horizon: int, seed: int, scale: TeamScale) -> Unit:
    """The one part: curve."""
    return Unit(f"ppo-{horizon}-{seed}", partial(_ppo, horizon, seed, scale))


def recurrent(horizon: int, seed: int, scale: TeamScale) -> Unit:
    """The one part: curve."""
    return Unit(f"recurrent-{horizon}-{seed}", partial(_recurrent, horizon, seed, scale))


def _known(scale: TeamScale, bench: Bench) -> None:
    bench.part("ladder", partial(known_at, scale.held_out, scale.best_fixed_training))
    bench.part("first", partial(best_first_at, scale.held_out, scale.best_first_training))


def _swm(seed: int, scale: TeamScale, bench: Bench) -> None:
    at = place(seed, scale.held_out)
    for budget in scale.budgets:
        bench.part(str(budget), partial(swm_at, at, scale.swm, budget, seed))
    if seed < scale.ablation_seeds:
        bench.part("ablations", partial(ablated_at, at, scale.swm, scale.ablation, seed))
        for form in FORMS:
            bench.part(form, partial(swm_at, at, other_form(form, scale.swm), scale.ablation, seed))


def _ppo(horizon: int, seed: int, scale: TeamScale, bench: Bench) -> None:
    at = place(seed, scale.held_out)
    bench.part("curve", partial(ppo_curve, at, scale.ppo, horizon, scale.every, seed))


def _recurrent(horizon: int, seed: int, scale: TeamScale, bench: Bench) -> None:
    at = place(seed, scale.held_out)
    bench.part("curve", partial(ppo_curve, at, scale.recurrent, horizon, scale.every, seed, new_recurrent_policy))
