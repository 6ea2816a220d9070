"""Claim: PPO is compared in team formation at settings that it was tuned to there.

The same eight trials as in the facility towns, of the feed-forward and of the recurrent policy (`experiments.tuning`).
SWM-AP has no trials here: it runs at what it was written with.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

from experiments.claims import Outcome
from experiments.judging import Tensors
from experiments.saving_methods import ppo_curve
from experiments.team_methods import NAME, place
from experiments.team_scale import WINNERS, small
from experiments.town_trials import ppo_trials
from experiments.tuning import Learner, Tuning
from mechanism.baselines.ppo import new_policy, new_recurrent_policy
from mechanism.improve import ImproveSettings
from mechanism.policy import Learned
from societies.stage import Stage

TRACKED = True


@dataclass(frozen=True)
class Size:
    """How large the run is. Episodes are real ones."""

    seeds: int = 1
    held_out: int = 200  # tuning rosters
    episodes: int = 2_000


def claim(smoke: bool) -> Outcome:
    """Every trial of both policies, then who won."""
    size = Size(held_out=2, episodes=4) if smoke else Size()
    trials = (small().ppo,) * 2 if smoke else ppo_trials()
    return Tuning(
        name="team_tuning",
        claim="PPO runs in team formation at the best of eight settings",
        societies=(NAME,),
        seeds=size.seeds,
        learners={
            "recurrent": Learner(trials, partial(_ppo, new_recurrent_policy, size)),
            "ppo": Learner(trials, partial(_ppo, new_policy, size)),
        },
        winners=WINNERS,
        size=json.loads(json.dumps(asdict(size))),
    ).outcome(smoke)


def _ppo(new: Callable[[Stage, int], Learned], size: Size, settings: ImproveSettings, _: str, seed: int) -> Tensors:
    return ppo_curve(place(seed, size.held_out, tuning=True), settings, size.episodes, size.episodes, seed, new)
