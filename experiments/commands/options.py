"""What commands that compare kinds of people are given, and how they foretell what they take."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from experiments.tables import print_json, print_table

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


def named(name: str) -> str:
    """The word that gives a run its name, whatever YAML would make of it."""
    return f"name={json.dumps(name)}"


def foretell(decisions: Mapping[str, int], as_json: bool) -> None:
    """How many decisions each kind of people makes."""
    from experiments.compared_kinds import label_of

    if as_json:
        print_json({"decisions": dict(decisions)})
        return
    print_table(("people", "decisions"), [(who, f"{n:,}") for who, n in decisions.items()], numbers=(1,))
    if label_of("llm") in decisions:
        typer.echo("a language model is asked as often at most: the same words under the same rules are asked once")
