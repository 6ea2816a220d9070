"""The units of work of `imagination_saves_calls`: which parts each has, under which names they are kept."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from experiments.quoted import best_fixed_rates, result
from experiments.saving_methods import (
    ABLATIONS,
    SAME_PEOPLE,
    People,
    ablated,
    cma_curve,
    equal_updates,
    judge,
    place,
    population,
    ppo_at,
    ppo_curve,
    rates_at,
    saez_at,
    swm_at,
)
from experiments.saving_scale import Scale
from experiments.saving_work import Bench, Unit
from mechanism.baselines.fixed import default
from mechanism.improve import ImproveSettings
from mechanism.swm_ap import Keep, SWMSettings
from societies.catalog import load

CMA = {"cma_es_fixed": False, "cma_es_linear": True}  # name -> does it adapt?
REFERENCES = "references"


def ppo_trial(number: int, settings: ImproveSettings, scale: Scale) -> Unit:
    """Parts: one for each tuning seed."""
    return Unit(f"tuning-ppo-{number}", partial(_ppo_trial, settings, scale))


def swm_trial(number: int, settings: SWMSettings, scale: Scale) -> Unit:
    """Parts: one for each tuning seed."""
    return Unit(f"tuning-swm_ap-{number}", partial(_swm_trial, settings, scale))


def long_curve(settings: ImproveSettings, horizon: int, seed: int, scale: Scale) -> Unit:
    """The one part: curve."""
    return Unit(f"ppo-{horizon}-{seed}", partial(_long_curve, settings, horizon, seed, scale))


def swm_budgets(people: People, settings: SWMSettings, budgets: tuple[int, ...], seed: int, scale: Scale) -> Unit:
    """Parts: one for each budget."""
    return Unit(f"{people}-swm_ap-{seed}", partial(_swm_budgets, people, settings, budgets, seed, scale))


def swm_and_ablations(settings: SWMSettings, seed: int, scale: Scale) -> Unit:
    """On scripted people. Parts: one for each budget, then the ablations by name (the first seeds)."""
    return Unit(f"scripted-swm_ap-{seed}", partial(_swm_and_ablations, settings, seed, scale))


def rivals(ppo: ImproveSettings, swm: SWMSettings, seed: int, scale: Scale) -> Unit:
    """Parts: ppo-K and saez-K for each budget K, equal_updates of the ablations' seeds, and the curves of CMA-ES."""
    return Unit(f"scripted-rivals-{seed}", partial(_rivals, ppo, swm, seed, scale))


def ppo_budgets(people: People, settings: ImproveSettings, seed: int, scale: Scale) -> Unit:
    """Parts: ppo-K for each budget K."""
    return Unit(f"{people}-rivals-{seed}", partial(_ppo_budgets, people, settings, seed, scale))


def references(people: People, scale: Scale) -> Unit:
    """Parts: us_federal, and the schedules that are known."""
    return Unit(f"{people}-{REFERENCES}", partial(_references, people, scale))


def _ppo_trial(settings: ImproveSettings, scale: Scale, bench: Bench) -> None:
    with population("scripted", bench.journal) as who:
        for seed in range(scale.tuning_seeds):
            at = place(who, seed, scale.held_out, tuning=True)
            bench.part(str(seed), partial(ppo_curve, at, settings, scale.horizons[0], scale.every, seed))


def _swm_trial(settings: SWMSettings, scale: Scale, bench: Bench) -> None:
    with population("scripted", bench.journal) as who:
        for seed in range(scale.swm_tuning_seeds):
            at = place(who, seed, scale.held_out, tuning=True)
            keep = bench.keep(str(seed))
            bench.part(str(seed), partial(swm_at, at, settings, scale.tuning_budget, seed, keep))


def _long_curve(settings: ImproveSettings, horizon: int, seed: int, scale: Scale, bench: Bench) -> None:
    with population("scripted", bench.journal) as who:
        at = place(who, seed, scale.held_out)
        bench.part("curve", partial(ppo_curve, at, settings, horizon, scale.every, seed))


def communities(people: People, scale: Scale) -> int:
    """How many held-out ones these people are judged on."""
    return scale.embedded_held_out if people == "embedded" else scale.held_out


def _swm_budgets(
    people: People, settings: SWMSettings, budgets: tuple[int, ...], seed: int, scale: Scale, bench: Bench
) -> None:
    with population(people, bench.journal) as who:
        at = place(who, seed, communities(people, scale))
        for budget in budgets:
            keep = bench.keep(str(budget))
            bench.part(str(budget), partial(swm_at, at, settings, budget, seed, keep))


def _swm_and_ablations(settings: SWMSettings, seed: int, scale: Scale, bench: Bench) -> None:
    _swm_budgets("scripted", settings, scale.budgets, seed, scale, bench)
    if seed < scale.ablation_seeds:
        _ablations(settings, seed, scale, bench)


def _ablations(settings: SWMSettings, seed: int, scale: Scale, bench: Bench) -> None:
    for name in ABLATIONS:
        with population("hard" if name == "hard_actions" else "scripted", bench.journal) as who:
            at = place(who, seed, scale.held_out)
            keep = _kept(name, bench, scale)
            bench.part(name, partial(swm_at, at, ablated(name, settings), scale.ablation, seed, keep))


def _kept(name: str, bench: Bench, scale: Scale) -> Keep:
    """An ablation of what comes after the world model takes the model that the whole method has fitted."""
    own, whole = bench.keep(name), bench.keep(str(scale.ablation))

    def keep(part: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        return (whole if part == "people-0" and name in SAME_PEOPLE else own)(part, make)

    return keep


def _rivals(ppo: ImproveSettings, swm: SWMSettings, seed: int, scale: Scale, bench: Bench) -> None:
    _ppo_budgets("scripted", ppo, seed, scale, bench)
    with population("scripted", bench.journal) as who:
        at = place(who, seed, scale.held_out)
        for budget in scale.budgets:
            bench.part(f"saez-{budget}", partial(saez_at, at, budget))
        if seed < scale.ablation_seeds:
            bench.part("equal_updates", partial(equal_updates, at, ppo, swm, scale.ablation, seed))
        for name, adaptive in CMA.items():
            bench.part(name, partial(cma_curve, at, adaptive, scale.cma, seed))


def _ppo_budgets(people: People, settings: ImproveSettings, seed: int, scale: Scale, bench: Bench) -> None:
    with population(people, bench.journal) as who:
        at = place(who, seed, communities(people, scale))
        for budget in scale.budgets:
            bench.part(f"ppo-{budget}", partial(ppo_at, at, settings, budget, seed))


def _references(people: People, scale: Scale, bench: Bench) -> None:
    with population(people, bench.journal) as who:
        at = place(who, 0, communities(people, scale))
        bench.part("us_federal", partial(judge, at, default(at.judged.society)))
        for name, rates in known_schedules().items():
            bench.part(schedule_part(name, rates), partial(rates_at, at, rates))


def known_schedules() -> dict[str, Tensor]:
    """What `solon headroom income_tax` found with the true society: a schedule [M] and a path [T, M], if it was run."""
    found = result("headroom_income_tax")
    if found is None:
        return {}
    path = {"best_path": _whole(torch.tensor(found["figures"]["best_path"]))} if "best_path" in found["figures"] else {}
    return {"best_fixed": best_fixed_rates(), **path}


def _whole(path: Tensor) -> Tensor:
    """A path of the counted years only gets the default rules of the warm-up, which are in force then anyway."""
    society = load("income_tax")
    return torch.cat([society.default_mechanism().expand(society.steps - len(path), -1), path])


def schedule_part(name: str, rates: Tensor) -> str:
    """The part's name says which rates it is about: another headroom run may find others."""
    return f"{name}-{hashlib.sha256(rates.numpy().tobytes()).hexdigest()[:8]}"


def twin_gain() -> float | None:
    """Of the unlimited twin over the best fixed schedule, if `solon headroom income_tax` was run."""
    found = result("headroom_income_tax")
    return None if found is None else found["figures"].get("twin_gain")
