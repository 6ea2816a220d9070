"""What rules are called, by every command: which there are in which society, and which names are of the same rules."""

import re

from experiments.errors import UserError
from experiments.quoted import best_fixed_rates
from mechanism.baselines.line import KNOWN
from mechanism.planning import Counted
from societies.base import Options, Society
from societies.line import FacilityLine
from societies.matrix import MatrixGame
from societies.roads import CongestionGame

OF_TAXES, OF_INCOME_TAX = ("us_federal", "flat_50"), ("saez", "best_fixed")
OF_OPTIONS = ("random", "k_median", "planning")
BEST_PERCENTILE = "best_percentile"
OF_LINES = (*KNOWN, BEST_PERCENTILE)
OF_ROADS, OF_GAMES = ("no_toll", "marginal_cost"), ("no_reward",)
TWO_LEVEL = "two_level"  # what a principal learned while the RL people of the run did: in every society
BASELINES = (*OF_TAXES, *OF_INCOME_TAX, *OF_OPTIONS, *OF_LINES, *OF_ROADS, *OF_GAMES, TWO_LEVEL)
DEFAULT, OF_DEFAULT = "default", ("us_federal", "no_toll", "no_reward")  # what the default rules are called there
FOUND_FOR = "equality_productivity"  # the objective that the best fixed schedule was found for
FLAT = re.compile(r"flat_(\d{1,3})")


def possible(society: Society) -> tuple[str, ...]:
    """Baselines that can play it; planning needs options that each open one more choice."""
    if isinstance(society.mechanism, Options):
        return OF_OPTIONS if isinstance(society, Counted) else OF_OPTIONS[:1]
    if isinstance(society, FacilityLine):
        return (*OF_LINES, "flat_50")
    if isinstance(society, CongestionGame):
        return OF_ROADS
    if isinstance(society, MatrixGame):
        return OF_GAMES
    return (*OF_TAXES, *of_income_tax(society))


def of_income_tax(society: Society) -> tuple[str, ...]:
    """Schedules that only the income tax has, and its headline objective the best fixed one."""
    if society.name != "income_tax":
        return ()
    return OF_INCOME_TAX if society.objective == FOUND_FOR else OF_INCOME_TAX[:1]


def check_best_fixed(name: str, society: Society, where: str) -> None:
    """UserError where the best fixed schedule is meant, and not known for this objective, or not at all yet."""
    if name != "best_fixed" or society.name != "income_tax":
        return
    if name not in of_income_tax(society):
        raise UserError(
            f"the best fixed schedule is known for {FOUND_FOR}, not for {society.objective}",
            where=where,
            fix=f"choose from: {', '.join(possible(society))}",
        )
    best_fixed_rates()


def canonical(name: str, society: Society) -> str:
    """One name for the same rules: `default` for us_federal and the like, flat_5 for flat_05."""
    if name in OF_DEFAULT and name in possible(society):
        return DEFAULT
    return f"flat_{percent}" if (percent := percent_of(name)) is not None else name


def percent_of(name: str) -> int | None:
    """Of flat rules."""
    told = FLAT.fullmatch(name)
    return int(told[1]) if told else None


def is_plain(name: str, society: Society) -> bool:
    """Are these rules that every society has whose rules are numbers: `default`, or flat_0 to flat_100?"""
    percent, numbers = percent_of(name), not isinstance(society.mechanism, Options)
    return numbers and (canonical(name, society) == DEFAULT or (percent is not None and percent <= 100))
