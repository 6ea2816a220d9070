"""Who plays in a run: the society, its people, and the models that are asked for them."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from agents.base import Population
from agents.llm.budget import Budget
from agents.llm.engine import Engine
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from agents.mixed import MixedPopulation
from agents.scripted import ScriptedPopulation
from experiments.bills import run_budget
from experiments.config import Config
from experiments.errors import UserError
from experiments.live import Counted, Live, Told, summed
from experiments.minds import calls_each, check_minds, talks, with_minds, words_of
from experiments.mixed_people import among, has_rl_people, mixed_in, of_kind, own_share
from experiments.models import check_named, check_taught, engines_of, kind_of
from experiments.package_people import package_people
from experiments.rl_people import learns_beside_a_principal, rl_people
from experiments.run_baselines import check_baselines, check_family, check_method
from experiments.runs import Run
from learning.draws import child_seed
from personas.rosters import Sampler, Village, open_rosters
from societies.base import Restful, Society
from societies.catalog import load
from societies.stage import Stage
from world_model.model import check_learnable


@dataclass(frozen=True)
class Cast:
    """Who plays: the society, its people and how they decide."""

    society: Society
    rosters: Sampler | Village
    people: Callable[[str], Population]  # purpose -> the people, their decisions kept under that purpose
    notes: Callable[[], tuple[str, ...]] = tuple  # what a reader must know of how they were asked, so far
    models: tuple[str, ...] = ()  # that are asked for them, as the journal names them

    def stage(self, seed: int, split: str, purpose: str) -> Stage:
        """The real thing for one split of the rosters."""
        again = self.people(f"{purpose}, again")
        return Stage(self.society, self.people(purpose), self.rosters, child_seed(seed, split), again)


@contextmanager
def cast_of(config: Config, run: Run, live: Live) -> Generator[Cast]:
    """Opens society, rosters, journal and models. Errors name what is wrong before anything is spent."""
    society = society_of(config)
    check(config, society)
    with players(config, run, live, society) as cast:
        yield cast


@contextmanager
def players(config: Config, run: Run, live: Live, society: Society, decided: Told | None = None) -> Generator[Cast]:
    """The same where nothing is to be learned of the people. decided: where they tell their progress, if that is not
    `live` itself. Errors as there.
    """
    check_people(config, society)
    rosters = open_rosters(run.people, society.agents, "all", society.attributes_used, society.traits_used)
    told = summed(decided or live.decided, 1 + len(mixed_in(config)))
    kinds = zip(mixed_in(config), told[1:], strict=True)
    others = [
        Counted(_unpaid(of_kind(config, kind), run, live, society, rosters), progress) for kind, progress in kinds
    ]
    if config.population.kind != "llm":
        unpaid = Counted(_unpaid(of_kind(config, config.population.kind), run, live, society, rosters), told[0])
        yield Cast(society, rosters, among(config, lambda purpose: unpaid, others))
        return
    check_named(config, rosters)
    engines = engines_of(config, run)
    for engine in engines:
        check_minds(config, society, engine)
        check_taught(engine, society, rosters)
    if not run.replay:
        words_of(config)  # told now, if they cannot be read
    budget = run_budget(config, run, engines)
    with Journal(run.journal) as journal:
        parts = _parts(config, budget, told[0], journal, engines)
        asked = tuple(engine.model for engine in engines)
        people = among(config, _by_purpose(parts, config, run, society), others)
        yield Cast(society, rosters, people, lambda: _notes(parts), asked)


def _unpaid(config: Config, run: Run, live: Live, society: Society, rosters: Sampler | Village) -> Population:
    """People whose decisions cost nothing that is accounted for."""
    if config.population.kind == "scripted":
        return ScriptedPopulation(config.population.way == "distribution")
    if config.population.kind == "rl":
        return rl_people(config, run, live, society, rosters)
    return package_people(config, society)


def _parts(
    config: Config, budget: Budget, decided: Told, journal: Journal, engines: list[Engine]
) -> list[LanguagePopulation]:
    """Those who are asked of each model."""
    who = config.population
    told = summed(decided, len(engines))
    return [
        LanguagePopulation(
            engine, journal, budget, who.way, who.retries, who.fallback, who.max_fallback_share, progress=progress
        )
        for engine, progress in zip(engines, told, strict=True)
    ]


def _by_purpose(
    parts: list[LanguagePopulation], config: Config, run: Run, society: Society
) -> Callable[[str], Population]:
    minded = [with_minds(part, config, run, society) for part in parts]
    if len(minded) == 1:
        return minded[0].under
    kind = kind_of(config)
    return lambda purpose: MixedPopulation(tuple(part.under(purpose) for part in minded), kind)


def _notes(parts: list[LanguagePopulation]) -> tuple[str, ...]:
    return tuple(note for part in parts for note in part.notes)


def society_of(config: Config) -> Society:
    """The society of a run. UserError: there is none of that name, or it has no such objective."""
    told = config.society
    try:
        return load(told.name, told.objective, told.talk, told.payoffs)
    except ValueError as error:
        raise UserError(
            str(error),
            where="society",
            fix="name one that there is, in the file or as society.name=... (or society.objective, society.talk, "
            "society.payoffs)",
        ) from None


def check(config: Config, society: Society) -> None:
    """Refuses what could only fail later, when it has cost something."""
    learnable(society)
    check_people(config, society)
    check_baselines(config.baselines, society, learns_beside_a_principal(config))
    if has_rl_people(config):
        check_family(config.baselines, society)
    check_method(config.method.settings, config.baselines, society)


def check_people(config: Config, society: Society) -> None:
    """Refuses people who could not play it, and a budget that does not pay for an episode."""
    if config.population.kind == "llm" and config.population.fallback == "skip" and not isinstance(society, Restful):
        raise UserError(
            f"people of {society.name} cannot do nothing, so no decision can be skipped",
            where="population.fallback",
            fix="write repeat_last, uniform or abort",
        )
    asked = society.steps * society.agents * own_share(config)
    episode, calls = round(asked * calls_each(config, society)), config.budget.calls
    silent = next((kind for kind in (config.population.kind, *mixed_in(config)) if kind != "llm"), None)
    if talks(society) and silent is not None:
        raise UserError(
            f"{silent} people do not talk",
            where="society.talk",
            fix="leave it out, or write population.kind=llm without population.mix",
        )
    if config.population.kind == "llm" and calls is not None and calls < episode:
        raise UserError(
            f"{calls:,} calls do not pay for one episode of {society.name}, which takes {episode:,}",
            where="budget.calls",
            fix=f"allow at least {episode:,}, or leave it out",
        )


def learnable(society: Society) -> None:
    """UserError for a society that no world model can learn."""
    try:
        check_learnable(society)
    except ValueError as error:
        fix = "name another society; docs/comparison.md says how SWM-AP learns team formation"
        raise UserError(str(error), where="society.name", fix=fix) from None
