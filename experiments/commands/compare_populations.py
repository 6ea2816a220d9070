"""`solon compare-populations`."""

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.commands.options import (
    AsJson,
    BudgetCalls,
    ConfigFile,
    DryRun,
    Seeds,
    Smoke,
    Words,
    foretell,
    named,
    of_fewer_seeds,
    put_over,
    refuse_a_whole,
)
from experiments.tables import print_json, print_table

if TYPE_CHECKING:
    from experiments.compared_report import Found
    from experiments.runs import Run

PRINTED = ("answer", "elasticity", "trait", "welfare", "inequality", "recovery", "signature")


def compare_populations(  # noqa: PLR0913  (each is an option of the command line)
    config: ConfigFile,
    words: Words = None,
    name: Annotated[str | None, typer.Option(help="The folder in runs/; left out: CONFIG-people.")] = None,
    seeds: Seeds = None,
    budget_calls: BudgetCalls = None,
    smoke: Smoke = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """The same people as language models, RL agents and scripts, under the same rules, with the same draws.

    The same command again continues where it was broken off.
    """
    from experiments.comparison import decisions
    from experiments.config import load_config
    from experiments.runs import open_run

    over = put_over(words, seeds, budget_calls)
    whole = load_config(config, over)
    asked = load_config(config, [*over, named(name or f"{whole.name}-people")], smoke)
    if smoke and asked.compare == whole.compare:
        refuse_a_whole(config, "compare: {seeds: 2, rosters: 1, drawn: 1, rl: {iterations: 2}}")
    foretold = decisions(asked)
    if dry_run:
        foretell(asked, foretold, as_json)
        return
    finish(open_run(asked, command="compare-populations"), as_json)


def finish(run: "Run", as_json: bool = False) -> None:
    """What is left of the comparison, its tables on the screen, and its report."""
    from experiments.compared_report import KEPT, found_in, write
    from experiments.compared_report import as_json as told
    from experiments.comparison import compare, plan
    from experiments.live import Live
    from experiments.runs import mark_finished

    config = run.config
    with run as opened:
        with Live(f"solon compare-populations {config.name}", plan(config), config.budget.calls) as live:
            for note in opened.notes:
                live.note(note)
            found = found_in(compare(config, opened, live))
        fewer = of_fewer_seeds(opened.folder / KEPT, config.compare.seeds)
        write(found, opened)
        mark_finished(opened)
        if as_json:
            print_json(told(found))
        else:
            _show(found)
        for note in (*found.told, *fewer):
            typer.echo(note, err=as_json)
        typer.echo(f"report: {opened.report}", err=as_json)


def _show(found: "Found") -> None:
    from experiments.compared_words import findings

    tables, naming = found.tables, found.naming
    rows = [line for table in PRINTED for line in _lines(found, table)]
    print_table(("", *(naming.kinds[kind] for kind in tables.kinds)), rows, numbers=range(1, len(tables.kinds) + 1))
    for sentence in findings(tables, naming):
        typer.echo(sentence)


def _lines(found: "Found", table: str) -> list[tuple[str, ...]]:
    """A table's rows below its title; or in one line where there is but one, which has no name."""
    from experiments.compared_words import spread

    tables, naming = found.tables, found.naming
    lines = list[tuple[str, ...]]()
    for row in filter(None, tables.rows(table)):
        known = [tables.cell(kind, table, row).mean for kind in tables.kinds]
        lines.append((f"  {naming.row(table, row)}", *(spread(one) if one else "not applicable" for one in known)))
    if table == "elasticity":
        return [(naming.title(table), *line[1:]) for line in lines]
    return [(naming.title(table), *("" for _ in tables.kinds)), *lines] if lines else []
