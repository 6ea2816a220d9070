"""`solon claim NAME` and `solon claims`."""

from typing import Annotated, Any

import typer

from experiments.tables import counted, print_json, print_table


def claim(
    name: Annotated[str, typer.Argument(help="The claim, as `solon claims` lists it.")],
    smoke: Annotated[bool, typer.Option(help="A small run that proves nothing: does the file still work?")] = False,
) -> None:
    """Run one claim, write results/NAME.json, and exit with 0 only if it passes (a smoke run: if it works)."""
    from experiments.claims import last_line, run_claim

    outcome = run_claim(name, smoke)
    typer.echo(last_line(name, outcome))
    raise typer.Exit(0 if outcome.passed or smoke else 1)


def claims(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """List every claim with its last full result."""
    from experiments.claims import results

    found = results()
    if as_json:
        print_json(found)
        return
    print_table(("claim", "verdict", "figure"), [(name, *_cells(result)) for name, result in found.items()])


def _cells(result: dict[str, Any] | None) -> tuple[str, str]:
    if result is None:
        return "-", "not run in full yet\n"
    made = f"{counted(len(result['seeds']), 'seed')}, commit {result['commit']}, {result['minutes']:.0f} minutes"
    return "pass" if result["passed"] else "FAIL", f"{result['figure']}\nbar: {result['bar']}\n{made}\n"
