"""`solon compare-populations`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.tables import print_json, print_table

if TYPE_CHECKING:
    from experiments.compared_report import Found
    from experiments.config import Config
    from experiments.runs import Run

PRINTED = ("answer", "elasticity", "trait", "welfare", "inequality", "recovery", "signature")


def compare_populations(  # noqa: PLR0913  (each is an option of the command line)
    config: Annotated[Path, typer.Argument(help="A YAML file, such as experiments/configs/demo.yaml.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Put over the file.")] = None,
    name: Annotated[str | None, typer.Option(help="The folder in runs/; left out: CONFIG-people.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Paired seeds; short for compare.seeds=N.")] = None,
    budget_calls: Annotated[int | None, typer.Option(help="Most calls to the model; short for budget.calls=N.")] = None,
    smoke: Annotated[bool, typer.Option(help="Seconds instead of minutes; the figures mean nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how much it takes, and ask nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """The same people as language models, RL agents and scripts, under the same rules, with the same draws.

    The same command again continues where it was broken off.
    """
    from experiments.config import load_config
    from experiments.runs import open_run

    short = {"compare.seeds": seeds, "budget.calls": budget_calls}
    over = [*(words or []), *(f"{key}={value}" for key, value in short.items() if value is not None)]
    whole = load_config(config, over)
    asked = load_config(config, [*over, f"name={name or f'{whole.name}-people'}"], smoke)
    if smoke and asked.compare == whole.compare:
        _refuse_a_whole(config)
    if dry_run:
        _foretell(asked)
        return
    finish(open_run(asked), as_json)


def _refuse_a_whole(config: Path) -> None:
    from experiments.errors import UserError

    fix = "write there, for example, compare: {seeds: 2, rosters: 1, random: 1, rl: {iterations: 2}}"
    raise UserError("its section `smoke:` does not say what a small comparison is", where=str(config), fix=fix)


def _foretell(config: "Config") -> None:
    from experiments.comparison import decisions

    print_table(("people", "decisions"), [(who, f"{n:,}") for who, n in decisions(config).items()], numbers=(1,))
    typer.echo("a language model is asked as often at most: the same words under the same rules are asked once")


def finish(run: "Run", as_json: bool = False) -> None:
    """What is left of the comparison, its tables on the screen, and its report."""
    from experiments.compared_report import as_json as told
    from experiments.compared_report import found_in, write
    from experiments.comparison import compare, plan
    from experiments.live import Live
    from experiments.runs import mark_finished

    config = run.config
    with run as opened:
        with Live(f"solon compare-populations {config.name}", plan(config), config.budget.calls) as live:
            for note in opened.notes:
                live.note(note)
            found = found_in(compare(config, opened, live))
        write(found, opened)
        mark_finished(opened)
        if as_json:
            print_json(told(found))
        else:
            _show(found)
        for note in found.told:
            typer.echo(note, err=as_json)
        typer.echo(f"report: {opened.report}", err=as_json)


def _show(found: "Found") -> None:
    from experiments.compared_words import TITLES, findings, spread

    tables, naming = found.tables, found.naming
    rows = list[tuple[str, ...]]()
    for table in PRINTED:
        for row in (row for row in tables.rows(table) if row):
            known = [tables.cell(kind, table, row).interval for kind in tables.kinds]
            label = "" if table == "elasticity" else f": {naming.row(table, row)}"
            rows.append((f"{TITLES[table]}{label}", *(spread(one) if one else "not applicable" for one in known)))
    print_table(("", *(naming.kinds[kind] for kind in tables.kinds)), rows, numbers=range(1, len(tables.kinds) + 1))
    for sentence in findings(tables, naming):
        typer.echo(sentence)
