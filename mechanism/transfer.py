"""Rules for people who were never asked: what was learned in one society, used in another of the same kind.

The societies may differ in how many agents there are, not in what is told of each, nor in the rules there may be. The
policy can go as it is, since it reads agents one by one (`mechanism.policy_options`); or only the world model goes, and
a new policy is learned among imagined rosters of the new size, which costs no real decision either.
"""

from dataclasses import replace

from learning.draws import child_seed
from mechanism.dreams import Dreams
from mechanism.forecast import forecaster
from mechanism.observe_options import OptionObserver
from mechanism.policy import Learned
from mechanism.swm_ap import SWMSettings, learn_rules, new_learner
from societies.base import Society
from societies.stage import Stage
from world_model.fit import Progress
from world_model.joint import JointPrior
from world_model.model import WorldModel


def carried(model: WorldModel, settings: SWMSettings, society: Society) -> WorldModel:
    """The same weights for another society. ValueError where they do not fit, or know their agents apart."""
    if isinstance(model.prior, JointPrior):
        raise ValueError("joint classes are those of one roster's size: carry over a model of kinds or Gaussian traits")
    other = WorldModel(society, settings.model, 0)
    try:
        other.load_state_dict(model.state_dict())
    except RuntimeError as error:
        raise ValueError(f"{society.name} tells other things of its people: {error}") from None
    return other.requires_grad_(False)


def as_it_is(learned: Learned, model: WorldModel, society: Society) -> Learned:
    """The same policy in another society, which `model`, carried over, tells of. ValueError: a policy over numbers."""
    watching = learned.observer
    if not isinstance(watching, OptionObserver):
        raise ValueError(f"{society.name}: only a policy over options reads its agents one by one")
    odds = None if watching.odds is None else forecaster(society, model)
    told = None if watching.model is None else model
    return Learned(society, replace(watching, society=society, model=told, odds=odds), learned.policy)


def imagined_anew(stage: Stage, model: WorldModel, settings: SWMSettings, seed: int, progress: Progress) -> Learned:
    """A new policy, learned only from dreams of `stage`'s rosters with `model`, carried over. Nobody is asked."""
    settings = replace(settings, mixed_episodes=0, check_episodes=0)
    dreams = Dreams(stage, model, child_seed(seed, "dreams"), False, settings.penalty)
    learned = new_learner(dreams, settings, seed)
    learn_rules(learned, dreams, settings, seed, 0, progress)
    return learned
