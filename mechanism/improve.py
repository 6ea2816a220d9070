"""Improving a policy on episodes, imagined or real: PPO, and back-propagation through imagined episodes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from learning.draws import draws
from learning.ppo import Batch, PPOSettings, ppo_update
from learning.returns import gae
from mechanism.policy import Learned
from societies.base import Principal

Rewards = Callable[[Principal, int, int], Tensor]
"""(principal, first world, number of worlds) -> reward of every step [B, T]."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ImproveSettings:
    """How long and in how many worlds a policy is improved."""

    iterations: int = 200
    worlds: int = 100  # episodes an iteration
    ppo: PPOSettings = field(default_factory=lambda: PPOSettings(learning_rate=1e-3))
    backprop_rate: float = 2e-3


def prepare(learner: Learned, rewards: Rewards, seed: int, worlds: int) -> tuple[float, float]:
    """Set the observation normaliser from the policy's first episodes; returns the mean and spread of step rewards."""
    explorer = replace(learner, explore=draws(seed, 0, worlds), taken=[])
    with torch.no_grad():
        reward = rewards(explorer, 0, worlds)
    learner.policy.normaliser.update(torch.stack([t.observation for t in explorer.taken]))
    learner.policy.normaliser.freeze()
    used = torch.tensor([t.step for t in explorer.taken])
    return float(reward[:, used].mean()), float(reward[:, used].sum(1).std().clamp_min(1e-3))


def ppo_round(
    learner: Learned, rewards: Rewards, scale: tuple[float, float], settings: PPOSettings, where: tuple[int, int, int]
) -> Batch:
    """Play exploring episodes and lay them out for PPO. `where`: (seed, first world, number of worlds)."""
    seed, start, worlds = where
    explorer = replace(learner, explore=draws(seed, start, worlds), taken=[])
    with torch.no_grad():
        reward = rewards(explorer, start, worlds)
        steps = [t.step for t in explorer.taken]
        observation = torch.stack([t.observation for t in explorer.taken])  # [T', B, X]
        action = torch.stack([t.logits for t in explorer.taken])  # [T', B, M]
        log_prob, _, value = learner.policy.evaluate(observation, action)  # [T', B]
        scaled = ((reward - scale[0]) / scale[1])[:, steps].T  # [T', B]
        ahead = torch.cat([value, torch.zeros_like(value[:1])])
        advantage = gae(scaled, ahead, settings.discount, settings.lam)
    flat = [x.flatten(0, 1) for x in (observation, action, log_prob, advantage, advantage + value)]
    return Batch(*flat)


def improve_by_ppo(
    learner: Learned, rewards: Rewards, settings: ImproveSettings, seed: int, progress: Progress
) -> list[float]:
    """PPO on fresh episodes each iteration; returns the mean advantage-free value loss per iteration."""
    scale = prepare(learner, rewards, seed, settings.worlds)
    optimizer = torch.optim.Adam(learner.policy.parameters(), lr=settings.ppo.learning_rate, eps=1e-5)
    generator = torch.Generator().manual_seed(seed)
    losses = list[float]()
    for i in range(settings.iterations):
        where = (seed, (i + 1) * settings.worlds, settings.worlds)
        batch = ppo_round(learner, rewards, scale, settings.ppo, where)
        for group in optimizer.param_groups:
            group["lr"] = settings.ppo.learning_rate * max(0.05, 1 - i / settings.iterations)
        losses.append(float(ppo_update(learner.policy, optimizer, batch, settings.ppo, generator)["value_loss"]))
        progress("improving the policy by PPO", i + 1, settings.iterations)
    return losses


def improve_by_backprop(
    learner: Learned, rewards: Rewards, settings: ImproveSettings, seed: int, progress: Progress
) -> list[float]:
    """Gradient ascent on the mean reward of differentiable (imagined) episodes; returns that mean per iteration."""
    prepare(learner, rewards, seed, settings.worlds)
    optimizer = torch.optim.Adam([learner.policy.base, *learner.policy.deviation.parameters()], settings.backprop_rate)
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
        progress("improving the policy by back-propagation", i + 1, settings.iterations)
    return means
