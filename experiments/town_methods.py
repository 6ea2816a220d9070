"""The methods of the facility towns' tables: each learns from one training split, and is judged on held-out towns."""

from dataclasses import replace
from typing import Any

import torch

from agents.scripted import ScriptedPopulation
from experiments.facility_ladder import HELD_OUT_SEED, ROSTERS, climb, ladder
from experiments.judging import Checkpoints, Place, Tensors, judge
from experiments.open_town import OpenTown, Told
from experiments.town_scale import TownScale, swm_budget
from experiments.town_trials import TUNING_SEED
from learning.draws import child_seed
from mechanism.baselines.dreamer import dreamer
from mechanism.baselines.dreamer_settings import DreamerSettings
from mechanism.baselines.mbpo import MBPOSettings, mbpo
from mechanism.baselines.planning import planning
from mechanism.baselines.ppo import new_policy
from mechanism.beliefs import Beliefs
from mechanism.planning import Counted
from mechanism.swm_ap import Outcome, SWMSettings, swm_ap
from personas.rosters import open_rosters
from societies.base import Principal
from societies.catalog import load
from societies.facilities import Facilities
from societies.stage import Rosters, Stage
from world_model.fit import quiet

ABLATIONS = (
    "no_traits",
    "three_kinds",
    "oracle_traits",
    "prior_only",
    "point_estimate",
    "no_forecast",
    "one_step_ahead",
    "two_steps_ahead",
    "few_dreams",
    "some_dreams",
    "ppo_in_dreams",
    "paper",
)


def place(name: str, seed: int, held_out: int, tuning: bool = False, told: bool = False) -> Place:
    """The communities of one seed, whose people are watched. told: their traits are public."""
    society = load(name)
    assert isinstance(society, Facilities)
    rosters: Any = open_rosters(ROSTERS, society.agents, attributes=society.attributes_used, traits=society.traits_used)
    training = child_seed(seed, f"{name}, tuning" if tuning else name)
    judged = TUNING_SEED if tuning else HELD_OUT_SEED
    town, who = (OpenTown(society), Told(rosters)) if told else (society, rosters)
    return Place(_stage(town, who, training), _stage(town, who, judged), held_out)


def _stage(society: Facilities, rosters: Rosters, seed: int) -> Stage:
    return Stage(society, ScriptedPopulation(tells_distribution=False), rosters, seed)


def swm_at(at: Place, settings: SWMSettings, episodes: int, seed: int) -> Tensors:
    """SWM-AP with that many episodes; and planning in the world model that it has learned, `planned` [1, C]."""
    settings = swm_budget(settings, episodes)
    outcome = swm_ap(at.training, settings, child_seed(seed, "swm_ap"), quiet)
    imagined = torch.tensor([outcome.imagined_episodes])
    return {
        **judge(at, outcome.learned, outcome.real_episodes),
        **_planned(at, settings, outcome),
        "imagined": imagined,
    }


def _planned(at: Place, settings: SWMSettings, outcome: Outcome) -> Tensors:
    """Planning needs kinds and utilities: nothing where the model has none."""
    society = at.judged.society
    if settings.model.latent != "kinds" or not isinstance(society, Counted):
        return {}
    planner = planning(society, outcome.model, settings.beliefs, settings.distil.ahead)
    return {"planned": judge(at, planner)["welfare"]}


def mbpo_curve(at: Place, settings: MBPOSettings, episodes: int, every: int, seed: int) -> Tensors:
    """MBPO over at most that many episodes, judged on the way."""
    checkpoints, learned = Checkpoints(at), new_policy(at.training, seed)

    def after(spent: int) -> None:
        if due(spent, settings.worlds, every, episodes):
            checkpoints.add(spent, learned)

    mbpo(at.training, learned, settings, episodes, seed, quiet, after)
    return checkpoints.tensors()


def dreamer_curve(at: Place, settings: DreamerSettings, episodes: int, every: int, seed: int) -> Tensors:
    """The DreamerV3-style learner over that many episodes, judged on the way."""
    checkpoints = Checkpoints(at)

    def after(spent: int, principal: Principal) -> None:
        if due(spent, settings.batch_episodes, every, episodes):
            checkpoints.add(spent, principal)

    dreamer(at.training, settings, episodes, seed, quiet, after)
    return checkpoints.tensors()


def due(spent: int, batch: int, every: int, episodes: int) -> bool:
    """Is it time to judge, after another batch: every so many episodes, and at the end?"""
    return spent + batch > episodes or spent // every > (spent - batch) // every


def ablated(name: str, settings: SWMSettings) -> SWMSettings:
    """SWM-AP without the named part, or with another. ValueError: no such ablation."""
    model, distil = settings.model, settings.distil
    changed = {
        "no_traits": replace(settings, model=replace(model, traits=1)),
        "three_kinds": replace(settings, model=replace(model, traits=3)),
        "oracle_traits": replace(settings, model=replace(model, traits=1)),  # there it is the town that tells more
        "prior_only": _believing("prior", settings),
        "point_estimate": _believing("point", settings),
        "no_forecast": replace(settings, use_forecast=False),
        "one_step_ahead": replace(settings, distil=replace(distil, ahead=1)),
        "two_steps_ahead": replace(settings, distil=replace(distil, ahead=2)),
        "few_dreams": replace(settings, distil=replace(distil, planned_episodes=distil.planned_episodes // 20)),
        "some_dreams": replace(settings, distil=replace(distil, planned_episodes=distil.planned_episodes // 5)),
        "ppo_in_dreams": _by_ppo_alone(settings),
        "paper": replace(
            _by_ppo_alone(settings),
            use_forecast=False,
            fit=replace(settings.fit, steps=2 * settings.fit.steps, learning_rate=settings.fit.learning_rate / 2),
            model=replace(model, latent="joint", traits=4, form="mlp", dynamics="learned"),
        ),
    }
    if name not in changed:
        raise ValueError(f"there is no ablation {name!r}; choose from {', '.join(changed)}")
    return changed[name]


def _believing(beliefs: Beliefs, settings: SWMSettings) -> SWMSettings:
    return replace(settings, beliefs=beliefs)


def _by_ppo_alone(settings: SWMSettings) -> SWMSettings:
    """Nothing is planned: PPO in imagination from the start, on as many dreams and with its own learning rate."""
    ppo = replace(settings.improve.ppo, learning_rate=2e-3, entropy=3e-3)
    iterations = max(1, settings.distil.planned_episodes // settings.improve.worlds) * 4
    improve = replace(settings.improve, iterations=iterations, ppo=ppo)
    return replace(settings, distil=replace(settings.distil, planned_episodes=0), improve=improve)


def known_at(name: str, scale: TownScale) -> Tensors:
    """[C] mean welfare of a step, of every rung of the town's ladder on the held-out communities."""
    found = climb(ladder(name, scale.held_out, scale.best_fixed_training))
    return {rung: level / load(name).steps for rung, level in found.items()}
