"""`solon evaluate`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.tables import counted, print_json, print_table

if TYPE_CHECKING:
    from experiments.prediction_powered import Estimate
    from experiments.what_if import WhatIf


def evaluate(  # noqa: PLR0913  (each is an option of the command line)
    mechanism: Annotated[str, typer.Argument(help="A baseline, flat_0 to flat_100, swm_ap, or a file of rates.")],
    run: Annotated[str, typer.Option(help="The finished run whose people and world model these are.")] = "demo",
    calls: Annotated[int, typer.Option(help="How many people are asked.")] = 500,
    population: Annotated[str | None, typer.Option(help="llm or scripted; left out: as in the run.")] = None,
    after: Annotated[str, typer.Option(help="Whose rules they lived under before.")] = "swm_ap",
    years: Annotated[int | None, typer.Option(help="Counted years of that; left out: half of them.")] = None,
    newcomers: Annotated[int | None, typer.Option(help="So many towns of new people instead.")] = None,
    ahead: Annotated[int, typer.Option(help="Also imagine so many years; nothing is guaranteed of that.")] = 0,
    rivals: Annotated[bool, typer.Option(help="Also by other methods, each asking as many again.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of whom to ask.")] = 0,
    budget_calls: Annotated[int | None, typer.Option(help="Most calls of the run in all, with its own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Estimate what other rules would do in one year, from a few people's answers, with valid 95% intervals."""
    from agents.embedded.vocabulary import STAND_IN
    from experiments.errors import UserError
    from experiments.what_if import Wanted
    from experiments.what_if import evaluate as found_by

    if population not in (None, "llm", "scripted", "rl"):
        raise UserError(f"no population {population!r}", where="--population", fix="write llm or scripted")
    wanted = Wanted(mechanism, run, calls, population, after, years, newcomers, ahead, rivals, seed, budget_calls)
    found = found_by(wanted)
    if as_json:
        print_json(_plain(found))
    else:
        _show(found)
    if any(model.partition(":")[0] == "embedded" for model in found.models):
        typer.echo(STAND_IN, err=as_json)


def _plain(found: "WhatIf") -> dict[str, Any]:
    figures = [
        {
            "name": f.name,
            "unit": f.unit,
            **_told(f.estimate),
            "guarantee": f.guarantee,
            "world_model": found.alone[f.name],
        }
        for f in found.figures
    ]
    rivals = [
        {"method": r.method, "name": r.quantity, **_told(r.estimate), "guarantee": r.guarantee} for r in found.rivals
    ]
    return {
        "state": found.state,
        "people": found.people,
        "towns": found.towns,
        "asked": found.asked,
        "unusable": found.unusable,
        "calls": found.fresh,
        "figures": figures,
        "rivals": rivals,
        "years_ahead": dict(found.ahead),
        "notes": list(found.notes),
    }


def _told(of: "Estimate") -> dict[str, float]:
    low, high = of.interval()
    return {"value": of.value, "low": low, "high": high, "tuning": of.tuning}


def _show(found: "WhatIf") -> None:
    typer.echo(f"{found.people:,} people in {counted(found.towns, 'town')}: {found.state}")
    head = ("in one year", "estimate", "95%", "world model alone", "guarantee")
    rows = [
        (
            _name(f.name, f.unit),
            _number(f.estimate.value),
            _interval(f.estimate),
            _number(found.alone[f.name]),
            f.guarantee,
        )
        for f in found.figures
    ]
    print_table(head, rows, numbers=(1, 2, 3))
    typer.echo(_asked(found))
    typer.echo("unbiased: in expectation, at any number of calls; asymptotic: as calls grow. docs/evaluate.md")
    if found.rivals:
        head = ("other ways to ask as many", "of", "estimate", "95%", "guarantee")
        rows = [(r.method, r.quantity, _number(r.estimate.value), _spread(r), r.guarantee) for r in found.rivals]
        print_table(head, rows, numbers=(2, 3))
    if found.ahead:
        head = ("imagined, mean of the years", "world model alone", "guarantee")
        print_table(head, [(name, _number(value), "none") for name, value in found.ahead.items()], numbers=(1,))
    for note in found.notes:
        typer.echo(note)


def _asked(found: "WhatIf") -> str:
    told = f"asked: everyone, all {found.asked:,}" if found.asked == found.people else f"asked: {found.asked:,} of them"
    if found.fresh is not None:
        told += f"; new calls to the model{', the rivals included' if found.rivals else ''}: {found.fresh:,}"
    if found.unusable:
        told += f"; {found.unusable:,} gave no usable answer and count as not drawn, which no guarantee covers"
    return told


def _name(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def _interval(of: "Estimate") -> str:
    low, high = of.interval()
    return f"{_number(low)} to {_number(high)}"


def _spread(of: Any) -> str:
    return "none" if of.guarantee == "none" else _interval(of.estimate)
