"""Imagined episodes that branch off from real ones, or begin anew: up to there the people, their past and the
principal's memory are real, what follows is imagined for some steps.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from learning.draws import Draws
from learning.ppo import Batch
from mechanism.baselines.mbpo_model import Answers, channels, seen_at
from mechanism.improve import ImproveSettings, laid_out
from mechanism.policy import Learned
from societies.base import Episode, PublicStep
from societies.mechanisms import in_force


@dataclass(frozen=True)
class Place:
    """Before one step of B episodes, real so far."""

    memory: Any  # the principal's, which does not yet hold `seen`
    seen: PublicStep


@dataclass(frozen=True)
class Branch:
    """B imagined rollouts of k steps."""

    observation: Tensor  # [k, B, N, Y] before each decision
    action: Tensor  # [k, B, M] the option that was taken
    reward: Tensor  # [k, B] welfare of each step, 0 in warm-up
    beyond: Tensor  # [B] the value of what follows the last step, in PPO's units: 0 where the episode ends


def picked(episode: Episode, rows: Tensor) -> Episode:
    """The episodes at those places [B], as often as they are named."""
    parts = ("ids", "features", "mechanism", "action", "choice", "response", "welfare")
    some = {name: getattr(episode, name)[rows] for name in parts}
    return replace(episode, accounts={k: v[rows] for k, v in episode.accounts.items()}, fallbacks=(), **some)


def replay(learned: Learned, episode: Episode, step: int) -> Place:
    """Where a principal stands before that step when it has watched the real steps before."""
    memory = learned.observer.start(len(episode.ids))
    for earlier in range(step):
        memory, _ = learned.watch(memory, seen_at(episode, earlier))
    return Place(memory, seen_at(episode, step))


@dataclass(frozen=True)
class Imagination:
    """How a real episode might go on under the learner, among people who answer as the model says."""

    learned: Learned
    model: Answers
    soft: bool  # replies are whole distributions, as those of the real people are

    def branch(self, place: Place, steps: int, draws: Draws) -> Branch:
        """Go on from there under the exploring policy, for `steps` steps or until the episode ends.

        World b of B is answered by member b mod S all along: B must be a multiple of S.
        """
        society, memory, seen = self.learned.society, place.memory, place.seen
        decided = list[tuple[Tensor, Tensor, Tensor]]()
        for _ in range(min(steps, society.steps - seen.step)):
            memory, observation = self.learned.watch(memory, seen)
            mechanism, action = self.learned.policy.act(observation, draws, seen.step)
            seen, welfare = self._step(seen, channels(society, observation), mechanism, draws)
            decided.append((observation, action, welfare))
        observation, action, reward = (torch.stack(part) for part in zip(*decided, strict=True))
        return Branch(observation, action, reward, self._beyond(memory, seen))

    def _beyond(self, memory: Any, seen: PublicStep) -> Tensor:
        """[B]"""
        if seen.step == self.learned.society.steps:
            return seen.features.new_zeros(len(seen.features))
        return self.learned.policy.value(self.learned.watch(memory, seen)[1])

    def _step(self, seen: PublicStep, known: Tensor, proposed: Tensor, draws: Draws) -> tuple[PublicStep, Tensor]:
        """What the next step shows, and the welfare [B] of this one, under rules [B, M]; known: [B, N, X].

        Only the answers are imagined: the next state and the welfare follow by the public rules.
        """
        society, step, features = self.learned.society, seen.step, seen.features
        mechanism = in_force(society, step, features, proposed)
        open_ = society.choices(step, features, mechanism)
        log_p = self._log_probs(society.prospects(features, mechanism), known, open_)
        turn = open_.any(-1)  # [B, N]
        action = torch.where(turn, draws.choice("decision", step, log_p), -1)
        response = society.respond(action)
        one_hot = torch.nn.functional.one_hot(action.clamp_min(0), log_p.shape[-1]).to(log_p.dtype)
        choice = (log_p.exp() if self.soft else one_hot) * turn[..., None]
        settled = society.settle(features, mechanism, response)
        welfare = society.public_welfare(settled.accounts) * society.counts(step)
        return PublicStep(step + 1, settled.features, features, mechanism, response, choice), welfare

    def _log_probs(self, *facts: Tensor) -> Tensor:
        """[B, N, K] by each world's own member."""
        return self.model(*[_by_member(x, self.model.members) for x in facts]).transpose(0, 1).flatten(0, 1)


def _by_member(x: Tensor, members: int) -> Tensor:
    """[B, ...] -> [S, B/S, ...]: world b belongs to member b mod S."""
    return x.unflatten(0, (-1, members)).transpose(0, 1)


def for_ppo(learned: Learned, made: Branch, scale: tuple[float, float], settings: ImproveSettings) -> Batch:
    """The rollouts as samples; `scale` is the mean and spread of real rewards, as `mechanism.improve.prepare` says."""
    reward = (made.reward - scale[0]) / scale[1]
    return laid_out(learned, made.observation, made.action, reward, made.beyond, settings)
