"""The baselines of a run: which there are for which society, and the principal that each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.errors import UserError
from experiments.quoted import best_fixed_rates
from experiments.report_data import Uncounted
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
from societies.base import Options, Principal, Society
from societies.library.income_tax import full_time_income
from societies.line import FacilityLine
from societies.matrix import MatrixGame
from societies.play import Fixed
from societies.roads import CongestionGame

OF_TAXES, OF_INCOME_TAX = ("us_federal", "flat_50"), ("saez", "best_fixed")
OF_OPTIONS = ("random", "k_median", "planning")
BEST_PERCENTILE = "best_percentile"
OF_LINES = (*KNOWN, BEST_PERCENTILE)
OF_ROADS, OF_GAMES = ("no_toll", "marginal_cost"), ("no_reward",)
TWO_LEVEL = "two_level"  # what a principal learned while the RL people of the run did: in every society
BASELINES = (*OF_TAXES, *OF_INCOME_TAX, *OF_OPTIONS, *OF_LINES, *OF_ROADS, *OF_GAMES, TWO_LEVEL)


@dataclass(frozen=True)
class Spent:
    """What a baseline needs to know of the run."""

    seed: int
    decisions: int  # real ones that SWM-AP learned from
    communities: int  # held out
    taught: Principal | None = None  # who learned rules while the people of the run learned


def check_baselines(names: Sequence[str], society: Society, two_level: bool) -> None:
    """UserError for a baseline that there is not, or not for this society, or whose rates nobody has found yet.

    two_level: do people and principal learn together in this run?
    """
    for name in names:
        if name not in BASELINES:
            raise UserError(f"no baseline {name!r}", where="baselines", fix=f"choose from: {', '.join(BASELINES)}")
    if TWO_LEVEL in names and not two_level:
        raise UserError(
            "two_level is the principal beside whom the RL people of a run learned, and nobody learns so here",
            where="baselines",
            fix="take it out, or write population.kind=rl and population.settings.learner=two_level",
        )
    known = (*possible(society), TWO_LEVEL)
    elsewhere = [name for name in names if name not in known]
    if elsewhere:
        where = "society income_tax only" if set(elsewhere) <= set(OF_INCOME_TAX) else "other societies only"
        raise UserError(
            f"{' and '.join(elsewhere)}: known for {where}, this is {society.name}",
            where="baselines",
            fix=f"take it out, as in baselines=[{known[0]}]",
        )
    if "best_fixed" in names:
        best_fixed_rates()


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


def possible(society: Society) -> tuple[str, ...]:
    """Those that can play it; planning needs options that each open one more choice."""
    if isinstance(society.mechanism, Options):
        return OF_OPTIONS if isinstance(society, Counted) else OF_OPTIONS[:1]
    if isinstance(society, FacilityLine):
        return (*OF_LINES, "flat_50")
    if isinstance(society, CongestionGame):
        return OF_ROADS
    if isinstance(society, MatrixGame):
        return OF_GAMES
    return (*OF_TAXES, *OF_INCOME_TAX) if society.name == "income_tax" else OF_TAXES


def principal_of(name: str, society: Society, outcome: Outcome, of: Spent) -> tuple[Principal, int | Uncounted]:
    """The principal of that name, SWM-AP's own included, and the real decisions it learned from."""
    if name == "swm_ap":
        return outcome.learned, of.decisions
    if name == TWO_LEVEL:
        assert of.taught is not None  # `check_baselines` saw to that
        return of.taught, Uncounted.BEFOREHAND
    if name in OF_OPTIONS:
        return _of_options(name, society, outcome, of)
    if isinstance(society, FacilityLine) and name in OF_LINES:
        return _of_lines(name, society, outcome, of.decisions)
    if name in ("us_federal", "no_toll", "no_reward"):
        return default(society), 0
    if isinstance(society, CongestionGame):
        return marginal_cost(society, outcome.episodes), of.decisions
    if name == "flat_50":
        return flat(society, 0.5), 0
    if name == "best_fixed":
        return Fixed(best_fixed_rates()), Uncounted.TRUE_SOCIETY
    seen = outcome.episodes
    return saez(seen, full_time_income(seen.features[:, 0])), of.decisions


def under(name: str, society: Society) -> Society:
    """The society in which a method's rules are rules: on a street the same people, under rules of its family."""
    if not isinstance(society, FacilityLine) or name not in OF_LINES:
        return society
    return society.under("percentiles" if name == BEST_PERCENTILE else KNOWN[name][0])


def _of_lines(name: str, society: FacilityLine, outcome: Outcome, spent: int) -> tuple[Principal, int]:
    """Rules known for a street; the best percentiles are those for what people reported while SWM-AP learned."""
    there = under(name, society)
    assert isinstance(there, FacilityLine)
    if name != BEST_PERCENTILE:
        return known(there, name), 0
    reports = outcome.episodes.response[..., 0].flatten(0, 1)  # [E T, N]
    return best_percentile(there, reports), spent


def _of_options(name: str, society: Society, outcome: Outcome, of: Spent) -> tuple[Principal, int]:
    """Where rules are options."""
    if name == "random":
        return RandomRules(society, draws(child_seed(of.seed, "random"), 0, of.communities)), 0
    if name == "k_median":
        return KMedian(society), 0
    assert isinstance(society, Counted)
    return planning(society, outcome.model), of.decisions
