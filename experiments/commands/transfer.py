"""`solon transfer`."""

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
    from experiments.runs import Run
    from experiments.transfer_table import Matrix


def transfer(  # noqa: PLR0913  (each is an option of the command line)
    config: ConfigFile,
    words: Words = None,
    name: Annotated[str | None, typer.Option(help="The folder in runs/; left out: CONFIG-transfer.")] = None,
    seeds: Seeds = None,
    budget_calls: BudgetCalls = None,
    smoke: Smoke = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Rules learned on language models, RL agents and scripts, each tried on all of them: what is lost.

    The same command again continues where it was broken off.
    """
    from experiments.config import load_config
    from experiments.runs import open_run
    from experiments.transfer import decisions

    over = put_over(words, seeds, budget_calls)
    whole = load_config(config, over)
    asked = load_config(config, [*over, named(name or f"{whole.name}-transfer")], smoke)
    if smoke and asked.method == whole.method:
        refuse_a_whole(config, "method: {settings: {first_episodes: 2, improve: {iterations: 1, worlds: 5}}}")
    foretold = decisions(asked)
    if dry_run:
        foretell(asked, foretold, as_json)
        return
    finish(open_run(asked, command="transfer"), as_json)


def finish(run: "Run", as_json: bool = False) -> None:
    """What is left of the measuring, its table on the screen, and its report; of a finished run without measuring."""
    from experiments.files import write_json
    from experiments.live import Live
    from experiments.runs import mark_finished
    from experiments.transfer import KEPT, matrix, notes_of, plan, told, transfer
    from experiments.transfer_report import write

    config, fewer = run.config, of_fewer_seeds(run.folder / KEPT, run.config.compare.seeds)
    with run as opened:
        if opened.replay:
            found, notes = matrix(config, opened), notes_of(opened)
        else:
            with Live(f"solon transfer {config.name}", plan(config), config.budget.calls) as live:
                for note in opened.notes:
                    live.note(note)
                found, notes = transfer(config, opened, live)
            write_json(opened.folder / KEPT, told(config, found, notes))
        write(found, notes, opened)
        if not opened.replay:
            mark_finished(opened)
        if as_json:
            print_json(told(config, found, notes))
        else:
            _show(found)
    for line in (*notes, *fewer, f"report: {run.report}"):
        typer.echo(line, err=as_json)


def _show(found: "Matrix") -> None:
    from experiments.compared_kinds import label_of
    from experiments.transfer_report import learned_by, level, rows, way
    from experiments.transfer_table import cell

    head = ("learned on", "tried", *(f"on {label_of(kind)}" for kind in found.kinds))
    own = ("", "welfare of their own rules", *(level(found.welfare(kind)) for kind in found.kinds))
    table = (
        (learned_by(a), way(how), *(cell(by[k]) if k in by else "" for k in found.kinds)) for a, how, by in rows(found)
    )
    print_table(head, (own, *table), numbers=range(2, len(head)))
    typer.echo("below the first row, regret: how much more welfare rules of their own bring people than these do")
    for sentence in found.findings():
        typer.echo(sentence)
