"""How large the tables of the facility towns are, and the settings of every learner."""

from dataclasses import dataclass, field, replace

from experiments.town_trials import WINNERS, dreamer_trials, mbpo_trials, ppo_trials, swm_trials
from learning.ppo import PPOSettings
from mechanism.baselines.dreamer_settings import DreamerSettings
from mechanism.baselines.mbpo import MBPOSettings
from mechanism.baselines.mbpo_model import AnswerFit
from mechanism.distil import DistilSettings
from mechanism.improve import ImproveSettings
from mechanism.swm_ap import SWMSettings
from world_model.fit import FitSettings


@dataclass(frozen=True)
class TownScale:
    """Episodes are real ones."""

    seeds: int = 10
    held_out: int = 200  # communities
    best_fixed_training: int = 400  # communities that the best fixed cells are found on
    budgets: tuple[int, ...] = (1, 2, 5, 10, 20, 50)  # of SWM-AP, each learned anew
    ablation: int = 20  # episodes of the ablations; one of `budgets`
    ablation_seeds: int = 5  # the first ones
    horizons: tuple[int, ...] = (1_400, 2_000, 2_800, 4_000, 5_600, 8_000, 11_200)  # of PPO, each about 40% longer
    sooner: tuple[int, ...] = (700, 1_000)  # shorter ones, which may reach the point sooner
    every: int = 160  # episodes between the checkpoints of a curve
    mbpo_episodes: int = 960
    dreamer_episodes: int = 320
    model_based_every: int = 40  # episodes between the checkpoints of the curves of these two
    swm: SWMSettings = field(default_factory=lambda: swm_trials()[WINNERS["swm_ap"]])
    ppo: ImproveSettings = field(default_factory=lambda: ppo_trials()[WINNERS["ppo"]])
    recurrent: ImproveSettings = field(default_factory=lambda: ppo_trials()[WINNERS["recurrent"]])
    mbpo: MBPOSettings = field(default_factory=lambda: mbpo_trials()[WINNERS["mbpo"]])
    dreamer: DreamerSettings = field(default_factory=lambda: dreamer_trials()[WINNERS["dreamer"]])


def small() -> TownScale:
    """Seconds instead of hours; proves nothing."""
    whole, few = TownScale(), PPOSettings(epochs=1)
    return TownScale(
        seeds=2,
        held_out=4,
        best_fixed_training=2,
        budgets=(1, 4),
        ablation=4,
        ablation_seeds=1,
        horizons=(8, 12),
        sooner=(6,),
        every=2,
        mbpo_episodes=8,
        dreamer_episodes=8,
        model_based_every=2,
        mbpo=MBPOSettings(worlds=2, members=2, fit=AnswerFit(steps=2), branches=2, updates=1, ppo=few),
        dreamer=DreamerSettings(batch_episodes=2, train_ratio=1.0, batch=2, imagined=1, deter=4, hidden=4),
        swm=replace(
            whole.swm,
            model=replace(whole.swm.model, members=2),
            fit=FitSettings(steps=3, kind_starts=2, start_steps=2, tracker_steps=2, accounting_steps=2),
            distil=DistilSettings(planned_episodes=4, epochs=1),
            improve=ImproveSettings(iterations=1, worlds=4, ppo=few),
        ),
        ppo=ImproveSettings(worlds=2, ppo=few),
        recurrent=ImproveSettings(worlds=2, ppo=few),
    )


def swm_budget(settings: SWMSettings, episodes: int) -> SWMSettings:
    """One round of exactly that many episodes, all under random rules."""
    return replace(settings, rounds=1, first_episodes=episodes, mixed_episodes=0, check_episodes=0)


def policy_updates(settings: SWMSettings, steps: int) -> int:
    """How many gradient steps SWM-AP's policy takes, in societies of that many steps an episode."""
    taught = settings.distil.epochs * -(-settings.distil.planned_episodes * steps // settings.distil.batch)
    return taught + settings.improve.iterations * settings.improve.ppo.epochs * settings.improve.ppo.minibatches
