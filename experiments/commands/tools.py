"""`solon doctor`, `solon journal` and `solon train-embedded`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.errors import UserError
from experiments.tables import counted, print_json, print_table

if TYPE_CHECKING:
    from agents.llm.ledger import Ledger
    from agents.llm.prices import Bill

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def doctor(as_json: Json = False) -> None:
    """Say what this machine can run, and what to mend. Exits with 1 when something that is needed does not work."""
    from experiments.doctor import examine

    found = examine()
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        marks = {"good": "ok", "note": "--", "bad": "!!"}
        for one in found:
            typer.echo(
                f"{marks[one.state]}  {one.about:<12} {one.found}" + (f"\n{'':17}fix: {one.fix}" if one.fix else "")
            )
    raise typer.Exit(1 if any(one.state == "bad" for one in found) else 0)


def journal(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder, or a journal file.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Which calls to write: purpose, episode, step, agent, unusable=yes."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write the calls themselves to this .parquet or .jsonl file instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sum up every call to a model that a run made, or write them to a file; a run under way may be looked at too."""
    from experiments.runs import find_run

    place = Path(run) if Path(run).is_file() else find_run(run)
    if export is not None:
        _export(place, words or [], export)
    elif words:
        raise UserError(
            "calls are chosen for --export only",
            where=" ".join(words),
            fix="add --export calls.jsonl, or take these words out",
        )
    else:
        _sum_up(place, as_json)


def _export(place: Path, words: list[str], file: Path) -> None:
    from agents.llm.calls import calls
    from experiments.journal_export import check_purpose, chosen, export

    which = chosen(words)
    check_purpose(which, place)
    typer.echo(f"{counted(export(calls(place, which), file), 'call')} written to {file}")


def _sum_up(place: Path, as_json: bool) -> None:
    from agents.llm.reader import JournalReader
    from experiments.bills import kept_bill

    reader = JournalReader(place)
    try:
        purposes = reader.purposes()
        ledgers = {name: reader.ledger(name) for name in purposes} | {"in all": reader.ledger()}
        models = reader.models()
    finally:
        reader.close()
    bill = kept_bill(place)
    if as_json:
        told = {name: {**asdict(ledger), **_money(bill, ledger)} for name, ledger in ledgers.items()}
        print_json({"models": models, "ledgers": told})
        return
    for model, parameters in models:
        typer.echo(f"model: {model} {parameters}")
    head = ("for", "decisions", "cached", "retried", "failed", "calls")
    print_table(head, [_decisions(name, ledger) for name, ledger in ledgers.items()], numbers=range(1, 6))
    head = ("for", "tokens in", "tokens out", "model time", *(["money"] if bill else []))
    print_table(head, [_cost(name, ledger, bill) for name, ledger in ledgers.items()], numbers=range(1, len(head)))
    _tell_trouble(ledgers["in all"])


def _decisions(name: str, ledger: "Ledger") -> tuple[str, ...]:
    counts = (ledger.decisions, ledger.cached, ledger.retried, ledger.failed, ledger.calls)
    return (name, *(f"{count:,}" for count in counts))


def _cost(name: str, ledger: "Ledger", bill: "Bill | None") -> tuple[str, ...]:
    money = [bill.told(ledger.tokens)] if bill else []
    return name, f"{ledger.tokens_in:,}", f"{ledger.tokens_out:,}", f"{ledger.seconds:,.0f} s", *money


def _money(bill: "Bill | None", ledger: "Ledger") -> dict[str, object]:
    if bill is None:
        return {}
    return {"money": bill.of(ledger.tokens), "currency": bill.currency}


def _tell_trouble(ledger: "Ledger") -> None:
    for cause, count in ledger.problems.items():
        typer.echo(f"unusable replies, {cause}: {count:,}")
    for cause, count in ledger.faults.items():
        typer.echo(f"calls sent again, {cause}: {count:,}")
    for name, count in ledger.fallbacks.items():
        typer.echo(f"fallback {name}: {count:,} decisions")
    if ledger.lost:
        typer.echo(f"lost in flight when a run was stopped: {ledger.lost:,} calls")


def train_embedded(
    out: Annotated[Path | None, typer.Option(help="Where to write the model [default: where it ships].")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the training [default: that of the one shipped].")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps of each stage [default: those of the one shipped].")
    ] = None,
) -> None:
    """Train the small model that ships with Solon: about an hour on 2 cores. The same command again continues."""
    from dataclasses import replace

    from agents.embedded.vocabulary import MODEL_FOLDER
    from experiments.errors import ROOT
    from experiments.train_embedded import FIRST, SECOND, train

    given = {name: value for name, value in (("seed", seed), ("steps", steps)) if value is not None}
    stages = [replace(stage, **given) for stage in (FIRST, SECOND)]
    folder = ROOT / "runs" / f"train-embedded-{stages[0].seed}-{steps or 'full'}"
    folder.mkdir(parents=True, exist_ok=True)
    written = train(stages, folder, out or MODEL_FOLDER, typer.echo)
    typer.echo(f"model: {written}")
