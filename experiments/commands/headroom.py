"""`solon headroom SOCIETY`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.tables import print_json, print_table

if TYPE_CHECKING:
    from experiments.claims import Json


def headroom(
    society: Annotated[str, typer.Argument(help="The society; so far income_tax.")],
    smoke: Annotated[bool, typer.Option(help="Seconds instead of minutes; the figures mean nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """What there is to win in a society, and for whom: a ladder from no rules to oracles that know everyone's traits.

    Writes results/headroom_SOCIETY.json. The same command again continues an interrupted run.
    """
    from experiments.claims import last_line, names, run_claim
    from experiments.errors import UserError

    name = f"headroom_{society}"
    if name not in names():
        known = ", ".join(n.removeprefix("headroom_") for n in names() if n.startswith("headroom_"))
        raise UserError(f"there is no ladder for {society!r}", where="experiments/", fix=f"choose one of: {known}")
    outcome = run_claim(name, smoke)
    if as_json:
        print_json(dict(outcome.figures))
    else:
        _table(outcome.figures["ladder"])
        typer.echo(last_line(name, outcome))
    raise typer.Exit(0 if outcome.passed or smoke else 1)


def _table(ladder: "Json") -> None:
    rows: Any = ladder
    print_table(("rung", "welfare", "95%", "over best fixed", "95%"), [_cells(r) for r in rows], numbers=(1, 2, 3, 4))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    (level, low, high), (gain, least, most) = row["welfare"], row["gain"]
    if least == most:
        return row["label"], f"{level:.4f}", f"{low:.3f}..{high:.3f}", "", ""
    return row["label"], f"{level:.4f}", f"{low:.3f}..{high:.3f}", f"{gain:+.4f}", f"{least:+.4f}..{most:+.4f}"
