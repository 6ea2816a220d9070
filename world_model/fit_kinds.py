"""Fitting a world model of kinds: the likelihood of whole trajectories, with everyone's kind summed out exactly."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from world_model.fit import FitSettings, Progress, bootstrap_weights, quiet, rate
from world_model.fit_accounting import Who
from world_model.kinds import KindPrior, by_kind
from world_model.model import WorldModel
from world_model.records import Records


def fit_kinds(model: WorldModel, data: Records, settings: FitSettings, seed: int, progress: Progress = quiet) -> None:
    """Generalised expectation-maximisation (Dempster, Laird & Rubin 1977): Adam on the expected log-likelihood.

    All members share the responsibilities, which come from their mean log-likelihood: so kind c means the same people
    to all of them. Each weighs the episodes by its own bootstrap. ValueError for a model whose traits are not kinds.
    """
    if not isinstance(model.prior, KindPrior):
        raise ValueError("this world model has Gaussian traits: fit it by `world_model.fit.fit`")
    generator = torch.Generator().manual_seed(seed)
    model.scaler.read(data.prospects, data.features[..., model.own])
    data = replace(data, prospects=model.scaler.prospects(data.prospects), features=model.state(data.features))
    bootstrap = bootstrap_weights(model.members, data.episodes, generator)
    network = [*model.head.parameters(), *model.prior.parameters()]
    optimizer = torch.optim.AdamW(network, settings.learning_rate, weight_decay=settings.kind_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: rate(i / settings.steps))
    for i in range(settings.steps):
        episodes = torch.randperm(data.episodes, generator=generator)[: settings.batch]
        loss = _loss(model, model.prior, data, episodes, bootstrap[:, episodes])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network, 5.0)
        optimizer.step()
        schedule.step()
        progress("fitting the world model", i + 1, settings.steps, loss.item())


def by_kinds(model: WorldModel, data: Records) -> Who:
    """Draws everyone's kind by the exact posterior, as the model now is, after all that they did."""
    with torch.no_grad():
        told = model.evidence(data.prospects, data.features, data.choice, data.open).sum(1)  # [E, N, Z]
        belief = model.tracker(told, torch.zeros(()), data.covariates)

    def who(episodes: Tensor, generator: torch.Generator) -> Tensor:
        chances = belief.mean[episodes]  # [E', N, Z]
        row = torch.multinomial(chances.flatten(0, 1), 1, generator=generator)[:, 0].unflatten(0, chances.shape[:2])
        return nn.functional.one_hot(row, chances.shape[-1]).to(chances.dtype)

    return who


def _loss(model: WorldModel, prior: KindPrior, data: Records, episodes: Tensor, weight: Tensor) -> Tensor:
    """Minus the expected log-likelihood per decision of E' (scaled) episodes; weight [S, E']."""
    facts = (data.prospects[episodes], data.features[episodes], data.open[episodes], data.choice[episodes])
    told = by_kind(model.head, *facts).sum(3)  # [S, E', Z, N] of whole trajectories
    log_prior = prior.log_chances(data.covariates[episodes]).mT  # [E', Z, N]
    with torch.no_grad():
        share = (log_prior + told.mean(0)).softmax(1)  # [E', Z, N] responsibilities
    fit = (weight[..., None, None] * told).mean(0)
    return -(share * (fit + log_prior)).sum() / facts[2][..., 0].numel()
