"""What commands that compare kinds of people are given, and how they foretell what they take."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.tables import counted, print_json, print_table

if TYPE_CHECKING:
    from experiments.config import Config

ConfigFile = Annotated[Path, typer.Argument(help="A YAML file, such as experiments/configs/demo.yaml.")]
Words = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Put over the file.")]
Seeds = Annotated[int | None, typer.Option(help="Paired seeds; short for compare.seeds=N.")]
BudgetCalls = Annotated[int | None, typer.Option(help="Most calls to the model; short for budget.calls=N.")]
Smoke = Annotated[bool, typer.Option(help="Seconds instead of minutes; the figures mean nothing.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how much it takes, and ask nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def put_over(words: list[str] | None, seeds: int | None, budget_calls: int | None) -> list[str]:
    """The words of the command line, the short options among them."""
    short = {"compare.seeds": seeds, "budget.calls": budget_calls}
    return [*(words or []), *(f"{key}={value}" for key, value in short.items() if value is not None)]


def refuse_a_whole(config: Path, example: str) -> None:
    """UserError: nothing of what the command takes is smaller under --smoke."""
    from experiments.errors import UserError

    fix = f"write there, for example, {example}"
    raise UserError("its section `smoke:` does not say what is small here", where=str(config), fix=fix)


def of_fewer_seeds(file: Path, seeds: int) -> tuple[str, ...]:
    """What is to be known where the figures that a file holds are of more seeds than those that take their place."""
    from experiments.files import read_json

    found = read_json(file) if file.is_file() else {}
    before = int(found.get("seeds", 0)) if isinstance(found, dict) else 0
    told = f"the report of {before} seeds is replaced by one of {seeds}; all are kept: --seeds {before} brings it back"
    return (told,) * (before > seeds)


def named(name: str) -> str:
    """The word that gives a run its name, whatever YAML would make of it."""
    return f"name={json.dumps(name)}"


def foretell(config: "Config", decisions: Mapping[str, int], as_json: bool) -> None:
    """How many decisions each kind of people makes, how often RL people learn, and what the models are asked."""
    from experiments.estimate import estimate_of_kinds

    asked, trained = estimate_of_kinds(config, decisions), _trainings(config)
    if as_json:
        print_json({**asked.plain(), "decisions": dict(decisions), "trainings": trained})
        return
    print_table(("people", "decisions"), [(who, f"{n:,}") for who, n in decisions.items()], numbers=(1,))
    if trained:
        typer.echo(f"RL people learn first, on this machine and without any call, anew for {counted(trained, 'seed')}")
    for line in asked.told(config):
        typer.echo(line)


def _trainings(config: "Config") -> int:
    """How often RL people learn."""
    from experiments.compared_kinds import as_kind, kinds_of
    from experiments.rl_people import learner_of

    own = as_kind(config, "rl").population
    ready = own.checkpoint is not None or learner_of(own.settings) == "mirror_descent"
    return 0 if ready or "rl" not in kinds_of(config.compare) else config.compare.seeds
