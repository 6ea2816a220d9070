"""One run, from people's files to a learned mechanism and its evaluation. Every costly part is a stage.

Killed at any point and started again, the run reads finished stages and journalled calls and computes the rest
anew from the same counters, so that it ends with the same table.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from agents.base import Population
from agents.llm.engine import Engine
from agents.llm.journal import Journal
from agents.llm.models import engine_for
from agents.llm.population import LanguagePopulation
from agents.llm.recorded import RecordedEngine
from agents.scripted import ScriptedPopulation
from experiments.bills import run_budget
from experiments.config import Config
from experiments.errors import UserError
from experiments.live import Counted, Live
from experiments.metrics import Point
from experiments.minds import check_minds, with_minds
from experiments.rl_people import TRAINING, rl_people
from experiments.run_baselines import Spent, check_baselines, check_method, principal_of, under
from experiments.runs import Run, note_roster
from experiments.stages import TENSORS
from learning.draws import child_seed, draws
from mechanism.swm_ap import Outcome, most_episodes, swm_ap
from personas.frozen import freeze, frozen_hash, roster_hash
from personas.load import PersonaFileError
from personas.rosters import Sampler, Village, open_rosters
from societies.base import Episode, Restful, Sealed, Society
from societies.catalog import load
from societies.play import Played
from societies.sealed import load_sealed, sealed_path
from societies.stage import Stage
from societies.store import episode_path, load_episodes, save, save_episode
from world_model.model import check_learnable

LEARNING = "learning"


def plan(config: Config) -> tuple[str, ...]:
    """The stages of a run, as the display names them."""
    before = (TRAINING,) if config.population.kind == "rl" else ()
    return (*before, LEARNING, *(f"evaluation: {name}" for name in ("swm_ap", *config.baselines)))


@dataclass(frozen=True)
class Cast:
    """Who plays: the society, its people and how they decide."""

    society: Society
    rosters: Sampler | Village
    people: Callable[[str], Population]  # purpose -> the people, their decisions kept under that purpose
    notes: Callable[[], tuple[str, ...]] = tuple  # what a reader must know of how they were asked, so far

    def stage(self, seed: int, split: str, purpose: str) -> Stage:
        """The real thing for one split of the rosters."""
        return Stage(self.society, self.people(purpose), self.rosters, child_seed(seed, split))


@dataclass(frozen=True)
class Evaluated:
    """A method on the held-out communities."""

    name: str
    episode: Episode
    sealed: Sealed | None  # the answer key, for the method whose beliefs are examined
    decisions: int | None  # real ones spent on learning; None = it was given the true society


@dataclass(frozen=True)
class Finished:
    """All that a run found out."""

    config: Config
    cast: Cast
    outcome: Outcome
    evaluated: tuple[Evaluated, ...]  # ours first


@contextmanager
def cast_of(config: Config, run: Run, live: Live) -> Generator[Cast]:
    """Opens the society, the rosters, the journal and the model. Errors name what is wrong before anything is spent."""
    society = society_of(config)
    check(config, society)
    rosters = open_rosters(run.people, society.agents, "all", society.attributes_used, society.traits_used)
    if config.population.kind != "llm":
        way = config.population.way == "distribution"
        rl = config.population.kind == "rl"
        unpaid = Counted(
            rl_people(config, run, live, society, rosters) if rl else ScriptedPopulation(way), live.decided
        )
        yield Cast(society, rosters, lambda purpose: unpaid)
        return
    budget, engine = run_budget(config, run), _engine(config, run)
    check_minds(config, society, engine)
    with Journal(run.journal) as journal:
        people = LanguagePopulation(
            engine,
            journal,
            budget,
            config.population.way,
            config.population.retries,
            config.population.fallback,
            config.population.max_fallback_share,
            progress=live.decided,
        )
        minded = with_minds(people, config, run, society)
        yield Cast(society, rosters, minded.under, lambda: people.notes)


def _engine(config: Config, run: Run) -> Engine:
    """The model; of a finished run the tape, whoever serves the model now."""
    if run.replay:
        return RecordedEngine(run.journal)
    return engine_for(config.population.model, config.population.base_url, **config.population.settings)


def execute(config: Config, run: Run, live: Live) -> Finished:
    """The whole run."""
    torch.set_num_threads(config.threads)
    settings = config.method.settings
    with cast_of(config, run, live) as cast:
        _freeze(config, run, cast)
        training, learning = cast.stage(config.seed, "training", LEARNING), _Learning(run, live)
        with live.stage(LEARNING, most_episodes(settings) * training.decisions_per_episode):
            outcome = swm_ap(training, settings, child_seed(config.seed, "swm_ap"), learning.told, learning.keep)
        save_episode(run.episodes("learning"), 0, outcome.episodes)
        return Finished(config, cast, outcome, tuple(_evaluations(config, run, cast, outcome, live)))


@dataclass
class _Learning:
    """Keeps the finished parts of the learning, shows how it goes, and writes down how it went."""

    run: Run
    live: Live
    part: str = ""

    def keep(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """As `mechanism.swm_ap.Keep`."""

        def anew() -> Mapping[str, Tensor]:
            self.part = name
            self.run.metrics.begin(name)
            return _made_of_numbers(name, make)

        return self.run.stages.get(name, TENSORS, anew)

    def told(self, what: str, done: int, of: int, value: float) -> None:
        """As `world_model.fit.Progress`."""
        self.live.step(what, done, of)
        self.run.metrics.add(Point(self.part, what, done, value), of)


def _made_of_numbers(part: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """What was made. UserError where the learning diverged, so that nothing of it is kept."""
    try:
        made = make()
    except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]  (documented as public)
        made = None
    if made is None or not all(bool(value.isfinite().all()) for value in made.values() if value.is_floating_point()):
        what, key = ("world model", "fit") if part.startswith("people") else ("policy", "improve")
        raise UserError(
            f"the learning of the {what} diverged: its numbers are no longer finite",
            where=f"method.settings.{key}",
            fix="lower its learning rate; the episodes that were played are kept",
        )
    return made


def society_of(config: Config) -> Society:
    """The society of a run. UserError: there is none of that name, or it has no such objective."""
    try:
        return load(config.society.name, config.society.objective, config.society.talk)
    except ValueError as error:
        raise UserError(
            str(error),
            where="society",
            fix="name one that there is, in the file or as society.name=... (society.objective=..., society.talk=...)",
        ) from None


def check(config: Config, society: Society) -> None:
    """Refuses what could only fail later, when it has cost something."""
    _check_learnable(society)
    if config.population.kind == "llm" and config.population.fallback == "skip" and not isinstance(society, Restful):
        raise UserError(
            f"people of {society.name} cannot do nothing, so no decision can be skipped",
            where="population.fallback",
            fix="write repeat_last, uniform or abort",
        )
    check_baselines(config.baselines, society)
    check_method(config.method.settings, config.baselines, society)
    episode, calls = society.steps * society.agents, config.budget.calls
    if config.population.kind == "llm" and calls is not None and calls < episode:
        raise UserError(
            f"{calls:,} calls do not pay for one episode of {society.name}, which takes {episode:,} decisions",
            where="budget.calls",
            fix=f"allow at least {episode:,}, or leave it out",
        )


def _check_learnable(society: Society) -> None:
    try:
        check_learnable(society)
    except ValueError as error:
        fix = "name another society; docs/comparison.md says how SWM-AP learns team formation"
        raise UserError(str(error), where="society.name", fix=fix) from None


def _freeze(config: Config, run: Run, cast: Cast) -> None:
    """Rosters are drawn before anybody is asked, and must be the same in every session of the run."""
    for split, count in (
        ("training", most_episodes(config.method.settings)),
        ("held-out", config.evaluation.communities),
    ):
        people = cast.rosters.people(draws(child_seed(config.seed, split), 0, count))
        digest, file = roster_hash(people), run.roster(split)
        note_roster(run, split, digest)
        if not _is_frozen(file, digest):
            freeze(people, file)


def _is_frozen(file: Path, digest: str) -> bool:
    """Is the file there, whole, and of these people? One that was cut or edited is written anew."""
    try:
        return frozen_hash(file) == digest
    except PersonaFileError:
        return False


def _evaluations(config: Config, run: Run, cast: Cast, outcome: Outcome, live: Live) -> Generator[Evaluated]:
    """Every method on the same held-out communities."""
    communities, per_episode = config.evaluation.communities, cast.society.steps * cast.society.agents
    spent = outcome.real_episodes * per_episode
    for name in ("swm_ap", *config.baselines):
        purpose = f"evaluation: {name}"
        principal, cost = principal_of(name, cast.society, outcome, Spent(config.seed, spent, communities))
        stage = replace(cast.stage(config.seed, "held-out", purpose), society=under(name, cast.society))
        with live.stage(purpose, communities * per_episode), torch.no_grad():
            played = _once(run.episodes(name), partial(stage.play_sealed, principal, 0, communities))
        yield Evaluated(name, played.episode, played.sealed if name == "swm_ap" else None, cost)


def _once(folder: Path, play: Callable[[], Played]) -> Played:
    """What was played: read if it is all there, else played and kept."""
    if not (episode_path(folder, 0).exists() and sealed_path(folder, 0).exists()):
        save(folder, 0, play())
    return Played(load_episodes(folder)[0], load_sealed(folder)[0])
