"""How large team formation's table is, and the settings of every learner."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.town_trials import ppo_trials
from learning.ppo import PPOSettings
from mechanism.improve import ImproveSettings
from mechanism.swm_teams import TeamSettings
from world_model.team_kinds import TeamFit

WINNERS: Mapping[str, int] = {"ppo": 2, "recurrent": 2}
"""Of `ppo_trials`: those that do best in team formation; `solon claim team_tuning` finds them again."""


@dataclass(frozen=True)
class TeamScale:
    """Episodes are real ones."""

    seeds: int = 10
    held_out: int = 200  # rosters
    best_fixed_training: int = 1_000  # rosters that the best fixed sequence is found on
    best_first_training: int = 300  # rosters that exact Bayes's best first partition is found on
    budgets: tuple[int, ...] = (1, 2, 5, 10, 20)  # of SWM-AP, each learned anew
    ablation: int = 10  # episodes of the ablations; one of `budgets`
    ablation_seeds: int = 10  # the first ones
    horizons: tuple[int, ...] = (2_000, 2_800, 4_000, 5_600, 8_000, 11_200)  # of both PPOs, each about 40% longer
    sooner: tuple[int, ...] = (1_000, 1_400)  # shorter ones, which may reach the point sooner
    every: int = 160  # episodes between the checkpoints of a curve
    swm: TeamSettings = field(default_factory=TeamSettings)
    ppo: ImproveSettings = field(default_factory=lambda: ppo_trials()[WINNERS["ppo"]])
    recurrent: ImproveSettings = field(default_factory=lambda: ppo_trials()[WINNERS["recurrent"]])


def small() -> TeamScale:
    """Seconds instead of hours; proves nothing."""
    few = ImproveSettings(worlds=2, ppo=PPOSettings(epochs=1))
    return TeamScale(
        seeds=2,
        held_out=2,
        best_fixed_training=1,
        best_first_training=1,
        budgets=(1, 2),
        ablation=2,
        ablation_seeds=1,
        horizons=(6, 8),
        sooner=(4,),
        every=2,
        swm=TeamSettings(TeamFit(starts=1, steps=2), samples=1, probe_refits=1, probe_episodes=1),
        ppo=few,
        recurrent=few,
    )
