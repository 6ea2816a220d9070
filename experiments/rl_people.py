"""RL people in a run: trained once, as a stage, or read from where another run left them."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from agents.llm.engine import Setting
from agents.rl import Policy, RLPopulation, load_policy, save_policy
from experiments.errors import ROOT, UserError
from experiments.metrics import Point
from learning.draws import Draws, child_seed
from mechanism.explore import VariedRules
from personas.spelling import suggest
from societies.base import Principal, Society
from societies.best_response import BestResponseSettings, check, train
from societies.stage import Rosters

if TYPE_CHECKING:
    from experiments.config import Config
    from experiments.live import Live
    from experiments.runs import Run

TRAINING = "training RL people"
STAGE = "rl-people"


class PolicyForm:
    """A trained policy, as `experiments.stages` keeps results."""

    suffix = ".safetensors"

    def write(self, value: Policy, path: Path) -> None:
        save_policy(value, path)

    def read(self, path: Path) -> Policy:
        return load_policy(path)


def best_response_settings(told: Mapping[str, Setting]) -> BestResponseSettings:
    """The settings of the training from `population.settings`. ValueError naming an unknown or impossible one."""
    defaults = {f.name: f.default for f in fields(BestResponseSettings)}
    for name, value in told.items():
        if name not in defaults:
            raise ValueError(
                f"{name!r} is no setting of RL people{suggest(name, defaults)}; allowed: {', '.join(defaults)}"
            )
        whole = isinstance(defaults[name], int)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise ValueError(f"{name} is {value!r}; it should be a {'whole ' if whole else ''}number")
    settings = TypeAdapter(BestResponseSettings).validate_python(dict(told))
    check(settings)
    return settings


def rl_people(config: "Config", run: "Run", live: "Live", society: Society, rosters: Rosters) -> RLPopulation:
    """The people of this run. They learn in episodes of their own, which nobody else sees, under rules of all kinds.

    UserError where a checkpoint is none, or of another society.
    """
    form, given = PolicyForm(), config.population.checkpoint
    with live.stage(TRAINING):
        if given is not None and not run.stages.finished(STAGE, form):
            taken_over = _checkpoint(given, society)  # outside of the stage: a wrong one leaves no trace in the run
            policy = run.stages.get(STAGE, form, lambda: taken_over)
        else:
            policy = run.stages.get(STAGE, form, lambda: _trained(config, run, live, society, rosters))
    return RLPopulation(policy, config.population.way == "distribution")


def _trained(config: "Config", run: "Run", live: "Live", society: Society, rosters: Rosters) -> Policy:
    def rules(draws: Draws) -> Principal:
        return VariedRules(society, draws)

    def told(what: str, done: int, of: int, payoff: float) -> None:
        live.step(what, done, of)
        run.metrics.add(Point(STAGE, what, done, payoff), of)

    run.metrics.begin(STAGE)
    settings = best_response_settings(config.population.settings)
    policy = train(society, rosters, rules, settings, child_seed(config.seed, TRAINING), told)
    if not all(bool(value.isfinite().all()) for value in policy.state_dict().values()):
        raise UserError(
            "the training of the RL people diverged: its numbers are no longer finite",
            where="population.settings.learning_rate",
            fix=f"lower it; it is {settings.learning_rate:g}",
        )
    return policy


def _checkpoint(given: str, society: Society) -> Policy:
    where, fix = "population.checkpoint", f"name runs/RUN/stages/{STAGE}.safetensors of a run with {society.name}"
    path = next((p for p in (Path(given), ROOT / given) if p.is_file()), None)
    if path is None:
        raise UserError(f"there is no file {given}", where=where, fix=fix)
    try:
        policy = load_policy(path)
    except ValueError as error:
        raise UserError(str(error), where=where, fix=fix) from error
    if policy.sizes.society != society.name:
        raise UserError(f"{given}: its people learned in {policy.sizes.society}", where=where, fix=fix)
    return policy
