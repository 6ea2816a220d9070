"""What the learned model expects of every option, one step ahead."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.planning import Chances, Counted, Minds
from societies.base import Society
from world_model.kinds import KindPrior
from world_model.model import WorldModel
from world_model.response import SHUT, LinearHead, Utilities


@dataclass(frozen=True)
class LearnedOdds:
    """The mean utilities of a world model's members, as one forecaster: several would cost several times as much.

    ValueError for a model that has none (form `mlp`).
    """

    society: Counted
    model: WorldModel

    @property
    def _head(self) -> Utilities:
        if not isinstance(self.model.head, Utilities):
            raise ValueError("planning needs a world model of utilities: set model.form to utility or linear")
        return self.model.head.pooled() if isinstance(self.model.head, LinearHead) else self.model.head

    def _scaled(self, prospects: Tensor) -> Tensor:
        """As the head reads them: [..., D] -> [..., 2 D], or [..., D] where it is linear."""
        scaler = self.model.scaler
        return scaler.linear(prospects) if isinstance(self.model.head, LinearHead) else scaler.prospects(prospects)

    def standing(self, step: int, features: Tensor, z: Tensor) -> Tensor:
        """As `Odds`."""
        nothing = self.society.default_mechanism().expand(len(features), -1)
        prospects = self._scaled(self.society.prospects(features, nothing))
        open_ = self.society.choices(step, features, nothing)[:, :, None]  # [P, N, 1, K]
        state = self.model.state(features)
        head = self._head
        found = head.logits(*_for_all(head, prospects[:, :, None], _each(state, z), z))  # [S, P, N, C, K]
        return found.mean(0, keepdim=True).masked_fill(~open_, SHUT)

    def opened(self, steps: range, features: Tensor, z: Tensor) -> Tensor:
        """As `Odds`."""
        new, head = [self.society.newcomer(step) for step in steps], self._head
        scaled = self._scaled(self.society.offers(features))  # [P, N, M, 2 D]
        state = self.model.state(features)
        worth = head.value(*_for_all(head, scaled[:, :, None], _each(state, z), z))  # [S, P, N, C, M]
        found = worth.permute(0, 1, 4, 2, 3) + head.constant[:, new].T[..., None, None, None, None]
        return found.mean(1, keepdim=True)


def _each(state: Tensor, z: Tensor) -> Tensor:
    """States [P, N, O] -> [P, N, C, O], as z [P, N, C, Z] has them."""
    return state[:, :, None].expand(*z.shape[:3], -1)


def _for_all(head: Utilities, *facts: Tensor) -> list[Tensor]:
    """Each [...] -> [S, ...]"""
    return [x.expand(head.members, *x.shape) for x in facts]


def forecaster(society: Society, model: WorldModel | None) -> LearnedOdds | None:
    """What the model expects of options; None where it cannot tell, for want of kinds, of utilities or of options."""
    if model is None or not isinstance(model.prior, KindPrior) or not isinstance(model.head, Utilities):
        return None
    return LearnedOdds(society, model) if isinstance(society, Counted) else None


def promises(odds: LearnedOdds, step: int, features: Tensor, minds: Minds) -> Tensor:
    """[B, M] the welfare of this step that each option promises, by what is believed of everyone."""
    with torch.no_grad():
        standing = odds.standing(step, features, minds.z)[:, :, None]  # [S, B, 1, N, C, K]
        opened, newcomer = odds.opened(range(step, step + 1), features, minds.z)[0], odds.society.newcomer(step)
        return odds.society.welfare_of(Chances(standing, opened, minds.weight[:, None], newcomer).shares())[:, 0]
