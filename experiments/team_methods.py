"""The methods of team formation's table: each learns from one training split, and is judged on held-out rosters."""

from dataclasses import replace

import torch

from agents.scripted import ScriptedPopulation
from experiments.judging import Place, Tensors, judge
from experiments.standing import HELD_OUT_SEED
from experiments.team_ladder import best_first, best_fixed, climb, ladder
from experiments.town_trials import TUNING_SEED
from learning.draws import child_seed
from mechanism.swm_teams import TeamSettings, swm_teams
from mechanism.team_planning import LearnedTeams
from societies.stage import Stage
from societies.teams import ALL_TOGETHER, STEPS

NAME = "team_formation"
FORMS = ("blunt", "six_kinds")  # of the world model: ablations that are learned anew


def place(seed: int, held_out: int, tuning: bool = False) -> Place:
    """The rosters of one seed, whose moves are only watched."""
    teams = ladder(NAME, held_out, 0)

    def stage(of: int) -> Stage:
        return Stage(teams.society, ScriptedPopulation(tells_distribution=False), teams.rosters, of)

    training = child_seed(seed, f"{NAME}, tuning" if tuning else NAME)
    return Place(stage(training), stage(TUNING_SEED if tuning else HELD_OUT_SEED), held_out)


def swm_at(at: Place, settings: TeamSettings, episodes: int, seed: int) -> Tensors:
    """SWM-AP with that many episodes: episodes [1], welfare [1, C]; imagined [1] episodes and the first partition."""
    outcome = swm_teams(at.training, episodes, settings, child_seed(seed, "swm_ap"))
    first = outcome.learned.first
    assert first is not None
    told = {"imagined": torch.tensor([outcome.imagined_episodes]), "first": torch.tensor([first])}
    return {**judge(at, outcome.learned, outcome.real_episodes), **told}


def ablated_at(at: Place, settings: TeamSettings, episodes: int, seed: int) -> Tensors:
    """Welfare [1, C] of every ablation by name: the same learned model, planned in with less."""
    whole = swm_teams(at.training, episodes, settings, child_seed(seed, "swm_ap")).learned
    return {name: judge(at, principal)["welfare"] for name, principal in ablations(whole).items()}


def other_form(name: str, settings: TeamSettings) -> TeamSettings:
    """SWM-AP with another form of world model. KeyError: no such form."""
    fit = settings.fit
    return replace(settings, fit={"blunt": replace(fit, blunt=True), "six_kinds": replace(fit, kinds=6)}[name])


def ablations(whole: LearnedTeams) -> dict[str, LearnedTeams]:
    """SWM-AP with one thing less, or other."""
    return {
        "no_probe": replace(whole, first=None),
        "together_first": replace(whole, first=ALL_TOGETHER),
        "prior_only": replace(whole, learns=False, first=None),  # its first partition was chosen for those who learn
        "one_draw": replace(whole, samples=1),
    }


def known_at(held_out: int, training: int) -> Tensors:
    """[C] mean welfare of a step of every rung of the ladder."""
    teams = ladder(NAME, held_out, training)
    found = climb(teams, best_fixed(teams))
    return {rung: level / STEPS for rung, level in found.items()}


def best_first_at(held_out: int, training: int) -> Tensors:
    """bayes_best_first [C]: mean welfare of a step of exact Bayes that begins with its best partition; `first` [1]."""
    first, level = best_first(ladder(NAME, held_out, 0), training)
    return {"bayes_best_first": level / STEPS, "first": torch.tensor([first])}
