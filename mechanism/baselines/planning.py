"""Planning in the learned model: beam search over courses of options, by what was learned of the people."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.planning import Counted, Minds, Planner
from societies.base import PublicStep
from societies.mechanisms import size
from world_model.kinds import KindTracker
from world_model.model import WorldModel
from world_model.records import personal
from world_model.response import SHUT, Utilities


@dataclass(frozen=True)
class LearnedOdds:
    """The utilities of a world model's members. ValueError for a model that has none (form `mlp`)."""

    society: Counted
    model: WorldModel

    @property
    def _head(self) -> Utilities:
        if not isinstance(self.model.head, Utilities):
            raise ValueError("planning needs a world model of utilities: set model.form to utility or linear")
        return self.model.head

    def standing(self, step: int, features: Tensor, z: Tensor) -> Tensor:
        """As `Odds`."""
        nothing = self.society.default_mechanism().expand(len(features), -1)
        prospects = self.model.scaler.prospects(self.society.prospects(features, nothing))
        open_ = self.society.choices(step, features, nothing)[:, :, None]  # [P, N, 1, K]
        state = self.model.state(features)
        found = self._head.logits(self._all(prospects[:, :, None]), *self._who(state, z))  # [S, P, N, C, K]
        return found.masked_fill(~open_, SHUT)

    def opened(self, step: int, features: Tensor, z: Tensor) -> Tensor:
        """As `Odds`."""
        p, m, new = len(features), size(self.society), self.society.newcomer(step)
        spread = features.repeat_interleave(m, 0)
        prospects = self.society.prospects(spread, torch.eye(m).repeat(p, 1))[:, :, new]  # [P M, N, D]
        scaled = self.model.scaler.prospects(prospects).unflatten(0, (p, m)).transpose(1, 2)  # [P, N, M, 2 D]
        state = self.model.state(features)
        found = self._head.logits_of(new, self._all(scaled[:, :, None]), *self._who(state, z))  # [S, P, N, C, M]
        return found.permute(0, 1, 4, 2, 3)

    def _who(self, state: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """States [S, P, N, C, O] and z [S, P, N, C, Z] for every member."""
        return self._all(state[:, :, None].expand(*z.shape[:3], -1)), self._all(z)

    def _all(self, x: Tensor) -> Tensor:
        return x.expand(self.model.members, *x.shape)


@dataclass(frozen=True)
class History:
    """What was seen so far."""

    total: Tensor | None  # [B, N, H] the tracker's sums; None before the first decision


@dataclass(frozen=True)
class LearnedKinds:
    """The exact beliefs of a world model of kinds. ValueError for one of Gaussian traits."""

    society: Counted
    model: WorldModel

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
        belief = self.model.tracker(total, torch.zeros(()), covariates)
        kinds = torch.eye(self.model.prior.traits).expand(*belief.mean.shape, -1)  # [B, N, C, Z]
        return memory, Minds(kinds, belief.mean)

    def _taken_in(self, memory: History, seen: PublicStep) -> History:
        if seen.last_features is None or seen.last_mechanism is None or seen.last_choice is None:
            return memory
        prospects = self.society.prospects(seen.last_features, seen.last_mechanism)
        open_ = self.society.choices(seen.step - 1, seen.last_features, seen.last_mechanism)
        told = self.model.evidence(prospects, seen.last_features, seen.last_choice, open_)
        return History(told if memory.total is None else memory.total + told)


def planning(society: Counted, model: WorldModel, ahead: int = 1000) -> Planner:
    """Plan anew in every step, by what `model` has learned. ValueError as `LearnedOdds` and `LearnedKinds`."""
    return Planner(society, LearnedOdds(society, model), LearnedKinds(society, model), ahead=ahead)
