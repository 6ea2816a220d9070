"""Claim: the learners of the facility towns are compared at settings that each of them was tuned to, by equal effort.

Every learner of `experiments.town_trials` has eight trials in two towns (`experiments.tuning`), and the winner is what
the tables run.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial

from experiments.claims import Outcome
from experiments.judging import Tensors
from experiments.saving_methods import ppo_curve
from experiments.town_methods import dreamer_curve, mbpo_curve, place, swm_at
from experiments.town_scale import small
from experiments.town_trials import WINNERS, dreamer_trials, mbpo_trials, ppo_trials, swm_trials
from experiments.tuning import Learner, Tuning
from mechanism.baselines.dreamer_settings import DreamerSettings
from mechanism.baselines.mbpo import MBPOSettings
from mechanism.baselines.ppo import new_policy, new_recurrent_policy
from mechanism.improve import ImproveSettings
from mechanism.policy import Learned
from mechanism.swm_ap import SWMSettings
from societies.stage import Stage

TRACKED = True


@dataclass(frozen=True)
class Size:
    """How large the run is. Episodes are real ones."""

    towns: tuple[str, ...] = ("facility32", "facility8_sharp")
    seeds: int = 1
    held_out: int = 200  # tuning communities
    trials: int = 8
    ppo: int = 1_400  # episodes
    mbpo: int = 480
    dreamer: int = 160
    swm_ap: int = 10


def claim(smoke: bool) -> Outcome:
    """Every trial of every learner, then who won."""
    size = Size(("facility8",), 1, 4, 2, 8, 8, 8, 2) if smoke else Size()
    return Tuning(
        name="town_tuning",
        claim="every learner of the towns runs at the best of as many settings",
        societies=size.towns,
        seeds=size.seeds,
        learners=_small_learners(size) if smoke else learners(size),
        winners=WINNERS,
        size=json.loads(json.dumps(asdict(size))),
    ).outcome(smoke)


def learners(size: Size) -> Mapping[str, Learner]:
    """The slowest first, so that no processor waits long at the end."""
    return {
        "swm_ap": Learner(swm_trials(), partial(_swm_ap, size)),
        "mbpo": Learner(mbpo_trials(), partial(_mbpo, size)),
        "dreamer": Learner(dreamer_trials(), partial(_dreamer, size)),
        "recurrent": Learner(ppo_trials(), partial(_ppo, new_recurrent_policy, size)),
        "ppo": Learner(ppo_trials(), partial(_ppo, new_policy, size)),
    }


def _small_learners(size: Size) -> Mapping[str, Learner]:
    scale = small()
    few = {"ppo": scale.ppo, "recurrent": scale.recurrent, "mbpo": scale.mbpo}
    few |= {"dreamer": scale.dreamer, "swm_ap": scale.swm}
    return {name: Learner((few[name], few[name]), learner.learn) for name, learner in learners(size).items()}


def _swm_ap(size: Size, settings: SWMSettings, town: str, seed: int) -> Tensors:
    return swm_at(place(town, seed, size.held_out, tuning=True), settings, size.swm_ap, seed)


def _mbpo(size: Size, settings: MBPOSettings, town: str, seed: int) -> Tensors:
    return mbpo_curve(place(town, seed, size.held_out, tuning=True), settings, size.mbpo, size.mbpo, seed)


def _dreamer(size: Size, settings: DreamerSettings, town: str, seed: int) -> Tensors:
    return dreamer_curve(place(town, seed, size.held_out, tuning=True), settings, size.dreamer, size.dreamer, seed)


def _ppo(new: Callable[[Stage, int], Learned], size: Size, settings: ImproveSettings, town: str, seed: int) -> Tensors:
    return ppo_curve(place(town, seed, size.held_out, tuning=True), settings, size.ppo, size.ppo, seed, new)
