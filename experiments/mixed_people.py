"""Rosters of several kinds of people: shares of RL and scripted ones among those of the config's own kind."""

from collections.abc import Callable, Sequence

from agents.base import Population
from agents.mixed import MixedPopulation, by_share
from experiments.config import Config
from experiments.config_people import MindConfig

People = Callable[[str], Population]
"""purpose -> people whose decisions are kept under it"""


def mixed_in(config: Config) -> dict[str, float]:
    """The other kinds in the roster that have a share of it, in order."""
    return {kind: share for kind, share in config.population.mix.items() if share > 0}


def own_share(config: Config) -> float:
    """Of the roster, of the config's own kind."""
    return max(0.0, 1.0 - sum(config.population.mix.values()))


def has_rl_people(config: Config) -> bool:
    """Does anybody in the roster choose by a trained policy?"""
    return config.population.kind == "rl" or "rl" in mixed_in(config)


def of_kind(config: Config, kind: str) -> Config:
    """The config of those of one kind in its roster, as if all were of that kind."""
    who = config.population
    change: dict[str, object] = {"kind": kind, "mix": {}, "rl": {}}
    if kind != who.kind:
        change |= {"settings": who.rl if kind == "rl" else {}, "others": [], "mind": MindConfig(), "words": None}
    if kind != "rl":
        change |= {"checkpoint": None}
    return config.model_copy(update={"population": who.model_copy(update=change)})


def among(config: Config, own: People, others: Sequence[Population]) -> People:
    """The roster's own kind with the `others`, who are those of `mixed_in`: everyone is of one kind for life, as
    `by_share` draws it.
    """
    if not others:
        return own
    shares = [0.0, *mixed_in(config).values()]
    kind = by_share(shares, [frozenset()] * len(shares), "kind")
    return lambda purpose: MixedPopulation((own(purpose), *others), kind)
