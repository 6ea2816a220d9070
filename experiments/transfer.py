"""`solon transfer`: rules learned on each kind of a config's people, tried on all; see `experiments.transferred`.

Each seed has its own training communities and RL people; all are judged on the same held-out ones. What rules
learned on one kind bring everyone is kept as a stage of the run when all of it is known; calls and people at once.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from agents.base import Population
from agents.embedded.vocabulary import STAND_IN
from experiments.cast import learnable, society_of
from experiments.claims import Json
from experiments.compared_kinds import Kinds, check_kinds, kinds_of, label_of, opened_kinds, seed_of
from experiments.config import Config, smoke_notes
from experiments.errors import UserError
from experiments.files import read_json
from experiments.judging import Tensors
from experiments.live import Live
from experiments.pipeline import keep_roster
from experiments.run_baselines import check_method
from experiments.runs import Run
from experiments.stages import TENSORS
from experiments.statistics import Floats
from experiments.transfer_table import FEW, Matrix
from experiments.transferred import Lab, itself, learned_on, measure
from learning.draws import child_seed, draws
from societies.base import Society
from societies.people_ppo import TRAINING

KEPT = "transfer.json"  # in the run's folder


def plan(config: Config) -> tuple[str, ...]:
    """The stages, as the display names them."""
    kinds = kinds_of(config.compare)
    before = (TRAINING,) if "rl" in kinds else ()
    return (*before, *(_stage(part(kind)) for part in (itself, learned_on) for kind in kinds))


def _stage(part: str) -> str:
    """What a part of `experiments.transferred.measure` is called on the screen."""
    which, kind = part.split(" ", 1)
    return f"{label_of(kind)}'s own rules" if which == "itself" else f"rules learned on {label_of(kind)}"


def transfer(config: Config, run: Run, live: Live) -> tuple[Matrix, tuple[str, ...]]:
    """All of it, or what is left of it, and what a reader must know. Errors name what is wrong before anything is
    spent.
    """
    torch.set_num_threads(config.threads)
    society = checked(config)
    with opened_kinds(config, run, live, society) as here:
        judged = here.any.rosters.people(draws(_judged(config), 0, config.evaluation.communities))
        keep_roster(run, "held-out", judged)
        who = {kind: here.people(kind) for kind in kinds_of(config.compare)}
        for seed in range(config.compare.seeds):
            lab = _lab(config, here, {kind: people(seed) for kind, people in who.items()}, seed)
            measure(lab, lambda name, make, seed=seed: _kept(run, live, seed, name, make))
        notes = (*_notes(config, here), *here.notes())
    return matrix(config, run), notes


def checked(config: Config) -> Society:
    """The society, which every kind can play and SWM-AP can learn. UserError."""
    society = society_of(config)
    check_method(config.method.settings, (), society)
    learnable(society)
    check_kinds(config, society)
    return society


def _notes(config: Config, here: Kinds) -> tuple[str, ...]:
    small = any(model.partition(":")[0] == "embedded" for model in here.models)
    few = f"fewer than {FEW} seeds: the intervals speak of the held-out communities, hardly of other seeds"
    told = (f"LLM people: {STAND_IN}",) * small + smoke_notes(config)
    told += (few,) * (config.compare.seeds < FEW)
    return told + here.of_a_village()


def told(config: Config, found: Matrix, notes: Sequence[str]) -> dict[str, Json]:
    """For JSON."""
    communities = config.evaluation.communities
    return {**found.plain(), "seeds": config.compare.seeds, "held_out_communities": communities, "notes": list(notes)}


def notes_of(run: Run) -> tuple[str, ...]:
    """Those that were kept with a finished run."""
    file = run.folder / KEPT
    found = read_json(file)
    notes = cast("object", found.get("notes")) if isinstance(found, dict) else None
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in cast("list[object]", notes)):
        raise _damaged(file)
    return tuple(cast("list[str]", notes))


def _damaged(file: Path) -> UserError:
    fix = "delete it, and issue the command that began this run again: it makes what is missing anew"
    return UserError("it is not as this command left it", where=str(file), fix=fix)


def _lab(config: Config, here: Kinds, people: Mapping[str, Population], seed: int) -> Lab:
    settings, of = config.method.settings, here.any
    told = settings, settings.first_episodes, tuple(config.compare.adapt), config.evaluation.communities
    return Lab(of.society, of.rosters, people, *told, seed_of(config, seed), _judged(config))


def _judged(config: Config) -> int:
    """Seed of the held-out communities, which are those of a run of the config."""
    return child_seed(config.seed, "held-out")


def _kept(run: Run, live: Live, seed: int, name: str, make: Callable[[], Tensors]) -> Tensors:
    with live.stage(_stage(name)):
        return run.stages.get(_file(seed, name), TENSORS, make)


def _file(seed: int, part: str) -> str:
    return f"transfer-{seed}-{part.replace(' ', '-')}"


def matrix(config: Config, run: Run) -> Matrix:
    """Of the finished parts. FileNotFoundError where some are not."""

    def levels(part: str, how: str) -> Floats:
        files = [run.stages.folder / f"{_file(seed, part)}{TENSORS.suffix}" for seed in range(config.compare.seeds)]
        return torch.cat([_level(file, how) for file in files]).double().numpy()

    return Matrix(config.society.name, kinds_of(config.compare), tuple(config.compare.adapt), levels)


def _level(file: Path, how: str) -> Tensor:
    """[1, C] UserError where the file does not hold it."""
    try:
        found = TENSORS.read(file)[how]
    except (KeyError, ValueError) as error:
        raise _damaged(file) from error
    if not found.isfinite().all():
        raise _damaged(file)
    return found


def decisions(config: Config) -> dict[str, int]:
    """How many each kind makes, by its label. UserError as `checked`.

    Rules are learned on a kind twice, once more without inference, and from few episodes by itself and by every other.
    """
    society, told, settings = checked(config), config.compare, config.method.settings
    kinds = kinds_of(told)
    learned = 3 * settings.first_episodes + len(kinds) * sum(told.adapt)
    judged = config.evaluation.communities * (1 + 2 * len(kinds) + len(kinds) * len(told.adapt))
    count = told.seeds * (learned + judged) * society.steps * society.agents
    return {label_of(kind): count for kind in kinds}
