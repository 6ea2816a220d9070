"""Planning in the learned model: beam search over courses of options, by what was learned of the people."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.beliefs import Beliefs, believed
from mechanism.forecast import LearnedOdds
from mechanism.planning import Counted, Minds, Planner
from societies.base import PublicStep
from world_model.kinds import KindTracker
from world_model.model import WorldModel
from world_model.records import personal


@dataclass(frozen=True)
class History:
    """What was seen so far."""

    total: Tensor | None  # [B, N, H] the tracker's sums; None before the first decision


@dataclass(frozen=True)
class LearnedKinds:
    """The exact beliefs of a world model of kinds. ValueError for one of Gaussian traits."""

    society: Counted
    model: WorldModel
    beliefs: Beliefs = "posterior"  # none = prior: whoever plans believes something

    def start(self, worlds: int) -> History:
        """Nothing seen yet."""
        return History(None)

    def update(self, memory: History, seen: PublicStep) -> tuple[History, Minds]:
        """As `Believes`."""
        if not isinstance(self.model.tracker, KindTracker):
            raise ValueError("planning enumerates people's kinds: set model.latent to kinds")
        memory = self._taken_in(memory, seen)
        covariates = personal(self.society, seen.features)
        total = covariates.new_zeros(1) if memory.total is None else memory.total
        belief = believed(self.model, self.beliefs, total, torch.zeros(()), covariates)
        kinds = torch.eye(self.model.prior.traits).expand(*belief.mean.shape, -1)  # [B, N, C, Z]
        return memory, Minds(kinds, belief.mean)

    def _taken_in(self, memory: History, seen: PublicStep) -> History:
        if seen.last_features is None or seen.last_mechanism is None or seen.last_choice is None:
            return memory
        prospects = self.society.prospects(seen.last_features, seen.last_mechanism)
        open_ = self.society.choices(seen.step - 1, seen.last_features, seen.last_mechanism)
        told = self.model.evidence(prospects, seen.last_features, seen.last_choice, open_)
        return History(told if memory.total is None else memory.total + told)


def planning(society: Counted, model: WorldModel, beliefs: Beliefs = "posterior", ahead: int = 1000) -> Planner:
    """Plan anew in every step, by what `model` has learned. ValueError as `LearnedOdds` and `LearnedKinds`."""
    return Planner(society, LearnedOdds(society, model), LearnedKinds(society, model, beliefs), ahead=ahead)
