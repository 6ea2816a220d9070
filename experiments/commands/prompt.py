"""`solon prompt`."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.tables import print_json

if TYPE_CHECKING:
    from experiments.prompt import Prompt


def prompt(
    society: Annotated[str, typer.Argument(help="A society, such as income_tax or facility8.")],
    person: Annotated[str, typer.Argument(help="A persona file, the id of a villager, or a population file.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="As in a run: population.mind.last=2, society.talk=town_hall."),
    ] = None,
    step: Annotated[int, typer.Option(min=0, help="Which step of an episode, from 0.")] = 0,
    model: Annotated[str, typer.Option(help="Whose tokens are counted.")] = "embedded",
    base_url: Annotated[str | None, typer.Option(help="Where the model is served, if it is.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the messages as JSON.")] = False,
) -> None:
    """Print what somebody in a society is told, word by word as it is sent to a model, and how many tokens that is."""
    from experiments import prompt as making
    from experiments.commands.personas import person_file

    config = making.config(society, person_file(person, None), model, base_url, words or [])
    found = making.prompts(config, step)
    if as_json:
        print_json([_plain(one) for one in found])
        return
    for one in found:
        _show(one)
        typer.echo(f"{config.population.model}: {one.length}", err=True)


def _plain(one: "Prompt") -> dict[str, object]:
    told = [{"role": role, "content": text} for role, text in one.messages]
    return {"asks_for": one.request.question.key, "messages": told, "schema": one.schema, "tokens": one.tokens}


def _show(one: "Prompt") -> None:
    for role, text in one.messages:
        typer.secho(f"[{role}]", dim=True)
        typer.echo(text)
    typer.secho("[answer]", dim=True)
    typer.echo(_asked_for(one))


def _asked_for(one: "Prompt") -> str:
    if one.begun:
        return "goes on from there: the chance of each choice as the next token"
    return f"words: {one.request.question.key}" if one.schema is None else json.dumps(one.schema)
