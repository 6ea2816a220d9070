"""`solon personas effect`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.tables import counted, print_json, print_table

if TYPE_CHECKING:
    from experiments.edit_effects import Asked, Move
    from experiments.persona_effect import Effect, Wanted
    from experiments.persona_link import Score

DIGITS = {"hours": ".2f", "income": ",.0f"}


def effect(  # noqa: PLR0913  (each is an option of the command line)
    person: Annotated[str, typer.Argument(help="A persona file, or the id of somebody in the village.")],
    trait: Annotated[str, typer.Option(help="What is edited.")],
    low: Annotated[float, typer.Option("--from", min=0, max=1, help="Its value before.")] = 0.1,
    high: Annotated[float, typer.Option("--to", min=0, max=1, help="And after.")] = 0.9,
    run: Annotated[str, typer.Option(help="The finished run among whose people it is.")] = "demo",
    calls: Annotated[int | None, typer.Option(help="Also ask the run's people, with so many calls.")] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            help="A baseline, swm_ap or a file of rates; may be repeated [default: us_federal flat_50 swm_ap]."
        ),
    ] = None,
    after: Annotated[str, typer.Option(help="Whose rules the towns lived under before.")] = "swm_ap",
    years: Annotated[int | None, typer.Option(help="Counted years of that; left out: half of them.")] = None,
    budget_calls: Annotated[int | None, typer.Option(help="Most calls of the run in all, with its own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show how decisions are predicted to move when one trait of a person is edited, and with --calls how they do."""
    from agents.embedded.vocabulary import STAND_IN
    from experiments import persona_effect
    from experiments.commands.personas import person_file
    from experiments.edit_effects import Edit
    from experiments.errors import UserError
    from experiments.persona_fields import trait as known
    from personas.load import load_persona

    if low == high:
        raise UserError(f"an edit from {low:g} to {high:g} changes nothing", where="--to", fix="give another value")
    edit = Edit(load_persona(person_file(person, None)), known(trait), low, high)
    named = tuple(dict.fromkeys(rules or persona_effect.RULES))
    wanted = persona_effect.Wanted(edit, run, calls, named, after, years, budget_calls)
    found = persona_effect.effect(wanted)
    if as_json:
        print_json(_plain(wanted, found))
    else:
        _show(wanted, found)
    if any(model.partition(":")[0] == "embedded" for model in found.models):
        typer.echo(STAND_IN, err=as_json)


def _plain(wanted: "Wanted", found: "Effect") -> dict[str, Any]:
    edit = wanted.edit
    return {
        "person": edit.person.id,
        "trait": edit.trait,
        "from": edit.low,
        "to": edit.high,
        "told": list(found.told),
        "state": found.state,
        "towns": found.towns,
        "rules": [
            {
                "name": row.rules,
                "predicted": {name: _move(move) for name, move in row.predicted.items()},
                "actual": row.asked and {name: _answered(move) for name, move in row.asked.moves.items()},
                "unusable": row.asked.unusable if row.asked else None,
            }
            for row in found.rows
        ],
        "link": {
            "people": found.people,
            "form": found.link.form.name,
            "held_out": [asdict(score) for score in (*found.link.scores, *found.link.beside)],
            "range": found.link.reach.named,
        },
        "calls": found.fresh,
        "notes": list(found.notes),
    }


def _move(of: "Move") -> dict[str, float]:
    return {**asdict(of), "shift": of.shift, "error": of.error}


def _answered(of: "Move") -> dict[str, float]:
    """Whose errors nobody measured."""
    return {"before": of.before, "after": of.after, "shift": of.shift}


def _show(wanted: "Wanted", found: "Effect") -> None:
    from experiments.edit_effects import QUANTITIES

    edit = wanted.edit
    typer.echo(f"{edit.person.name} in {counted(found.towns, 'town')}: {found.state}")
    _tell_words(found.told, edit.low, edit.high)
    ends = (f"at {edit.low:g}", f"at {edit.high:g}")
    for name, unit in QUANTITIES.items():
        head = (f"{name} ({unit}) under", *ends, "predicted shift", "s.e.")
        head += (f"asked, {ends[0]}", ends[1], "actual shift") if wanted.calls else ()
        form = DIGITS[name]
        rows = [(r.rules, *_predicted(r.predicted[name], form), *_actual(r.asked, name, form)) for r in found.rows]
        print_table(head, rows, numbers=range(1, len(head)))
    if wanted.calls:
        typer.echo(_agreement(found))
    _tell_link(found)
    for note in found.notes:
        typer.echo(note)


def _tell_words(told: tuple[str, str], low: float, high: float) -> None:
    """What a language model reads of the trait at both values; nothing where people read no words."""
    if told[0] and told[0] == told[1]:
        typer.echo(f"a model reads the same at {low:g} and {high:g}, so that it cannot answer differently: {told[0]}")
    elif told[0]:
        typer.echo(f"at {low:g}: {told[0]}\nat {high:g}: {told[1]}")


def _predicted(of: "Move", form: str) -> tuple[str, ...]:
    return f"{of.before:{form}}", f"{of.after:{form}}", _signed(of.shift, form), f"{of.error:{form}}"


def _actual(asked: "Asked | None", name: str, form: str) -> tuple[str, ...]:
    if asked is None:
        return ()
    move = asked.moves[name]
    return f"{move.before:{form}}", f"{move.after:{form}}", _signed(move.shift, form)


def _sign(x: float) -> int:
    """A shift of zero agrees with zero only."""
    return (x > 0) - (x < 0)


def _agreement(found: "Effect") -> str:
    """In how many rows the sign of the hours' shift is as predicted, and what that took."""
    asked = [(row.predicted["hours"].shift, row.asked) for row in found.rows if row.asked]
    agree = sum(_sign(told) == _sign(each.moves["hours"].shift) for told, each in asked)
    told = f"hours move the predicted way under {agree} of {len(asked)} sets of rules; asked: "
    told += f"{sum(each.asked for _, each in asked):,}"
    if found.fresh is not None:
        told += f", new calls to the model: {found.fresh:,}"
    unusable = sum(each.unusable for _, each in asked)
    return told + (f"; {unusable:,} pairs of replies were of no use and do not count" if unusable else "")


def _tell_link(found: "Effect") -> None:
    """What is known of people whom the link was not fitted on, and how."""
    rows = [_score(score, score.name == found.link.form.name) for score in (*found.link.scores, *found.link.beside)]
    head = ("people left out, known by", "decisions miss by (h/week)", "nats a decision", "")
    typer.echo(f"the link from declared to inferred traits, fitted on {found.people:,} people already played:")
    print_table(head, rows, numbers=(1, 2))


def _score(of: "Score", chosen: bool) -> tuple[str, ...]:
    from societies.labour import FULL_TIME

    return of.name, f"{FULL_TIME * of.error:.2f}", f"{of.loss:.3f}", "used" if chosen else ""


def _signed(value: float, form: str) -> str:
    return ("−" if value < 0 else "+") + f"{abs(value):{form}}"
