"""Improving a policy on episodes, imagined or real: PPO, and back-propagation through imagined episodes."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from learning.draws import draws
from learning.ppo import Batch, PPOSettings, ppo_update
from learning.returns import gae
from mechanism.policy import Learned, Policy
from societies.base import Episode, Principal
from societies.stage import Stage
from world_model.fit import Progress


class Rewards(Protocol):
    """Episodes to learn from, as the reward of every step."""

    def __call__(self, principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
        """[B, T] rewards of worlds / copies different episodes from number `start` on, each `copies` times over.

        Copies of a world differ in nothing but the principal's own draws. The real world has no copies.
        """
        ...


@dataclass(frozen=True)
class Lived:
    """Real episodes as rewards."""

    stage: Stage

    def __call__(self, principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
        """As `Rewards`. ValueError for copies."""
        if copies != 1:
            raise ValueError("real people live once: copies must be 1")
        episode = self.play(principal, start, worlds)
        return episode.welfare * episode.counted

    def play(self, principal: Principal, start: int, worlds: int) -> Episode:
        """The public record of episodes number start .. start + worlds - 1."""
        return self.stage.play(principal, start, worlds)


@dataclass(frozen=True)
class ImproveSettings:
    """How long and in how many worlds a policy is improved."""

    iterations: int = 200
    worlds: int = 100  # episodes an iteration
    copies: int = 1  # of each world among them; more than one only in imagination
    ppo: PPOSettings = field(default_factory=lambda: PPOSettings(learning_rate=1e-3))
    backprop_rate: float = 2e-3


def prepare(learner: Learned, rewards: Rewards, seed: int, worlds: int) -> tuple[float, float]:
    """Set the observation normaliser from the policy's first episodes; returns the mean and spread of step rewards."""
    explorer = replace(learner, explore=draws(seed, 0, worlds), taken=[])
    with torch.no_grad():
        reward = rewards(explorer, 0, worlds)
    learner.policy.read(torch.stack([t.observation for t in explorer.taken]))
    earned = _earned(reward, [t.step for t in explorer.taken])
    return float(earned.mean()), float(earned.sum(1).std().clamp_min(1e-3))


def ppo_round(
    learner: Learned, rewards: Rewards, scale: tuple[float, float], settings: ImproveSettings, where: tuple[int, int]
) -> tuple[Batch, float]:
    """Play exploring episodes and lay them out for PPO; and the mean reward of a step. `where`: (seed, first world)."""
    seed, start = where
    explorer = replace(learner, explore=draws(seed, start, settings.worlds), taken=[])
    with torch.no_grad():
        reward = rewards(explorer, start, settings.worlds, settings.copies)
        earned = _earned(reward, [t.step for t in explorer.taken])
        observation = torch.stack([t.observation for t in explorer.taken])  # [T', B, ...]
        action = torch.stack([t.action for t in explorer.taken])  # [T', B, M]
        scaled = ((earned - scale[0]) / scale[1]).T  # [T', B]
        batch = laid_out(learner, observation, action, scaled, torch.zeros_like(scaled[0]), settings)
    return batch, reward.mean().item()


def laid_out(
    learner: Learned, observation: Tensor, action: Tensor, reward: Tensor, beyond: Tensor, settings: ImproveSettings
) -> Batch:
    """Samples for PPO of decisions that the learner has just made: observations [T', B, ...], actions [T', B, M] and
    scaled rewards [T', B]. `beyond` [B] is what is still expected after the last of them: 0 where the episode ends.
    """
    told = learner.policy.evaluate(observation.flatten(0, 1), action.flatten(0, 1))
    log_prob, _, value = (x.unflatten(0, action.shape[:2]) for x in told)  # [T', B]
    own = gae(reward, torch.cat([value, beyond[None]]), settings.ppo.discount, settings.ppo.lam)
    advantage = _against_copies(own, settings.copies)
    return Batch(*[x.flatten(0, 1) for x in (observation, action, log_prob, advantage, own + value)])


def _earned(reward: Tensor, steps: list[int]) -> Tensor:
    """[B, T] -> [B, T'] the reward from each decision until the next one; what came before the first is nobody's."""
    return torch.stack([reward[:, a:b].sum(1) for a, b in pairwise([*steps, reward.shape[1]])], 1)


def _against_copies(advantage: Tensor, copies: int) -> Tensor:
    """[T', B] less the mean over the other copies of the same world, which share its luck but not its actions.

    A baseline that does not depend on one's own action leaves the gradient unbiased (leave-one-out: Kool et al. 2019).
    """
    if copies == 1:
        return advantage
    grouped = advantage.unflatten(1, (copies, -1))  # [T', G, B / G]
    others = (grouped.sum(1, keepdim=True) - grouped) / (copies - 1)
    return (grouped - others).flatten(1, 2)


@dataclass(frozen=True)
class Real:
    """Real episodes that join the imagined ones in PPO's last batch, under the policy as it then is."""

    rewards: Lived
    first: int  # number of the first episode
    episodes: int


def improve_by_ppo(
    learner: Learned,
    rewards: Rewards,
    settings: ImproveSettings,
    seed: int,
    progress: Progress,
    real: Real | None = None,
) -> list[float]:
    """PPO on fresh episodes each iteration, in the last one on `real` ones too; returns the value loss of each."""
    scale = prepare(learner, rewards, seed, settings.worlds)
    optimizer = torch.optim.Adam(learner.policy.parameters(), lr=settings.ppo.learning_rate, eps=1e-5, fused=True)
    generator = torch.Generator().manual_seed(seed)
    losses = list[float]()
    for i in range(settings.iterations):
        batch, reward = ppo_round(learner, rewards, scale, settings, (seed, (i + 1) * settings.worlds))
        if real is not None and i == settings.iterations - 1:
            few = replace(settings, worlds=real.episodes, copies=1)
            batch = batch.joined(ppo_round(learner, real.rewards, scale, few, (seed, real.first))[0])
        for group in optimizer.param_groups:
            group["lr"] = settings.ppo.learning_rate * max(0.05, 1 - i / settings.iterations)
        losses.append(float(ppo_update(learner.policy, optimizer, batch, settings.ppo, generator)["value_loss"]))
        progress("improving the policy by PPO", i + 1, settings.iterations, reward)
    return losses


def improve_by_backprop(
    learner: Learned, rewards: Rewards, settings: ImproveSettings, seed: int, progress: Progress
) -> list[float]:
    """Gradient ascent on the mean reward of differentiable (imagined) episodes; returns that mean per iteration.

    ValueError where rules are options: no gradient passes through a choice among those.
    """
    if not isinstance(learner.policy, Policy):
        raise ValueError(f"the rules of {learner.society.name} are options; learn them with optimizer: ppo")
    prepare(learner, rewards, seed, settings.worlds)
    trained = [learner.policy.base, *learner.policy.deviation.parameters()]
    optimizer = torch.optim.Adam(trained, settings.backprop_rate, fused=True)
    means = list[float]()
    for i in range(settings.iterations):
        reward = rewards(learner, (i + 1) * settings.worlds, settings.worlds).mean()
        optimizer.zero_grad()
        (-reward).backward()
        torch.nn.utils.clip_grad_norm_(learner.policy.deviation.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = settings.backprop_rate * max(0.05, 1 - i / settings.iterations)
        optimizer.step()
        means.append(reward.item())
        progress("improving the policy by back-propagation", i + 1, settings.iterations, means[-1])
    return means
