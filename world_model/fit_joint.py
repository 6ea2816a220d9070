"""Fitting the world model of SWM-AP's paper: a posterior of whole trajectories, and a tracker that learns from it.

    J_SWM   = E sum_t [ |s'_t - predicted|^2 + c KL(q(class | trajectory) || uniform) ]        (equation 3)
    J_prior = E sum_t cross-entropy(q, p(class | history until t))                             (equation 4)

What people choose is scored by its likelihood here, as in every other world model of ours, and what follows of it by
the squared error of the paper (`world_model.fit_accounting`, for `dynamics: learned`).
"""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from learning.nets import mlp
from world_model.fit import FitSettings, Progress, bootstrap_weights, quiet, rate
from world_model.fit_accounting import fit_accounting
from world_model.joint import JointBelief, JointPrior, JointTracker
from world_model.model import WorldModel
from world_model.records import Records

UNIFORM = 0.01  # c of equation 3, per decision; the paper does not give it


class Trajectories(nn.Module):
    """q(class | trajectory): a perceptron over all that a roster did, place by place (table 3: two layers)."""

    def __init__(self, reads: int, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = mlp([reads, 512, classes], nn.SiLU, out_gain=0.1, generator=generator)

    def forward(self, evidence: Tensor) -> Tensor:
        """[E, T, N, X] -> [E, C]"""
        return self.layers(evidence.flatten(1)).softmax(-1)


def fit_joint(model: WorldModel, data: Records, settings: FitSettings, seed: int, progress: Progress = quiet) -> None:
    """Fit heads, codes and posterior (equation 3), then the tracker (equation 4), then what was left to be learned of
    the accounting. ValueError for a model whose traits are not joint.
    """
    if not isinstance(model.prior, JointPrior) or not isinstance(model.tracker, JointTracker):
        raise ValueError("this world model has traits of each person: set model.latent to joint, or fit it otherwise")
    generator = torch.Generator().manual_seed(seed)
    model.scaler.read(data.prospects, data.features[..., model.own])
    evidence = model.evidence(data.prospects, data.features, data.choice, data.open)  # [E, T, N, X]
    posterior = Trajectories(evidence[0].numel(), len(model.prior.code), generator)
    _fit_people(model, model.prior, posterior, (data, evidence), settings, generator, progress)
    with torch.no_grad():
        chances = posterior(evidence)
    _fit_tracker(model.tracker, (evidence, data.covariates), chances, settings, generator, progress)

    code = model.prior.code.detach()

    def who(episodes: Tensor, noise: torch.Generator) -> Tensor:
        return code[torch.multinomial(chances[episodes], 1, generator=noise)[:, 0]]

    fit_accounting(model, who, data, settings, seed, progress)


def _fit_people(
    model: WorldModel,
    prior: JointPrior,
    posterior: Trajectories,
    seen: tuple[Records, Tensor],
    settings: FitSettings,
    generator: torch.Generator,
    progress: Progress,
) -> None:
    data, evidence = seen
    bootstrap = bootstrap_weights(model.members, data.episodes, generator)
    data = replace(data, prospects=model.scaler.prospects(data.prospects), features=model.state(data.features))
    network = [*model.head.parameters(), prior.code, *posterior.parameters()]
    optimizer = torch.optim.AdamW(network, settings.learning_rate, weight_decay=settings.weight_decay)
    for i in range(settings.steps):
        episodes = torch.randperm(data.episodes, generator=generator)[: settings.batch]
        chances = posterior(evidence[episodes])
        told = _told(model, data, episodes, JointBelief(chances, prior.code).mean)  # [S, E']
        weight = bootstrap[:, episodes]
        loss = -(weight * told).sum() / weight.sum() + UNIFORM * _from_uniform(chances)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network, 5.0)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate(i / settings.steps)
        optimizer.step()
        progress("fitting the world model", i + 1, settings.steps, loss.item())


def _told(model: WorldModel, data: Records, episodes: Tensor, z: Tensor) -> Tensor:
    """[S, E'] mean log-likelihood of the (scaled) decisions of E' episodes by people of those codes z [E', N, Z]."""
    facts = (data.prospects[episodes], data.features[episodes])
    spread = z[:, None].expand(*facts[1].shape[:-1], -1)
    seen = [x.expand(model.members, *x.shape) for x in (*facts, spread, data.open[episodes])]
    return (model.head(*seen) * data.choice[episodes]).sum(-1).mean((-1, -2))


def _from_uniform(chances: Tensor) -> Tensor:
    """KL(q || uniform), the mean over episodes [E', C]."""
    return (chances * (chances.clamp_min(1e-12).log() + math.log(chances.shape[-1]))).sum(-1).mean()


def _fit_tracker(
    tracker: JointTracker,
    seen: tuple[Tensor, Tensor],
    chances: Tensor,
    settings: FitSettings,
    generator: torch.Generator,
    progress: Progress,
) -> None:
    """Cross-entropy to the posterior's chances [E, C], after every decision. seen: evidence and covariates."""
    evidence, covariates = seen
    learned = [*tracker.encode.parameters(), *tracker.read.parameters()]
    optimizer = torch.optim.Adam(learned, settings.tracker_rate)
    for i in range(settings.tracker_steps):
        episodes = torch.randperm(len(chances), generator=generator)[: settings.batch]
        belief = tracker.beliefs(evidence[episodes], covariates[episodes]).chances  # [E', T, C]
        loss = -(chances[episodes, None] * belief.clamp_min(1e-12).log()).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress("fitting the tracker", i + 1, settings.tracker_steps, loss.item())
