"""Fitting the world model: the ELBO of whole trajectories, then the tracker on dreams and on the posterior."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from world_model.latent import CommunityPrior, Posterior
from world_model.model import WorldModel
from world_model.records import Records
from world_model.traits import Tracker
from world_model.weights import WeightPrior


@dataclass(frozen=True)
class FitSettings:
    """Optimiser settings of the ELBO fit and of the tracker."""

    steps: int = 800
    batch: int = 8  # episodes a step
    slots: int = 3  # of the T steps of an episode, how many each member reads in one optimiser step
    learning_rate: float = 5e-3
    posterior_rate: float = 3e-2
    soft_weight: float = 8.0  # a whole distribution counts as this many observed choices
    tracker_steps: int = 300
    tracker_rate: float = 2e-3
    taste_sd: float = 0.5  # a priori, of every weight that kinds answer by, on standardised prospects
    kind_starts: int = 6  # brief fits, of which the best is gone on with
    start_steps: int = 100
    start_rate: float = 2e-2
    weight_decay: float = 1e-2  # of a fit of joint classes
    accounting_steps: int = 400  # of what is learned of the accounting, where anything is
    accounting_rate: float = 1e-2


DEPENDENCE_SLOTS = 2  # of the T steps, on how many a tracker step looks at whole rosters, which is dear

BOOTSTRAP_SHAPE = 8  # of the weights' gamma law; at 1, Rubin's, a member would lose half of what few episodes tell

Progress = Callable[[str, int, int, float], None]
"""(what, steps done, of, the loss or the welfare at that step)"""


def quiet(what: str, done: int, of: int, value: float) -> None:
    """A progress report that nobody reads."""


def fit(
    model: WorldModel, data: Records, soft: bool, settings: FitSettings, seed: int, progress: Progress = quiet
) -> Posterior:
    """Fit heads, prior and posterior together by stochastic variational inference; returns the posterior.

    The loss is the negative ELBO per decision: minus the mean over members of the weighted reply's expected
    log-likelihood, plus KL(q(c, eps) || N(0, I)), the latter annealed in over the first third. A model that sets out
    from one of other people is held near to it: see `world_model.weights`.
    """
    prior, generator = _points(model), torch.Generator().manual_seed(seed)
    model.scaler.read(data.prospects, data.features[..., model.own])
    data = replace(data, prospects=model.scaler.prospects(data.prospects), features=model.state(data.features))
    data = replace(data, choice=weighted(data.choice, settings.soft_weight) if soft else data.choice)
    posterior = Posterior(data.episodes, data.features.shape[2], prior, generator)
    bootstrap = bootstrap_weights(model.members, data.episodes, generator)
    network = [*model.head.parameters(), *model.prior.parameters()]
    optimizer = torch.optim.Adam(
        [
            {"params": network, "lr": settings.learning_rate},
            {"params": list(posterior.parameters()), "lr": settings.posterior_rate},
        ],
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: rate(i / settings.steps))
    answers = math.prod(data.features.shape[1:3])  # of an episode: steps x agents
    known = WeightPrior.around(network) if model.sets_out else None
    for i in range(settings.steps):
        episodes = torch.randperm(data.episodes, generator=generator)[: settings.batch]
        likelihood, divergence = _elbo_parts(model, posterior, data, episodes, settings.slots, generator)
        fitness = (bootstrap[:, episodes] * likelihood).mean(0)  # [E']
        loss = -(fitness - min(1.0, 3 * i / settings.steps) * divergence).mean() / answers
        if known is not None:
            loss = loss + known.unlikely() / (model.members * data.episodes * answers)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network, 5.0)
        optimizer.step()
        schedule.step()
        progress("fitting the world model", i + 1, settings.steps, loss.item())
    return posterior


def _points(model: WorldModel) -> CommunityPrior:
    """The prior of Gaussian traits. ValueError where traits are kinds."""
    if not isinstance(model.prior, CommunityPrior):
        raise ValueError("this world model's traits are kinds: fit it by `world_model.fit_kinds.fit_kinds`")
    return model.prior


def weighted(choice: Tensor, soft_weight: float) -> Tensor:
    """[..., K] replies as observed choices: a whole distribution counts as `soft_weight` of them, one action as one."""
    single = (choice > 0).sum(-1, keepdim=True) == 1  # a whole one has no exact zeros, however sure it is
    return torch.where(single, choice, soft_weight * choice)


def bootstrap_weights(members: int, episodes: int, generator: torch.Generator) -> Tensor:
    """[S, E] how much each member weighs each episode, mean 1: the Bayesian bootstrap (Rubin 1981), tempered."""
    weight = torch.empty(BOOTSTRAP_SHAPE, members, episodes).exponential_(generator=generator).mean(0)
    return weight / weight.mean(1, keepdim=True)


def rate(done: float) -> float:
    """Warm up for 4%, hold to 60%, then fall linearly to 2%."""
    return min(1.0, 25 * done + 0.04, max(0.02, (1 - done) / 0.4))


def _elbo_parts(
    model: WorldModel, posterior: Posterior, data: Records, episodes: Tensor, slots: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Expected log-likelihood of whole (scaled) episodes by each member [S, E'], and KL [E']."""
    community, agents = posterior.of(episodes)
    z = model.prior(data.covariates[episodes], community.draw(generator), agents.draw(generator))  # [E', N, Z]
    steps = data.features.shape[1]
    times = torch.stack([torch.randperm(steps, generator=generator)[:slots] for _ in range(model.members)])  # [S, t]
    at = (episodes[None, :, None], times[:, None, :])  # -> [S, E', t, ...]
    spread = z[None, :, None].expand(model.members, -1, times.shape[1], -1, -1)
    log_p = model.head(data.prospects[at], data.features[at], spread, data.open[at])  # [S, E', t, N, K]
    likelihood = (data.choice[at] * log_p).sum((-1, -2, -3)) * steps / times.shape[1]
    divergence = community.kl_to_standard().sum(-1) + agents.kl_to_standard().sum((-1, -2))
    return likelihood, divergence


@dataclass(frozen=True)
class Labelled:
    """Histories whose z is known: dreams (by construction) or real episodes (from the posterior)."""

    evidence: Tensor  # [B, T, N, X]
    covariates: Tensor  # [B, N, V]
    z: Tensor  # [D, B, N, Z] draws of whole rosters: one where z is known, several from a posterior


def posterior_labels(model: WorldModel, posterior: Posterior, data: Records, generator: torch.Generator) -> Labelled:
    """Real episodes with the posterior of their whole trajectory as the label (eq. 4 of SWM-AP)."""
    with torch.no_grad():
        community, agents = posterior.of(torch.arange(data.episodes))
        draws = torch.stack(
            [model.prior(data.covariates, community.draw(generator), agents.draw(generator)) for _ in range(16)]
        )
        evidence = model.evidence(data.prospects, data.features, data.choice, data.open)
    return Labelled(evidence, data.covariates, draws)


def fit_tracker(
    model: WorldModel, labelled: list[Labelled], settings: FitSettings, seed: int, progress: Progress = quiet
) -> float:
    """Train the tracker to the labels after 0, 1, ... T steps; returns the last loss (nats an agent).

    ValueError where traits are kinds: that tracker is exact.
    """
    if not isinstance(model.tracker, Tracker):
        raise ValueError("the tracker of kinds is exact and has nothing to learn")
    tracker, generator = model.tracker, torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(tracker.parameters(), lr=settings.tracker_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: rate(i / settings.tracker_steps))
    value = float("nan")
    for i in range(settings.tracker_steps):
        loss = torch.stack([_tracker_loss(tracker, part, generator) for part in labelled]).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tracker.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        value = loss.item()
        progress("fitting the trait tracker", i + 1, settings.tracker_steps, value)
    return value


def _tracker_loss(tracker: Tracker, part: Labelled, generator: torch.Generator) -> Tensor:
    rows = torch.randperm(len(part.evidence), generator=generator)[:16]
    belief = tracker.beliefs(part.evidence[rows], part.covariates[rows])  # [b, T, N, Z]
    before = tracker.at_first(part.covariates[rows])  # [b, N, Z]
    z = part.z[int(torch.randint(len(part.z), (1,), generator=generator)), rows]  # [b, N, Z]
    alone = torch.cat([before.nll(z)[:, None], belief.nll(z[:, None])], 1).mean()
    slots = torch.randperm(belief.mean.shape[1], generator=generator)[:DEPENDENCE_SLOTS]
    together = belief.at(slots).dependence_nll(z[:, None]).mean() + before.dependence_nll(z).mean()
    return alone + together
