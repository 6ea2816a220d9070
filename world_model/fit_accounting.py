"""Fitting learned accounting to the real episodes: supervised, on what followed and on the welfare that was told."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from world_model.accounting import Accounting, Step
from world_model.fit import FitSettings, Progress, bootstrap_weights, quiet
from world_model.latent import Posterior
from world_model.model import WorldModel
from world_model.records import Records

Who = Callable[[Tensor, torch.Generator], Tensor]
"""Draws z [E', N, Z] of the people of episodes [E'], by what is believed of them after the fact."""


def by_posterior(model: WorldModel, posterior: Posterior, data: Records) -> Who:
    """Of Gaussian traits."""

    def who(episodes: Tensor, generator: torch.Generator) -> Tensor:
        community, agents = posterior.of(episodes)
        return model.prior(data.covariates[episodes], community.draw(generator), agents.draw(generator))

    return who


def fit_accounting(
    model: WorldModel, who: Who, data: Records, settings: FitSettings, seed: int, progress: Progress = quiet
) -> float:
    """Fit `model.accounting` with z drawn by `who`; returns the last loss. 0 where there is none to fit.

    The loss is the squared error of welfare, and of what changes of the public state, in spreads of what was seen;
    every member weighs the episodes by its own bootstrap.
    """
    accounting = model.accounting
    if accounting is None:
        return 0.0
    generator, value = torch.Generator().manual_seed(seed), float("nan")
    accounting.read(data)
    bootstrap = bootstrap_weights(model.members, data.episodes, generator)  # [S, E]
    optimizer = torch.optim.AdamW(accounting.parameters(), settings.accounting_rate, weight_decay=1e-2)
    for i in range(settings.accounting_steps):
        episodes = torch.randperm(data.episodes, generator=generator)[: settings.batch]
        with torch.no_grad():
            z = who(episodes, generator)
        times = torch.randperm(data.features.shape[1], generator=generator)[: settings.slots]
        error = _error(accounting, data, (episodes[:, None], times), z.expand(model.members, *z.shape))  # [S, E']
        weight = bootstrap[:, episodes]
        loss = (weight * error).sum() / weight.sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(accounting.parameters(), 5.0)
        for group in optimizer.param_groups:
            group["lr"] = settings.accounting_rate * min(1.0, max(0.02, 2 - 2 * i / settings.accounting_steps))
        optimizer.step()
        value = loss.item()
        progress("fitting the accounting", i + 1, settings.accounting_steps, value)
    return value


def _error(accounting: Accounting, data: Records, at: tuple[Tensor, Tensor], z: Tensor) -> Tensor:
    """[S, E'] mean squared error over t steps of E' episodes, named by `at` ([E', 1], [t]); z [S, E', N, Z]."""
    seen = (x[at] for x in (data.features, data.mechanism, data.response, data.after))  # each [E', t, ...]
    before, mechanism, response, after = (x.expand(len(z), *x.shape) for x in seen)
    step = Step(before, mechanism, response, z[:, :, None].expand(*before.shape[:-1], -1))
    told, welfare = accounting(step, after if accounting.motion is None else None)
    off = (welfare - data.welfare[at]) / accounting.welfare.sd  # [S, E', t]
    moved = (told - after) / accounting.change.sd  # [S, E', t, N, F], all zero where the rules settle it
    return off.square().mean(-1) + moved.square().mean((-1, -2, -3))
