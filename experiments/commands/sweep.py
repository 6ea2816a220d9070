"""`solon sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.tables import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.sweep import Cell, Done, Row


def sweep(  # noqa: PLR0913  (each is an option of the command line)
    given: Annotated[
        list[str], typer.Argument(metavar="CONFIG... [KEY=VALUE]...", help="YAML files, and words over them.")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0, 1, ... of each.")] = 1,
    over: Annotated[list[str] | None, typer.Option(metavar="KEY=A,B", help="All with each of these values.")] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Runs at a time, on this machine.")] = 1,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="On a Ray cluster: its address, auto, or local.")
    ] = None,
    smoke: Annotated[bool, typer.Option(help="Small runs; the figures mean nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which runs, and how much each takes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Make many runs: configs x values x seeds. The same command again goes on with those that were broken off."""
    from experiments.errors import UserError
    from experiments.sweep import Done, cells, rows

    configs = [Path(word) for word in given if "=" not in word]
    todo = cells(configs, [word for word in given if "=" in word], over or [], seeds, smoke)
    if not todo:
        raise UserError(
            "there is nothing to run", where="solon sweep", fix="name a config, such as experiments/configs/demo.yaml"
        )
    if dry_run:
        _foretell(todo, as_json)
        return
    done = list[Done]()
    for one in _all(todo, at_once, ray):
        done.append(one)
        typer.echo(f"{len(done)} of {len(todo)}: {_told(one)}", err=True)
    found = rows(done)
    if as_json:
        print_json({"rows": [_plain(row) for row in found], "failed": [_told(one) for one in done if one.error]})
    elif found:
        head = ("runs", "method", "welfare", "95%", "gain", "95%", "over", "seeds")
        print_table(head, [_row(row) for row in found], numbers=(2, 3, 4, 5, 7))
    if smoke:
        typer.echo("these were smoke runs: their figures mean nothing", err=True)
    raise typer.Exit(1 if any(one.error for one in done) else 0)


def _foretell(todo: "list[Cell]", as_json: bool) -> None:
    """Every run, with decisions and calls to models at most."""
    from experiments.sweep import foretold

    found = {name: (sum(one.decisions.values()), one.calls) for name, one in foretold(todo)}
    if as_json:
        print_json({"runs": [{"run": name, "decisions": d, "calls": c} for name, (d, c) in found.items()]})
        return
    decisions, calls = (sum(column) for column in zip(*found.values(), strict=True))
    rows = [(name, f"{d:,}", f"{c:,}") for name, (d, c) in {**found, "in all": (decisions, calls)}.items()]
    print_table(("run", "decisions at most", "calls at most"), rows, numbers=(1, 2))


def _all(todo: "list[Cell]", at_once: int, ray: str | None) -> "Iterator[Done]":
    if ray is None:
        from experiments.sweep import here

        return here(todo, at_once)
    from experiments.ray_cluster import on_ray

    return on_ray(todo, ray)


def _told(one: "Done") -> str:
    words = f"{one.cell.group} seed={one.cell.seed}"
    return f"{words} failed: {one.error}" if one.error else f"{words} is done"


def _plain(row: "Row") -> dict[str, object]:
    intervals = {name: [i.value, i.low, i.high] for name, i in (("welfare", row.welfare), ("gain", row.gain))}
    return {"runs": row.group, "method": row.method, "seeds": row.seeds, "over": row.reference, **intervals}


def _row(row: "Row") -> tuple[str, ...]:
    w, g, several = row.welfare, row.gain, row.seeds > 1
    places = 3 if abs(w.value) < 100 else 1
    gain = (f"{g.value:+.{places}f}", f"{g.low:+.{places}f}..{g.high:+.{places}f}" if several else "")
    return (
        row.group,
        row.label,
        f"{w.value:.{places}f}",
        f"{w.low:.{places}f}..{w.high:.{places}f}" if several else "",
        *(gain if row.label != row.reference else ("", "")),
        row.reference,
        str(row.seeds),
    )
