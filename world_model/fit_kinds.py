"""Fitting a world model of kinds: the likelihood of whole trajectories, with everyone's kind summed out exactly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from world_model.fit import FitSettings, Progress, bootstrap_weights, quiet, rate
from world_model.fit_accounting import Who
from world_model.kinds import KindPrior, by_kind
from world_model.model import WorldModel
from world_model.records import Records
from world_model.weights import WeightPrior


def fit_kinds(model: WorldModel, data: Records, settings: FitSettings, seed: int, progress: Progress = quiet) -> None:
    """Generalised expectation-maximisation (Dempster, Laird & Rubin 1977): Adam on the expected log-likelihood.

    All members share the responsibilities, which come from their mean log-likelihood: so kind c means the same people
    to all of them. Each weighs the episodes by its own bootstrap. A normal prior holds the weights back, or the few
    decisions of a few episodes would be overfitted; where the model sets out from one of other people, it is a prior
    around what was known of those. Mixtures have poor local optima, so that several starts are fitted briefly, and the
    one under which the data are likeliest in full (McLachlan & Peel 2000, section 2.12) is gone on with.
    ValueError for a model whose traits are not kinds.
    """
    if not isinstance(model.prior, KindPrior):
        raise ValueError("this world model has Gaussian traits: fit it by `world_model.fit.fit`")
    generator = torch.Generator().manual_seed(seed)
    model.scaler.read(data.prospects, data.features[..., model.own])
    data = replace(data, prospects=model.scaler.prospects(data.prospects), features=model.state(data.features))
    bootstrap = bootstrap_weights(model.members, data.episodes, generator)
    climb = _Climb(model, model.prior, data, bootstrap, settings.batch, _a_priori(model, model.prior, settings))
    if settings.kind_starts > 1:
        climb.start(settings, generator)
    climb.fit(settings.steps, settings.learning_rate, generator, progress)


@dataclass(frozen=True)
class _Climb:
    """Of the likelihood of scaled data."""

    model: WorldModel
    prior: KindPrior
    data: Records
    bootstrap: Tensor  # [S, E]
    batch: int  # episodes a step
    weights: WeightPrior

    def start(self, settings: FitSettings, generator: torch.Generator) -> None:
        """Leave the networks at the best of several brief fits, each from weights as at first but drawn anew."""
        first = [w.detach().clone() for w in self._network()]
        best, found = -math.inf, first
        for i in range(settings.kind_starts):
            self._put(first if i == 0 else [_like(w, generator) for w in first])
            self.fit(settings.start_steps, settings.start_rate, generator, quiet)
            reached = self.likelihood()
            if reached > best:
                best, found = reached, [w.detach().clone() for w in self._network()]
        self._put(found)

    def fit(self, steps: int, peak: float, generator: torch.Generator, progress: Progress) -> None:
        """Adam, with that learning rate at its highest."""
        optimizer = torch.optim.Adam(self._network(), peak)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: rate(i / steps))
        for i in range(steps):
            episodes = torch.randperm(self.data.episodes, generator=generator)[: self.batch]
            loss = _loss(self.model, self.prior, self.data, episodes, self.bootstrap[:, episodes]) + self._unlikely()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self._network(), 5.0)
            optimizer.step()
            schedule.step()
            progress("fitting the world model", i + 1, steps, loss.item())

    def likelihood(self) -> float:
        """The mean log-likelihood of a person's whole trajectory, by the mean of the members."""
        with torch.no_grad():
            told, log_prior = _told(self.model, self.prior, self.data, torch.arange(self.data.episodes))
            return (log_prior + told.mean(0)).logsumexp(1).mean().item()

    def _unlikely(self) -> Tensor:
        """Minus the log density of the weights a priori, per decision and member."""
        return self.weights.unlikely() / (self.model.members * self.data.open[..., 0].numel())

    def _network(self) -> list[nn.Parameter]:
        return _network(self.model, self.prior)

    def _put(self, weights: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for w, new in zip(self._network(), weights, strict=True):
                w.copy_(new)


def _network(model: WorldModel, prior: KindPrior) -> list[nn.Parameter]:
    """All weights that are fitted: those by which kinds answer, then those of who is of which kind."""
    return [*model.head.parameters(), *prior.parameters()]


def _a_priori(model: WorldModel, prior: KindPrior, settings: FitSettings) -> WeightPrior:
    """Tastes around none; or, where the model goes on from one of other people, all weights around what was known."""
    if model.sets_out:
        return WeightPrior.around(_network(model, prior))
    return WeightPrior.around_none(list(model.head.parameters()), settings.taste_sd)


def _like(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Others of the same spread; zeros stay zeros."""
    return weights.std(correction=0) * torch.randn(weights.shape, generator=generator)


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
    told, log_prior = _told(model, prior, data, episodes)
    with torch.no_grad():
        share = (log_prior + told.mean(0)).softmax(1)  # [E', Z, N] responsibilities
    fit = (weight[..., None, None] * told).mean(0)
    return -(share * (fit + log_prior)).sum() / data.open[episodes][..., 0].numel()


def _told(model: WorldModel, prior: KindPrior, data: Records, episodes: Tensor) -> tuple[Tensor, Tensor]:
    """Log-likelihoods of whole trajectories by each member [S, E', Z, N], and of kinds by the prior [E', Z, N]."""
    facts = (data.prospects[episodes], data.features[episodes], data.open[episodes], data.choice[episodes])
    return by_kind(model.head, *facts).sum(3), prior.log_chances(data.covariates[episodes]).mT
