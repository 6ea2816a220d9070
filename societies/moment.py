"""Where an episode stands: what its principal may see, what its people are asked, and what comes of both."""

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.base import Decisions, Round
from learning.draws import Draws
from societies.base import PublicStep, Society, State, Transition
from societies.mechanisms import check, in_force
from societies.rounds import round_of


@dataclass(frozen=True)
class Step:
    """What happened in one step."""

    state: State  # before it
    mechanism: Tensor  # [B, M] as it was in force
    decisions: Decisions
    choice: Tensor  # [B, N, K] as `Episode.choice`
    transition: Transition


@dataclass(frozen=True)
class Moment:
    """B worlds of an episode before a step, or after the last. Whoever plays goes from one moment to the next."""

    society: Society
    state: State
    last: Step | None = None  # None = nothing has happened yet

    @property
    def over(self) -> bool:
        """Has the last step been played?"""
        return self.state.step >= self.society.steps

    def seen(self) -> PublicStep:
        """All that a principal may see now."""
        if self.last is None:
            return PublicStep(self.state.step, self.state.features, None, None, None, None)
        last = self.last
        return PublicStep(
            self.state.step,
            self.state.features,
            last.state.features,
            last.mechanism,
            last.transition.response,
            last.choice,
        )

    def under(self, proposed: Tensor) -> Tensor:
        """[B, M] what comes into force of rules [B, M] or [M]. ValueError where they are not allowed at all."""
        check(self.society, self.state.step, proposed, len(self.state.features))
        return in_force(self.society, self.state.step, self.state.features, proposed)

    def asks(self, mechanism: Tensor, draws: Draws) -> Round:
        """What everyone is asked under rules that are in force, [B, M]."""
        said = self.last.decisions.messages if self.last else ()
        return round_of(self.society, self.state, mechanism, said, draws)

    def after(self, mechanism: Tensor, decisions: Decisions) -> "Moment":
        """The next moment. ValueError for choices that are not open."""
        transition = self.society.step(self.state, mechanism, decisions.action)
        told = _told(decisions, len(self.society.choice_names))
        return Moment(self.society, transition.state, Step(self.state, mechanism, decisions, told, transition))


def _told(decisions: Decisions, size: int) -> Tensor:
    """[B, N, K] what the people said; zeros of those who were not asked, or said nothing that could be used."""
    if decisions.log_probs is not None:
        told = decisions.log_probs.exp()
    else:
        one_hot = torch.nn.functional.one_hot(decisions.action.clamp_min(0), size).float()
        told = one_hot * (decisions.action >= 0)[..., None]
    for fallback in decisions.fallbacks:
        told[fallback.world, fallback.agent] = 0.0
    return told
