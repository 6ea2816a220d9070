"""The settings that the learners of the facility towns were tuned over: eight of each, the first chosen by hand before.

Each trial changes one thing of the first, which came out of trials by hand on the same tuning communities. Which one
won is written down in `WINNERS`, and `solon claim town_tuning` finds it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from learning.ppo import PPOSettings
from mechanism.baselines.dreamer_settings import DreamerSettings
from mechanism.baselines.mbpo import MBPOSettings
from mechanism.distil import DistilSettings
from mechanism.improve import ImproveSettings
from mechanism.swm_ap import SWMSettings
from world_model.fit import FitSettings
from world_model.model import ModelSettings

TUNING_SEED = 900_002  # of the communities that trials are judged on
WINNERS: Mapping[str, int] = {"ppo": 3, "recurrent": 3, "mbpo": 4, "dreamer": 3, "swm_ap": 5}


def ppo_trials() -> Sequence[ImproveSettings]:
    """Of model-free PPO; the same list for the recurrent one."""
    ppo = PPOSettings(learning_rate=2e-3, entropy=3e-3)
    base = ImproveSettings(worlds=32, ppo=ppo)
    return (
        base,
        replace(base, ppo=replace(ppo, learning_rate=1e-3)),
        replace(base, ppo=replace(ppo, learning_rate=4e-3)),
        replace(base, ppo=replace(ppo, entropy=1e-3)),
        replace(base, ppo=replace(ppo, entropy=1e-2)),
        replace(base, worlds=16),
        replace(base, worlds=64),
        replace(base, ppo=replace(ppo, epochs=8)),
    )


def mbpo_trials() -> Sequence[MBPOSettings]:
    """Of MBPO."""
    base = MBPOSettings()
    return (
        base,
        replace(base, ppo=replace(base.ppo, learning_rate=1e-3)),
        replace(base, ppo=replace(base.ppo, entropy=1e-2)),
        replace(base, updates=8),
        replace(base, branches=40),
        replace(base, grows=(20, 300)),
        replace(base, fit=replace(base.fit, steps=200)),
        replace(base, hidden=128),
    )


def dreamer_trials() -> Sequence[DreamerSettings]:
    """Of the DreamerV3-style learner."""
    base = DreamerSettings(train_ratio=64)
    return (
        base,
        replace(base, train_ratio=32),
        replace(base, train_ratio=128),
        replace(base, actor_rate=1e-3, critic_rate=1e-3),
        replace(base, entropy=1e-2),
        replace(base, model_rate=1e-3),
        replace(base, deter=128),
        replace(base, imagined=8),
    )


def swm_trials() -> Sequence[SWMSettings]:
    """Of SWM-AP."""
    base = SWMSettings(
        mixed_episodes=0,
        check_episodes=0,
        penalty=0.0,
        model=ModelSettings(form="linear", latent="kinds", traits=2),
        fit=FitSettings(steps=400, learning_rate=1e-2),
        distil=DistilSettings(planned_episodes=1000),
        improve=ImproveSettings(iterations=4, copies=4, ppo=PPOSettings(learning_rate=1e-4, entropy=1e-3)),
    )
    return (
        base,
        replace(base, fit=replace(base.fit, taste_sd=0.3)),
        replace(base, fit=replace(base.fit, taste_sd=1.0)),
        replace(base, distil=replace(base.distil, temperature=0.03)),
        replace(base, distil=replace(base.distil, epochs=20)),
        replace(base, distil=replace(base.distil, planned_episodes=2000)),
        replace(base, improve=replace(base.improve, iterations=20)),
        replace(base, penalty=0.1),
    )
