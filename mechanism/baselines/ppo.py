"""Model-free PPO: the same networks and public observations as SWM-AP, learning from real episodes only.

Where rules are options there is a recurrent policy as well, which must find out for itself what to remember.
"""

from dataclasses import replace

from learning.draws import child_seed
from mechanism.improve import ImproveSettings, Lived, improve_by_ppo
from mechanism.observe_sequence import SequenceObserver
from mechanism.policy import Learned, untrained
from mechanism.policy_recurrent import RecurrentPolicy
from societies.stage import Stage
from world_model.fit import Progress


def new_policy(stage: Stage, seed: int) -> Learned:
    """An untrained policy that starts from the default mechanism and sees public aggregates, no belief."""
    return untrained(stage.society, None, child_seed(seed, "policy"))


def new_recurrent_policy(stage: Stage, seed: int) -> Learned:
    """An untrained policy that sees one step at a time and remembers. ValueError where rules are not options."""
    observer = SequenceObserver(stage.society)
    policy = RecurrentPolicy(stage.society, observer.a_step, child_seed(seed, "policy"))
    return Learned(stage.society, observer, policy)


def model_free_ppo(stage: Stage, learned: Learned, settings: ImproveSettings, seed: int, progress: Progress) -> None:
    """Improve `learned` in place; iteration i plays `settings.worlds` fresh real episodes."""
    improve_by_ppo(learned, Lived(stage), settings, seed, progress)


def with_equal_updates(settings: ImproveSettings, updates: int) -> ImproveSettings:
    """The same settings with as many passes over each batch as it takes to make about `updates` gradient steps."""
    a_pass = settings.iterations * settings.ppo.minibatches
    return replace(settings, ppo=replace(settings.ppo, epochs=max(1, round(updates / a_pass))))
