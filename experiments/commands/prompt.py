"""`solon prompt`."""

import json
from typing import Annotated

import typer

from experiments.tables import print_json


def prompt(
    society: Annotated[str, typer.Argument(help="A society, such as income_tax or facility8.")],
    person: Annotated[str, typer.Argument(help="A persona file, the id of a villager, or a population file.")],
    step: Annotated[int, typer.Option(min=0, help="Which step of an episode, from 0.")] = 0,
    model: Annotated[str, typer.Option(help="Whose tokens are counted.")] = "embedded",
    base_url: Annotated[str | None, typer.Option(help="Where the model is served, if it is.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the messages as JSON.")] = False,
) -> None:
    """Print what somebody in a society is told, word by word as it is sent to a model, and how many tokens that is."""
    from agents.llm.prompts import answer_schema
    from experiments import prompt as making
    from experiments.commands.personas import person_file

    rules = making.society(society)
    found = making.prompt(rules, making.neighbours(rules, person_file(person, None)), step, model, base_url)
    if as_json:
        told = [{"role": role, "content": text} for role, text in found.messages]
        print_json({"messages": told, "schema": answer_schema(found.question), "tokens": found.tokens})
        return
    for role, text in found.messages:
        typer.secho(f"[{role}]", dim=True)
        typer.echo(text)
    typer.secho("[answer]", dim=True)
    typer.echo(json.dumps(answer_schema(found.question)))
    typer.echo(f"{model}: {found.length}", err=True)
