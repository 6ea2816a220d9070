"""RL people in a run: trained once, as a stage, or read from where another run left them."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter
from torch import nn

from agents.base import Population
from agents.llm.engine import Setting
from agents.mirror import MirrorPopulation, MirrorSettings
from agents.rl import Policy, RLPopulation, Sizes, load_policy, save_policy
from agents.tabular import Form, Table, TabularPopulation, load_table, save_table
from experiments.errors import ROOT, UserError
from experiments.metrics import Point
from experiments.stages import TENSORS
from experiments.two_level import TwoLevel, TwoLevelSettings, check_two_level, two_level
from learning.draws import Draws, child_seed
from mechanism.explore import VariedRules
from mechanism.policy import untrained
from personas.spelling import suggest
from societies.base import Principal, Society
from societies.best_response import train
from societies.people_ppo import TRAINING, BestResponseSettings, Progress, check, sizes_of
from societies.stage import Rosters
from societies.tabular import QSettings, check_table, form_of, train_table

if TYPE_CHECKING:
    from experiments.config import Config
    from experiments.live import Live
    from experiments.runs import Run

STAGE, RULES = "rl-people", "two-level-rules"
TWO_LEVEL = "two_level"
LEARNERS: dict[str, type[Any]] = {
    "shared_ppo": BestResponseSettings,
    "independent_ppo": BestResponseSettings,
    "tabular_q": QSettings,
    "mirror_descent": MirrorSettings,
    TWO_LEVEL: TwoLevelSettings,
}
Learned = Policy | Table


class LearnedForm:
    """Trained people, as `experiments.stages` keeps results."""

    suffix = ".safetensors"

    def write(self, value: Learned, path: Path) -> None:
        if isinstance(value, Table):
            save_table(value, path)
        else:
            save_policy(value, path)

    def read(self, path: Path) -> Learned:
        """ValueError where it is neither."""
        try:
            return load_table(path)
        except ValueError:
            return load_policy(path)


def learner_of(told: Mapping[str, Setting]) -> str:
    """How RL people learn, from `population.settings`. ValueError for a way that there is not."""
    name = told.get("learner", "shared_ppo")
    if name not in LEARNERS:
        raise ValueError(
            f"learner {name!r} is not known{suggest(str(name), LEARNERS)}; choose one of {', '.join(LEARNERS)}"
        )
    return str(name)


def learner_settings(told: Mapping[str, Setting]) -> Any:
    """The settings of the learner from `population.settings`. ValueError naming an unknown or impossible one."""
    learner = learner_of(told)
    kind = LEARNERS[learner]
    defaults, given = {f.name: f.default for f in fields(kind)}, {k: v for k, v in told.items() if k != "learner"}
    for name, value in given.items():
        if name not in defaults:
            raise ValueError(
                f"{name!r} is no setting of {learner}{suggest(name, defaults)}; allowed: learner, {', '.join(defaults)}"
            )
        _check_kind(name, value, type(defaults[name]))
    settings = TypeAdapter(kind).validate_python(given)
    _check(settings)
    return settings


def _check_kind(name: str, value: Setting, kind: type) -> None:
    """ValueError where a setting is no number, or not true or false."""
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; it should be true or false")
    elif isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise ValueError(f"{name} is {value!r}; it should be a {'whole ' if kind is int else ''}number")


def _check(settings: Any) -> None:
    if isinstance(settings, TwoLevelSettings):
        check_two_level(settings)
    elif isinstance(settings, BestResponseSettings):
        check(settings)
    elif isinstance(settings, QSettings):
        check_table(settings)
    else:
        MirrorPopulation(settings)


def rl_people(
    config: "Config", run: "Run", live: "Live", society: Society, rosters: Rosters, stage: str = STAGE
) -> Population:
    """The people of this run. They learn in episodes of their own, which nobody else sees, under rules of all kinds.
    stage: the name that they are kept under.

    UserError where a checkpoint is none, or of another society, or where the society is not for such learners.
    """
    told, whole = config.population, config.population.way == "distribution"
    if told.checkpoint is None and learner_of(told.settings) == "mirror_descent":
        return MirrorPopulation(learner_settings(told.settings), whole)
    form = LearnedForm()
    with live.stage(TRAINING):
        if told.checkpoint is not None:  # read outside of the stage: a wrong one leaves no trace there
            found = taken_over(told.checkpoint, run, society, rosters, stage)
            learned = run.stages.get(stage, form, lambda: found)
        else:
            learned = run.stages.get(stage, form, lambda: _trained(config, run, live, society, rosters, stage))
    return people_of(learned, whole)


def taken_over(given: str, run: "Run", society: Society, rosters: Rosters, stage: str) -> Learned:
    """The people of a file, or those whom the run took from it when it began. UserError where they are not the same any
    more, and as in `checkpoint_of`.
    """
    form, there = LearnedForm(), _file(given) is not None
    kept = run.stages.get(stage, form, _nobody) if run.stages.finished(stage, form) else None
    if kept is not None and (run.replay or not there):
        return kept
    found = checkpoint_of(given, society, rosters)
    if kept is not None and not _same(kept, found):
        raise UserError(
            f"{given} holds other people than when this run began",
            where="population.checkpoint",
            fix="give the new run its own name, or put back the file that was there",
        )
    return found


def _nobody() -> Learned:
    raise AssertionError("they are kept already")


def _same(a: Learned, b: Learned) -> bool:
    if isinstance(a, Table) or isinstance(b, Table):
        return isinstance(a, Table) and isinstance(b, Table) and a.form == b.form and torch.equal(a.worth, b.worth)
    theirs = b.state_dict()
    return a.sizes == b.sizes and all(torch.equal(value, theirs[name]) for name, value in a.state_dict().items())


def _file(given: str) -> Path | None:
    return next((path for path in (Path(given), ROOT / given) if path.is_file()), None)


def people_of(learned: Learned, tells_distribution: bool = True) -> Population:
    """Trained people, as a population."""
    if isinstance(learned, Table):
        return TabularPopulation(learned, tells_distribution)
    return RLPopulation(learned, tells_distribution)


def _trained(config: "Config", run: "Run", live: "Live", society: Society, rosters: Rosters, stage: str) -> Learned:
    def rules(draws: Draws) -> Principal:
        return VariedRules(society, draws)

    def told(what: str, done: int, of: int, payoff: float) -> None:
        live.step(what, done, of)
        run.metrics.add(Point(stage, what, done, payoff), of)

    run.metrics.begin(stage)
    settings, seed = learner_settings(config.population.settings), child_seed(config.seed, TRAINING)
    if isinstance(settings, QSettings):
        return _with_a_table(society, rosters, settings, seed, told)
    if isinstance(settings, TwoLevelSettings):
        return _with_rules_kept(run, stage, two_level(society, rosters, settings, seed, told), settings)
    shared = learner_of(config.population.settings) == "shared_ppo"
    policy = train(society, rosters, rules, settings, seed, told, shared)
    _check_finite(policy, "learning_rate", settings.learning_rate)
    return policy


def _with_rules_kept(run: "Run", stage: str, found: TwoLevel, settings: TwoLevelSettings) -> Policy:
    """The people; of a run, what the principal learned beside them is kept as the rules of a baseline."""
    _check_finite(found.people, "learning_rate", settings.learning_rate)
    _check_finite(found.principal.policy, "principal_rate", settings.principal_rate)
    if stage == STAGE:  # where kinds are compared nobody asks for these rules
        run.stages.get(RULES, TENSORS, found.principal.policy.state_dict)
    return found.people


def _check_finite(learned: nn.Module, rate: str, value: float) -> None:
    """UserError where the learning diverged."""
    if not all(bool(value.isfinite().all()) for value in learned.state_dict().values()):
        raise UserError(
            "the training of the RL people diverged: its numbers are no longer finite",
            where=f"{rate} of the RL people",
            fix=f"lower it; it is {value:g}",
        )


def learns_beside_a_principal(config: "Config") -> bool:
    """Do the people of such a run learn while a principal learns their rules?"""
    told = config.population
    settings = told.settings if told.kind == "rl" else told.rl
    some = told.kind == "rl" or told.mix.get("rl", 0) > 0
    return some and told.checkpoint is None and learner_of(settings) == TWO_LEVEL


def taught_rules(run: "Run", society: Society) -> Principal | None:
    """The principal that the people of this run learned beside, where there was one."""
    if not run.stages.finished(RULES, TENSORS):
        return None
    learned = untrained(society, None, 0)
    learned.policy.load_state_dict(dict(run.stages.get(RULES, TENSORS, dict)))
    return learned


def _with_a_table(society: Society, rosters: Rosters, settings: QSettings, seed: int, progress: Progress) -> Table:
    try:
        return train_table(society, rosters, lambda draws: VariedRules(society, draws), settings, seed, progress)
    except ValueError as error:
        raise UserError(str(error), where="learner of the RL people", fix="write learner: shared_ppo") from None


def checkpoint_of(given: str, society: Society, rosters: Rosters) -> Learned:
    """The people of a file. UserError where there is none, or they are of another society or another size of it."""
    where, fix = "population.checkpoint", f"name runs/RUN/stages/{STAGE}.safetensors of a run with {society.name}"
    path = _file(given)
    if path is None:
        raise UserError(f"there is no file {given}", where=where, fix=fix)
    try:
        learned = LearnedForm().read(path)
    except ValueError as error:
        raise UserError(str(error), where=where, fix=fix) from error
    there = learned.form if isinstance(learned, Table) else learned.sizes
    if there.society != society.name:
        raise UserError(f"{given}: its people learned in {there.society}", where=where, fix=fix)
    if wrong := _misfit(there, society, rosters):
        raise UserError(f"{given}: {wrong}", where=where, fix=fix)
    return learned


def _misfit(there: Sizes | Form, society: Society, rosters: Rosters) -> str:
    """Why people cannot play this size of the society; "" where they can."""
    if isinstance(there, Form):
        here = form_of(society, there.seats > 1, there.parts)
    else:
        here = sizes_of(society, rosters, there.hidden, there.seats > 0)
    differ = (pair for pair in zip(_sizes(there), _sizes(here), strict=True) if pair[0] != pair[1])
    theirs, mine = next(differ, ("", ""))
    return f"its people learned a {society.name} with {theirs}; this one has {mine}" if theirs else ""


def _sizes(of: Sizes | Form) -> tuple[str, ...]:
    """In words, what matters most first."""
    seen = f"{of.situations} situations" if isinstance(of, Form) else f"{of.view} numbers in a view"
    traits = f"the traits {', '.join(of.traits) or 'none'}"
    payoffs, apart = f"payoffs {of.payoffs or 'that its file does not tell'}", f"{of.seats} seats that learn apart"
    known = () if isinstance(of, Form) else (f"the public attributes {', '.join(of.attributes) or 'none'}",)
    return f"{of.choices} choices", payoffs, f"{of.steps} steps", seen, *known, traits, apart
