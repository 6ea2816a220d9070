"""`solon headroom SOCIETY`."""

from typing import Annotated, Any

import typer

from experiments.tables import print_json, print_table


def headroom(
    society: Annotated[str, typer.Argument(help="The society, such as income_tax or facility32.")],
    again: Annotated[bool, typer.Option(help="Score anew; what was found is kept in runs/claims.")] = False,
    smoke: Annotated[bool, typer.Option(help="Seconds instead of minutes; the figures mean nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
) -> None:
    """What there is to win in a society, and for whom: a ladder from no rules to oracles that know everyone's traits.

    Shows results/headroom_SOCIETY.json, or makes it where it is missing (income_tax: about 20 minutes; the same
    command again continues an interrupted run).
    """
    from experiments.claims import names, result_file, run_claim
    from experiments.errors import UserError
    from experiments.files import read_json

    name = f"headroom_{society}"
    if name not in names():
        known = ", ".join(n.removeprefix("headroom_") for n in names() if n.startswith("headroom_"))
        raise UserError(f"there is no ladder for {society!r}", where="experiments/", fix=f"choose one of: {known}")
    file = result_file(name, smoke)
    if again or smoke or not file.exists():
        run_claim(name, smoke)
    found = read_json(file)
    if as_json:
        print_json(found)
    else:
        _show(name, found)
    raise typer.Exit(0 if found["passed"] or smoke else 1)


def _show(name: str, found: dict[str, Any]) -> None:
    figures, head = found["figures"], ("rung", "welfare", "95%", "over best fixed", "95%")
    print_table(head, [_cells(row) for row in figures["ladder"]], numbers=(1, 2, 3, 4))
    worth, low, high = figures["value_of_traits"]
    typer.echo(
        f"{figures['held_out_communities']} held-out communities, the same for every rung; commit {found['commit']}"
    )
    to = figures.get("worth_to", "one who knows wages")
    typer.echo(f"knowing traits is worth {worth:+.4f} ({low:+.4f} to {high:+.4f}) to {to}")
    verdict = "pass" if found["passed"] else "FAIL"
    typer.echo(f"{name}: {found['figure']} (bar {found['bar']}) {verdict}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    level, gain = row["welfare"], row["gain"]
    paired = (f"{gain[0]:+.4f}", _half(gain)) if gain[1] < gain[2] else ("", "")
    return row["label"], f"{level[0]:.4f}", _half(level), *paired


def _half(interval: list[float]) -> str:
    """Half the width of [value, low, high]."""
    return f"±{(interval[2] - interval[1]) / 2:.4f}"
