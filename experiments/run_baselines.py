"""The principals that rules with a name are, and which of them a run may have as baselines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.errors import UserError
from experiments.quoted import best_fixed_rates
from experiments.report_data import Uncounted
from experiments.rule_names import (
    BASELINES,
    BEST_PERCENTILE,
    DEFAULT,
    OF_INCOME_TAX,
    OF_LINES,
    TWO_LEVEL,
    canonical,
    check_best_fixed,
    percent_of,
    possible,
)
from learning.draws import child_seed, draws
from mechanism.baselines.fixed import default, flat
from mechanism.baselines.k_median import KMedian
from mechanism.baselines.line import KNOWN, best_percentile, known
from mechanism.baselines.planning import planning
from mechanism.baselines.saez import saez
from mechanism.baselines.tolls import marginal_cost
from mechanism.explore import RandomRules
from mechanism.planning import Counted
from mechanism.swm_ap import Outcome, SWMSettings
from societies.base import Episode, Options, Principal, Society
from societies.library.income_tax import full_time_income
from societies.line import FacilityLine
from societies.mechanisms import bounds
from societies.play import Fixed
from societies.roads import CongestionGame


@dataclass(frozen=True)
class Spent:
    """What a baseline needs to know of the run."""

    seed: int
    decisions: int  # real ones that SWM-AP learned from
    communities: int  # held out
    taught: Principal | None = None  # who learned rules while the people of the run learned


def check_baselines(names: Sequence[str], society: Society, two_level: bool, where: str = "baselines") -> None:
    """UserError for a baseline that there is not, or not for this society and its objective, or whose rates nobody has
    found yet.

    two_level: do people and principal learn together in this run?
    """
    for name in names:
        if name not in BASELINES:
            raise UserError(f"no baseline {name!r}", where=where, fix=f"choose from: {', '.join(BASELINES)}")
        check_best_fixed(name, society, where)
    if TWO_LEVEL in names and not two_level:
        raise UserError(
            "two_level is the principal beside whom the RL people of a run learned, and nobody learns so here",
            where=where,
            fix="take it out, or write population.kind=rl and population.settings.learner=two_level",
        )
    elsewhere = [name for name in names if name not in (*possible(society), TWO_LEVEL)]
    if elsewhere:
        others = "society income_tax only" if set(elsewhere) <= set(OF_INCOME_TAX) else "other societies only"
        raise UserError(
            f"{' and '.join(elsewhere)}: known for {others}, this is {society.name}",
            where=where,
            fix=f"choose from: {', '.join(possible(society))}",
        )


def check_family(names: Sequence[str], society: Society) -> None:
    """UserError for rules of another family than the society's own: people who were trained see the rules as numbers,
    and have learned what those of one family mean.
    """
    if not isinstance(society, FacilityLine):
        return
    strange = [name for name in names if name in OF_LINES and _family(name) != society.family]
    if strange:
        same = [name for name in OF_LINES if _family(name) == society.family]
        raise UserError(
            f"{' and '.join(strange)}: RL people of {society.name} learn to answer {society.family}, and these are "
            "rules of another family",
            where="baselines",
            fix=f"take them out, as in baselines=[{', '.join(same)}], or let nobody be trained",
        )


def check_method(settings: SWMSettings, baselines: Sequence[str], society: Society) -> None:
    """UserError for settings with which a society cannot be learned, or not be planned in where that is wanted."""
    if not isinstance(society.mechanism, Options):
        return
    if settings.optimizer == "backprop":
        raise UserError(
            f"no gradient passes through the options of {society.name}",
            where="method.settings.optimizer",
            fix="set it to ppo",
        )
    model, wanted = settings.model, "planning" in baselines or settings.distil.planned_episodes > 0
    if wanted and isinstance(society, Counted) and (model.latent != "kinds" or model.form == "mlp"):
        raise UserError(
            f"planning in {society.name} needs kinds of people and utilities, "
            f"not latent {model.latent}, form {model.form}",
            where="method.settings.model",
            fix="set latent to kinds and form to linear or utility; or take planning out of baselines and set "
            "distil.planned_episodes to 0",
        )


def principal_of(name: str, society: Society, outcome: Outcome, of: Spent) -> tuple[Principal, int | Uncounted]:
    """The principal of that name, SWM-AP's own included, and the real decisions it learned from."""
    if name == "swm_ap":
        return outcome.learned, of.decisions
    if name == TWO_LEVEL:
        assert of.taught is not None  # `check_baselines` saw to that
        return of.taught, Uncounted.BEFOREHAND
    if name == "random":
        return RandomRules(society, draws(child_seed(of.seed, name), 0, of.communities)), 0
    if name == "planning":
        assert isinstance(society, Counted)
        return planning(society, outcome.model), of.decisions
    there = under(name, society)
    if name == BEST_PERCENTILE:
        return _best_percentile(there, outcome), of.decisions
    costs: dict[str, int | Uncounted] = {
        "best_fixed": Uncounted.TRUE_SOCIETY,
        "saez": of.decisions,
        "marginal_cost": of.decisions,
    }
    return that_stays(name, there, lambda: outcome.episodes), costs.get(name, 0)


def that_stays(name: str, society: Society, seen: Callable[[], Episode]) -> Principal:
    """Rules that are known, or worked out by a formula, by a name that is checked; seen: what people did, where the
    formula asks for it.
    """
    name = canonical(name, society)
    if name == DEFAULT:
        return default(society)
    if (percent := percent_of(name)) is not None:
        return _flat(society, percent)
    if name == "best_fixed":
        return Fixed(best_fixed_rates())
    if name == "k_median":
        return KMedian(society)
    if isinstance(society, FacilityLine):
        return known(society, name)
    if isinstance(society, CongestionGame):
        return marginal_cost(society, seen())
    assert name == "saez"
    episode = seen()
    return saez(episode, full_time_income(episode.features[:, 0]))


def _flat(society: Society, percent: int) -> Principal:
    """Every number at that percentage of the range that all have."""
    lows, highs = bounds(society)
    low, high = float(lows.max()), float(highs.min())
    return flat(society, low + percent / 100 * (high - low))


def under(name: str, society: Society) -> Society:
    """The society in which a method's rules are rules: on a street the same people, under rules of its family."""
    if not isinstance(society, FacilityLine) or name not in OF_LINES:
        return society
    return society.under(_family(name))


def _family(name: str) -> str:
    """Which rules of a street those are."""
    return "percentiles" if name == BEST_PERCENTILE else KNOWN[name][0]


def _best_percentile(society: Society, outcome: Outcome) -> Principal:
    """The best percentiles for what people reported while SWM-AP learned."""
    assert isinstance(society, FacilityLine)
    reports = outcome.episodes.response[..., 0].flatten(0, 1)  # [E T, N]
    return best_percentile(society, reports)
