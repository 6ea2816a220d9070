"""What a run left behind: its world model and its principal, and the states that its held-out people came to."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from experiments.cast import Cast
from experiments.config import Config
from experiments.counterfactual import Standing, Taxed, newcomers, standing
from experiments.errors import UserError
from experiments.minds import has_minds
from experiments.mixed_people import mixed_in
from experiments.runs import Run
from experiments.stages import TENSORS
from learning.draws import child_seed, draws
from mechanism.policy import untrained
from mechanism.swm_ap import Outcome
from societies.base import Society
from societies.labour import LabourMarket
from societies.store import episode_path, load_episodes
from world_model.model import WorldModel

MOST_TOWNS = 10_000  # of newcomers


@dataclass(frozen=True)
class Placed:
    """A state, and what to call it."""

    at: Standing
    words: str


def market_of(config: Config, society: Society) -> LabourMarket:
    """UserError for a society whose figures these are not, and for people whose memories a run does not keep."""
    if not isinstance(society, Taxed):
        raise UserError(
            f"hours, incomes and equality are figures of tax societies, this is {society.name}",
            where="society.name",
            fix="name a run of income_tax",
        )
    if mixed_in(config):
        raise UserError(
            "people of several kinds are mixed in this run, and only one kind can be asked anew",
            where="population.mix",
            fix="name a run without it",
        )
    if config.population.kind == "llm" and has_minds(config, society):
        raise UserError(
            "what these people keep in mind, or heard, is not kept with the run, so that they cannot be asked anew",
            where="population.mind",
            fix="name a run without population.mind, population.words and society.talk",
        )
    return society.market


def learned_by(run: Run, config: Config, society: Society) -> Outcome:
    """The world model and the principal of a finished run, from its last round. UserError where it is not finished."""
    rounds = [n for n in range(config.method.settings.rounds) if run.stages.finished(f"rules-{n}", TENSORS)]
    if not rounds or not episode_path(run.folder / "episodes" / "learning", 0).exists():
        raise UserError(
            "this run has not finished learning, so there is no world model",
            where=str(run.folder),
            fix="issue the command that began it again: it continues",
        )
    settings = config.method.settings
    model = WorldModel(society, settings.model, 0)
    model.load_state_dict(run.stages.get(f"people-{rounds[-1]}", TENSORS, _missing))
    model.requires_grad_(False)
    learned = untrained(society, model, 0, settings.use_forecast, settings.beliefs)
    learned.policy.load_state_dict(run.stages.get(f"rules-{rounds[-1]}", TENSORS, _missing))
    return Outcome(learned, model, load_episodes(run.episodes("learning"))[0], (), 0, 0)


def _missing() -> Mapping[str, Tensor]:
    raise UserError("a finished stage is gone", fix="issue the command that began the run again")


def state_of(run: Run, config: Config, cast: Cast, after: str, years: int | None) -> Placed:
    """The held-out people after so many counted years (None: half of them) under somebody's rules.

    UserError: the run has no such record, or the state is not in it.
    """
    society, folder = cast.society, run.folder / "episodes" / after
    if not episode_path(folder, 0).exists():
        there = sorted(p.name for p in (run.folder / "episodes").iterdir() if p.name != "learning")
        fix = f"choose from: {', '.join(there) or 'there are none yet'}"
        raise UserError(f"this run played nothing under {after!r}", where="--after", fix=fix)
    first = next(t for t in range(society.steps) if society.counts(t))
    most = society.steps - first
    lived = most // 2 if years is None else years
    if not 0 <= lived <= most:
        raise UserError(f"{lived} years: an episode has {most} counted ones", where="--years", fix=f"give 0 to {most}")
    past = load_episodes(folder)[0]
    d = draws(child_seed(config.seed, "held-out"), 0, len(past.ids))
    at = standing(society, past, cast.rosters.people(d), d, first + lived)
    return Placed(at, f"held-out, after {lived} counted years under {after}")


def arrived(config: Config, cast: Cast, towns: int) -> Placed:
    """New people in so many towns, before their first step. UserError: none, or too many."""
    if not 1 <= towns <= MOST_TOWNS:
        raise UserError(f"{towns} towns of newcomers", where="--newcomers", fix=f"give 1 to {MOST_TOWNS:,}")
    d = draws(child_seed(config.seed, "newcomers"), 0, towns)
    return Placed(newcomers(cast.society, cast.rosters.people(d), d), "newcomers, of whom only the census is known")
