"""`solon run` and `solon report`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.tables import print_json, print_table

if TYPE_CHECKING:
    from experiments.config import Config
    from experiments.pipeline import Finished
    from experiments.report_data import Method
    from experiments.runs import Run


def run(  # noqa: PLR0913  (each is an option of the command line)
    config: Annotated[Path, typer.Argument(help="A YAML file, such as experiments/configs/demo.yaml.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Put over the file.")] = None,
    smoke: Annotated[bool, typer.Option(help="Seconds instead of minutes; the figures mean nothing.")] = False,
    seed: Annotated[int | None, typer.Option(help="Short for seed=N.")] = None,
    budget_calls: Annotated[int | None, typer.Option(help="Most calls to the model; short for budget.calls=N.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Most tokens; short for budget.tokens=N.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would ask and cost, and ask nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Learn rules for a population and compare them. The same command again continues an interrupted run."""
    from experiments.config import load_config
    from experiments.runs import open_run

    short = {"seed": seed, "budget.calls": budget_calls, "budget.tokens": budget_tokens}
    over = [f"{key}={value}" for key, value in short.items() if value is not None]
    asked = load_config(config, [*(words or []), *over], smoke)
    if dry_run:
        _foretell(asked, as_json)
        return
    _finish(open_run(asked), as_json)


def report(name: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")]) -> None:
    """Write a finished run's report anew, from what the run folder holds."""
    from experiments.commands import compare_populations, transfer
    from experiments.compared_report import KEPT
    from experiments.runs import open_finished
    from experiments.transfer import KEPT as TRANSFER

    opened = open_finished(name)
    if (opened.folder / TRANSFER).is_file():
        transfer.finish(opened)
    elif (opened.folder / KEPT).is_file():
        compare_populations.finish(opened)
    else:
        _finish(opened, as_json=False)


def _foretell(config: "Config", as_json: bool) -> None:
    from experiments.estimate import estimate

    found = estimate(config)
    if as_json:
        print_json(found.plain())
        return
    rows = [(stage, f"{count:,}") for stage, count in found.decisions.items()]
    print_table(("stage", "decisions at most"), [*rows, ("in all", f"{sum(found.decisions.values()):,}")], numbers=(1,))
    for line in found.told(config):
        typer.echo(line)


def _finish(run: "Run", as_json: bool) -> None:
    from agents.embedded.vocabulary import STAND_IN
    from experiments.config import smoke_notes
    from experiments.findings import methods, quoted, reference, stand_in
    from experiments.live import Live
    from experiments.pipeline import execute, plan
    from experiments.runs import mark_finished

    config = run.config
    with run as opened:
        with Live(f"solon run {config.name}", plan(config), config.budget.calls, config.budget.tokens) as live:
            for note in opened.notes:
                live.note(note)
            finished = execute(config, opened, live)
        rows, others = methods(finished), quoted(config)
        if as_json:
            print_json(_plain(config.name, (*rows, *others), reference(finished)))
        else:
            _table(rows, others, reference(finished))
        if made := stand_in(finished):
            typer.echo(STAND_IN if made == "all" else f"some people {STAND_IN}", err=as_json)
        for note in finished.notes:
            typer.echo(note, err=as_json)
        for note in smoke_notes(config):
            typer.echo(note, err=True)
        told = _report(opened, finished)
        mark_finished(opened)
        typer.echo(told, err=as_json)


def _report(run: "Run", finished: "Finished") -> str:
    """Writes the report, and says where it lies."""
    from experiments import figures
    from experiments.findings import report_data
    from experiments.report import write_report

    data = report_data(run, finished)
    written = write_report(data, run.report)
    if data.schedules:
        (run.folder / "schedules.svg").write_bytes(figures.svg(figures.schedules(data.brackets, data.schedules)))
    return f"report: {written}"


def _plain(run: str, rows: "Sequence[Method]", reference: str = "") -> dict[str, object]:
    from experiments.report_data import footnotes

    return {
        "run": run,
        "reference": reference,  # that gains are over
        "methods": [
            {
                "name": m.name,
                "label": m.label,
                "welfare": [m.welfare.value, m.welfare.low, m.welfare.high],
                "gain": [m.gain.value, m.gain.low, m.gain.high],
                "decisions": None if isinstance(m.decisions, str) else m.decisions,
                "uncounted": m.decisions if isinstance(m.decisions, str) else None,  # why there is no number
                "communities": m.communities,
                "quoted": m.quoted,
            }
            for m in rows
        ],
        "footnotes": footnotes(rows),
    }


def _table(rows: "Sequence[Method]", others: "Sequence[Method]", reference: str) -> None:
    from experiments.report_data import footnotes

    head = ("method", "welfare", "95%", "gain", "95%", "real decisions")
    print_table(head, [_row(m, reference) for m in rows], numbers=(1, 2, 3, 4, 5))
    typer.echo(f"on {rows[0].communities} held-out communities; gain: over {reference}, on the same communities")
    if others:
        typer.echo(f"\nnot of this run: quoted from {others[0].quoted}, on communities of its own")
        short = [_row(m, reference) for m in others]  # without the gain's interval: labels are long here
        cells = [(row[0].replace(" (", "\n("), *row[1:4], row[5]) for row in short]
        print_table((*head[:4], "decisions"), cells, numbers=(1, 2, 3, 4))
    for term, text in footnotes((*rows, *others)).items():
        typer.echo(f"{term}: {text}")


def _row(m: "Method", reference: str) -> tuple[str, ...]:
    spent = m.decisions if isinstance(m.decisions, str) else f"{m.decisions:,}"
    w, g, places = m.welfare, m.gain, 3 if abs(m.welfare.value) < 100 else 1  # four digits tell a level either way
    gain = ("", "")
    if m.label != reference:
        gain = (f"{g.value:+.{places}f}", f"{g.low:+.{places}f}..{g.high:+.{places}f}")
    return m.label, f"{w.value:.{places}f}", f"{w.low:.{places}f}..{w.high:.{places}f}", *gain, spent
