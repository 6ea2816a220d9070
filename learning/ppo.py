"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), on whatever device its tensors live on."""

import math
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class PPOSettings:
    """Sizes and coefficients of one update. The discount is 1 because our episodes are ten steps, not endless."""

    learning_rate: float = 3e-4
    clip: float = 0.2  # epsilon: how far a probability ratio may pay
    epochs: int = 4  # passes over a batch
    minibatches: int = 4  # per epoch
    entropy: float = 0.0  # coefficient of the entropy bonus
    value_coef: float = 0.5  # coefficient of the squared value error
    max_grad_norm: float = 0.5
    discount: float = 1.0
    lam: float = 0.95  # of GAE and TD(lambda)
    target_kl: float | None = None  # an update stops before the first minibatch beyond this; None = never
    normalise_advantage: bool = True  # over the whole batch


@dataclass(frozen=True)
class Batch:
    """S samples of rollouts under the old policy, flattened over steps and worlds."""

    observation: Tensor  # [S, ...]
    action: Tensor  # [S, ...]
    log_prob: Tensor  # [S] of the action under the policy that took it
    advantage: Tensor  # [S]
    returns: Tensor  # [S] targets of the value function

    def __len__(self) -> int:
        return len(self.log_prob)

    def at(self, index: Tensor) -> "Batch":
        """The samples at those places."""
        return Batch(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def joined(self, other: "Batch") -> "Batch":
        """These samples and those of `other`."""
        return Batch(**{f.name: torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)})


class ActorCritic(Protocol):
    """What is trained: a policy and a value function that judge given samples."""

    def evaluate(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(log-probability of the action, entropy of the policy, value), each [S]."""
        ...


def ppo_update(
    actor_critic: ActorCritic,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: PPOSettings,
    generator: torch.Generator,
) -> dict[str, float]:
    """Improve `actor_critic` in place on one batch; `generator` (on the CPU) orders the minibatches.

    Returns means over the minibatches taken: policy_loss, value_loss, entropy, approx_kl, clip_fraction, grad_norm
    (before clipping), and `steps`, how many optimiser steps were taken; `target_kl` never stops the first one.
    """
    if settings.normalise_advantage:
        batch = _normalised(batch)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    told = list[dict[str, Tensor]]()
    for index in _minibatches(len(batch), settings, generator):
        loss, facts = ppo_loss(actor_critic, batch.at(index.to(batch.log_prob.device)), settings)
        if told and settings.target_kl is not None and float(facts["approx_kl"]) > settings.target_kl:
            break
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
        optimizer.step()
        told.append({**facts, "grad_norm": norm})
    means = {name: float(torch.stack([t[name] for t in told]).mean()) for name in told[0]}
    return {**means, "steps": float(len(told))}


def ppo_loss(actor_critic: ActorCritic, batch: Batch, settings: PPOSettings) -> tuple[Tensor, dict[str, Tensor]]:
    """The clipped surrogate with value error and entropy bonus (paper, equations 7 and 9), to be minimised.

        -E[min(r A, clip(r, 1 - eps, 1 + eps) A)] + value_coef * E[(V - G)^2] - entropy * E[H]

    Returns the loss and its detached parts. `approx_kl` is E[r - 1 - ln r], an estimate of KL(old, new).
    """
    log_prob, entropy, value = actor_critic.evaluate(batch.observation, batch.action)  # each [S]
    log_ratio = log_prob - batch.log_prob
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    policy_loss = -torch.minimum(ratio * batch.advantage, clipped * batch.advantage).mean()
    value_loss = (value - batch.returns).square().mean()
    loss = policy_loss + settings.value_coef * value_loss - settings.entropy * entropy.mean()
    facts = {
        "policy_loss": policy_loss,
        "value_loss": value_loss,
        "entropy": entropy.mean(),
        "approx_kl": (ratio - 1 - log_ratio).mean(),
        "clip_fraction": (ratio != clipped).float().mean(),
    }
    return loss, {name: fact.detach() for name, fact in facts.items()}


def gaussian_log_prob(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """Log density [...] of actions [..., M] under independent normals, e.g. over the logits of tax rates."""
    z = (action - mean) / log_std.exp()
    return -(0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Entropy [...] of independent normals with log standard deviations [..., M]."""
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


def _normalised(batch: Batch) -> Batch:
    a = batch.advantage
    kept = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return Batch(**{**kept, "advantage": (a - a.mean()) / (a.std() + 1e-8)})


def _minibatches(size: int, settings: PPOSettings, generator: torch.Generator) -> list[Tensor]:
    """Places of every minibatch of every epoch, each epoch in a new order."""
    parts = min(settings.minibatches, size)
    orders = [torch.randperm(size, generator=generator) for _ in range(settings.epochs)]
    return [part for order in orders for part in order.tensor_split(parts)]
