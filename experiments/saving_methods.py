"""The methods of `imagination_saves_calls`: each learns from one training split and is judged on held-out communities.

Shapes: P checkpoints, C held-out communities.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from agents.base import Population
from agents.scripted import ScriptedPopulation
from experiments.errors import ROOT
from experiments.judging import Checkpoints, Place, Tensors, judge
from experiments.ladder import HELD_OUT_SEED
from experiments.saving_scale import TUNING_SEED, gradient_steps, ppo_budget, ppo_horizon, swm_budget
from learning.draws import child_seed, draws
from mechanism.baselines.cma_es import EPISODES_A_CANDIDATE, cma_es
from mechanism.baselines.ppo import model_free_ppo, new_policy, with_equal_updates
from mechanism.baselines.saez import saez
from mechanism.explore import RandomRules
from mechanism.improve import ImproveSettings
from mechanism.policy import Learned
from mechanism.search import SearchSettings
from mechanism.swm_ap import Keep, SWMSettings, swm_ap
from personas.rosters import open_rosters
from societies.base import Principal
from societies.catalog import load
from societies.library.income_tax import full_time_income
from societies.play import Fixed
from societies.stage import Stage
from world_model.fit import quiet

People = Literal["scripted", "hard", "embedded"]
"""Scripted people who tell whole distributions, scripted people who tell single actions, the embedded model."""

ABLATIONS = ("no_traits", "no_beliefs", "no_penalty", "backprop", "mlp_head", "hard_actions")
SAME_PEOPLE = ("no_beliefs", "no_penalty", "backprop")  # they take the whole method's world model


@contextmanager
def population(people: People, journal: Path) -> Generator[Population]:
    """Those who decide. `journal` is opened for the embedded model only."""
    if people != "embedded":
        yield ScriptedPopulation(tells_distribution=people == "scripted")
        return
    from agents.embedded.engine import EmbeddedEngine  # it takes transformers along, which scripted people do not need
    from agents.llm.journal import Journal
    from agents.llm.population import LanguagePopulation

    with Journal(journal) as opened:
        yield LanguagePopulation(EmbeddedEngine(), opened, purpose="imagination_saves_calls")


def place(who: Population, seed: int, held_out: int, tuning: bool = False) -> Place:
    """The communities of one seed; those of tuning are separate throughout."""
    society = load("income_tax")
    rosters = open_rosters(ROOT / "personas/populations/communities.yaml", society.agents)
    training = child_seed(seed, "tuning" if tuning else "imagination_saves_calls")
    judged = TUNING_SEED if tuning else HELD_OUT_SEED
    return Place(Stage(society, who, rosters, training), Stage(society, who, rosters, judged), held_out)


def ppo_curve(
    at: Place,
    settings: ImproveSettings,
    episodes: int,
    every: int,
    seed: int,
    new: Callable[[Stage, int], Learned] = new_policy,
) -> Tensors:
    """Model-free PPO over at most that many episodes, its learning rate falling to the end, judged on the way."""
    settings, checkpoints = ppo_horizon(settings, episodes), Checkpoints(at)
    learned = new(at.training, seed)

    def after(_: str, done: int, of: int, __: float) -> None:
        spent = settings.worlds * (done + 1)
        if done == of or spent // every > (spent - settings.worlds) // every:
            checkpoints.add(spent, learned)

    model_free_ppo(at.training, learned, settings, seed, after)
    return checkpoints.tensors()


def ppo_at(at: Place, settings: ImproveSettings, episodes: int, seed: int, updates: int | None = None) -> Tensors:
    """Model-free PPO with that many episodes. `updates`: as many gradient steps instead of its own number."""
    small = ppo_budget(settings, episodes)
    small = small if updates is None else with_equal_updates(small, updates)
    return ppo_curve(at, small, episodes, 10 * episodes, seed)


def swm_at(at: Place, settings: SWMSettings, episodes: int, seed: int, keep: Keep) -> Tensors:
    """SWM-AP with that many episodes; also what its checks say that adapting gains [1], in dream and in life."""
    outcome = swm_ap(at.training, swm_budget(settings, episodes), child_seed(seed, "swm_ap"), quiet, keep)
    checks = {} if not outcome.checks else _gains(outcome.checks[-1].dreamt_gain, outcome.checks[-1].real_gain)
    return {**judge(at, outcome.learned, outcome.real_episodes), **checks}


def _gains(dreamt: float, real: float) -> Tensors:
    return {"dreamt_gain": torch.tensor([dreamt]), "real_gain": torch.tensor([real])}


def ablated(name: str, settings: SWMSettings) -> SWMSettings:
    """SWM-AP without the named part. ValueError: no such ablation."""
    changed = {
        "no_traits": replace(settings, model=replace(settings.model, traits=0)),
        "no_beliefs": replace(settings, beliefs="none"),
        "no_penalty": replace(settings, penalty=0.0),
        "backprop": replace(settings, optimizer="backprop"),
        "mlp_head": replace(settings, model=replace(settings.model, form="mlp")),
        "hard_actions": settings,  # there it is the people who tell less
    }
    if name not in changed:
        raise ValueError(f"there is no ablation {name!r}; choose from {', '.join(changed)}")
    return changed[name]


def equal_updates(at: Place, ppo: ImproveSettings, swm: SWMSettings, episodes: int, seed: int) -> Tensors:
    """No imagination: PPO on the real episodes alone, with as many gradient steps as SWM-AP takes in imagination."""
    return ppo_at(at, ppo, episodes, seed, gradient_steps(swm))


def cma_curve(at: Place, adaptive: bool, settings: SearchSettings, seed: int) -> Tensors:
    """CMA-ES on real episodes, judged after every second generation, and at the end."""
    checkpoints, each = Checkpoints(at), settings.candidates * EPISODES_A_CANDIDATE

    def after(episodes: int, principal: Principal) -> None:
        if episodes // each % 2 == 0 or episodes == each * settings.generations:
            checkpoints.add(episodes, principal)

    cma_es(at.training, adaptive, settings, child_seed(seed, "cma_es"), after)
    return checkpoints.tensors()


def saez_at(at: Place, episodes: int) -> Tensors:
    """Saez's schedule, its elasticity estimated from that many episodes under random rules."""
    rules = RandomRules(at.training.society, draws(at.training.seed, 0, episodes))
    seen = at.training.play(rules, 0, episodes)
    return judge(at, saez(seen, full_time_income(seen.features[:, 0])), episodes)


def rates_at(at: Place, rates: Tensor) -> Tensors:
    """A schedule [M], or a path of them [T, M], that somebody else found."""
    return judge(at, Fixed(rates))
