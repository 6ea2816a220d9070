"""`solon`: the command line. Commands live in experiments/commands/; this file gathers them and minds their errors."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from experiments.commands import (
    claims,
    compare_populations,
    conformance,
    evaluate,
    headroom,
    personas,
    prompt,
    run,
    serve,
    sweep,
    tools,
    transfer,
)
from experiments.errors import is_users, of_the_disk, show

BAD_INPUT, INTERRUPTED = 2, 130


class _Group(TyperGroup):
    """Prints a user's error on one screen. A defect of Solon keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("\nstopped; what was finished is saved, and the same command continues", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if os.environ.get("SOLON_TRACEBACK"):
                raise
            show(of_the_disk(error))
            raise typer.Exit(BAD_INPUT) from None
        except ValueError as error:
            if not is_users(error):
                raise
            show(error)
            raise typer.Exit(BAD_INPUT) from None


app = typer.Typer(
    cls=_Group,
    help="Finds good rules for a population of language-model agents, and asks the language model as rarely as it can.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run.run)
app.command()(run.report)
app.command()(sweep.sweep)
app.command()(evaluate.evaluate)
app.command("compare-populations")(compare_populations.compare_populations)
app.command()(transfer.transfer)
app.command()(claims.claim)
app.command()(claims.claims)
app.command()(headroom.headroom)
app.command()(conformance.conformance)
app.command()(serve.serve)
app.command()(prompt.prompt)
app.command()(tools.doctor)
app.command()(tools.journal)
app.command("train-embedded")(tools.train_embedded)
app.add_typer(personas.app, name="personas")


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    sys.exit(main())
