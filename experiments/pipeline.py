"""One run, from people's files to a learned mechanism and its evaluation. Every costly part is a stage.

Killed at any point and started again, the run reads finished stages and journalled calls and computes the rest
anew from the same counters, so that it ends with the same table.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from experiments.cast import Cast, cast_of
from experiments.config import Config
from experiments.errors import UserError
from experiments.live import Live
from experiments.metrics import Point
from experiments.mixed_people import has_rl_people
from experiments.report_data import Uncounted
from experiments.rl_people import TRAINING, taught_rules
from experiments.run_baselines import Spent, principal_of, under
from experiments.runs import Run, note_roster
from experiments.stages import TENSORS
from learning.draws import child_seed, draws
from mechanism.swm_ap import Outcome, most_episodes, swm_ap
from personas.frozen import freeze, frozen_hash, roster_hash
from personas.load import PersonaFileError
from personas.people import People
from societies.base import Episode, Sealed
from societies.play import Played
from societies.sealed import load_sealed, sealed_path
from societies.store import episode_path, load_episodes, save, save_episode

LEARNING = "learning"


def plan(config: Config) -> tuple[str, ...]:
    """The stages of a run, as the display names them."""
    before = (TRAINING,) if has_rl_people(config) else ()
    return (*before, LEARNING, *(f"evaluation: {name}" for name in ("swm_ap", *config.baselines)))


@dataclass(frozen=True)
class Evaluated:
    """A method on the held-out communities."""

    name: str
    episode: Episode
    sealed: Sealed | None  # the answer key, for the method whose beliefs are examined
    decisions: int | Uncounted  # real ones spent on learning


@dataclass(frozen=True)
class Finished:
    """All that a run found out."""

    config: Config
    cast: Cast
    outcome: Outcome
    evaluated: tuple[Evaluated, ...]  # ours first
    notes: tuple[str, ...] = ()  # what a reader must know of how people were asked


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
        evaluated = tuple(_evaluations(config, run, cast, outcome, live))
        return Finished(config, cast, outcome, evaluated, cast.notes())


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


def _freeze(config: Config, run: Run, cast: Cast) -> None:
    """Rosters are drawn before anybody is asked, and must be the same in every session of the run."""
    for split, count in (
        ("training", most_episodes(config.method.settings)),
        ("held-out", config.evaluation.communities),
    ):
        keep_roster(run, split, cast.rosters.people(draws(child_seed(config.seed, split), 0, count)))


def keep_roster(run: Run, split: str, people: People) -> None:
    """Writes down who they are, once. UserError where they are not those that the run began with."""
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
    of = Spent(config.seed, spent, communities, taught_rules(run, cast.society))
    for name in ("swm_ap", *config.baselines):
        purpose = f"evaluation: {name}"
        principal, cost = principal_of(name, cast.society, outcome, of)
        stage = replace(cast.stage(config.seed, "held-out", purpose), society=under(name, cast.society))
        with live.stage(purpose, communities * per_episode), torch.no_grad():
            played = once(run.episodes(name), partial(stage.play_sealed, principal, 0, communities))
        yield Evaluated(name, played.episode, played.sealed if name == "swm_ap" else None, cost)


def once(folder: Path, play: Callable[[], Played]) -> Played:
    """What was played: read if it is all there, else played and kept."""
    if not (episode_path(folder, 0).exists() and sealed_path(folder, 0).exists()):
        save(folder, 0, play())
    return Played(load_episodes(folder)[0], load_sealed(folder)[0])
