"""`solon serve`."""

import sys
from typing import Annotated

import typer


def serve(
    model: Annotated[str, typer.Argument(help="A folder, a name that vLLM knows, or: embedded.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[-- FLAG]...", help="Flags of vLLM's own.")] = None,
    gpus: Annotated[int, typer.Option(min=1, help="How many GPUs: each gets a copy of the model.")] = 1,
    cpu: Annotated[bool, typer.Option("--cpu", help="Without a GPU; slow, for small models.")] = False,
    at: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where it can be asked.")] = "127.0.0.1:8000",
    python: Annotated[str, typer.Option(help="The interpreter of the environment that vLLM is in.")] = sys.executable,
) -> None:
    """Start vLLM with what Solon needs of it, and keep it running until Ctrl-C. Says how to use it once it is ready."""
    from agents.embedded.vocabulary import MODEL_FOLDER
    from experiments.errors import ROOT
    from experiments.serving import Serving, address, check, served

    host, port = address(at)
    check(host, python, more or [], 0 if cpu else gpus)
    folder = str(MODEL_FOLDER) if model == "embedded" else model
    serving = Serving(folder, model, host, port, 0 if cpu else gpus, python, tuple(more or ()))
    try:
        with served(serving, ROOT / "runs" / f"serve-{port}.log", typer.echo) as server:
            typer.echo(
                f"ready; use it with: solon run CONFIG population.model=vllm:{model} "
                f"population.base_url={serving.url}\nCtrl-C ends it"
            )
            server.watch(typer.echo)
    except KeyboardInterrupt:
        typer.echo("the server has ended")
