"""What a run found out about taxes and work: schedules, and how hours answer what is kept of the next dollar."""

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.report_data import Floats, Response, Schedule
from experiments.statistics import Interval, mean_interval
from learning.draws import child_seed, draws
from mechanism.dreams import Dreams
from mechanism.explore import RandomRules
from societies.base import Episode, Society
from societies.labour import LabourMarket
from societies.taxes import marginal_rate


def schedule(name: str, label: str, episode: Episode) -> Schedule:
    """The rates that were in force in the counted years."""
    rates = episode.mechanism[:, episode.counted]  # [B, Y, M]
    flat = rates.flatten(0, 1).double().numpy()
    return Schedule(
        name,
        label,
        flat.mean(0),
        np.percentile(flat, 10, axis=0),
        np.percentile(flat, 90, axis=0),
        rates.mean(0).double().numpy(),
    )


def market_of(society: Society) -> LabourMarket:
    """Who earns what, and the brackets. TypeError for a society in which nobody works."""
    if not has_market(society):
        raise TypeError(f"society {society.name!r} has no labour market, so no tax report can be made of it")
    return getattr(society, "market")  # noqa: B009 (not every society has it, so the types do not know it)


def has_market(society: Society) -> bool:
    """Do people work there?"""
    return isinstance(getattr(society, "market", None), LabourMarket)


def responses(dreams: Dreams, lived: Episode) -> tuple[Response, ...]:
    """How hours answer what is kept of the next dollar at 40 hours: in the episodes learned from, and dreamt of."""
    worlds = 10 * dreams.model.members
    rules = RandomRules(dreams.stage.society, draws(child_seed(dreams.seed, "rules"), 0, worlds))
    with torch.no_grad():
        dreamt = dreams.dream(rules, 0, worlds).episode
    market = market_of(dreams.stage.society)
    edges = np.unique(np.quantile(_kept(market, lived), np.linspace(0, 1, 9)))  # the same bins for both
    edges[0], edges[-1] = -np.inf, np.inf
    return (_response(market, "lived", True, lived, edges), _response(market, "imagined", False, dreamt, edges))


def _kept(market: LabourMarket, episode: Episode) -> Floats:
    """[B, T N] what everyone keeps of the next dollar at 40 hours."""
    income = market.income(episode.features[:, :-1])  # [B, T, N] money a year
    rate = marginal_rate(income.flatten(0, 1), episode.mechanism.flatten(0, 1), market.brackets)  # [B T, N]
    return (1 - rate).reshape(len(income), -1).double().numpy()


def _response(market: LabourMarket, label: str, real: bool, episode: Episode, edges: Floats) -> Response:
    kept = _kept(market, episode)
    response = episode.response[..., 0].flatten(1).double().numpy()  # [B, T N] hours / 40
    full = market.income(episode.features[:, :-1]).flatten(1).double().numpy()
    bins = [(kept >= low) & (kept < high) for low, high in pairwise(edges)]
    hours = [_by_community(40 * response, inside) for inside in bins]
    return Response(
        label,
        real,
        kept=np.array([kept[b].sum() / max(1, b.sum()) for b in bins]),
        hours=np.array([h.value for h in hours]),
        income=np.array([(response * full)[b].sum() / max(1.0, full[b].sum()) for b in bins]),
        hours_low=np.array([h.low for h in hours]),
        hours_high=np.array([h.high for h in hours]),
    )


def _by_community(values: Floats, inside: NDArray[np.bool_]) -> Interval:
    """The mean of what is `inside` [B, X], with an interval over communities: people of one town are alike."""
    towns = [row[mask].mean() for row, mask in zip(values, inside, strict=True) if mask.any()]
    return mean_interval(np.array(towns)) if towns else Interval(np.nan, np.nan, np.nan)
