"""`solon conformance`."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer


def conformance(
    name: Annotated[str, typer.Argument(help="A society, of this library or of another installed package.")],
    people: Annotated[
        Path | None, typer.Option(help="A population file or a folder of persons to play it with.")
    ] = None,
    agents: Annotated[
        int | None,
        typer.Option(
            help="How many people; some checks need four, and any number should do. Seven, or as many as sit in a "
            "society that seats no other number.",
            min=1,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Hold a society to what every society must be: its rules, all kinds of people, and both doors."""
    from experiments.errors import ROOT, UserError
    from societies.catalog import load

    checks = ROOT / "tests" / "conformance"
    if not checks.is_dir():
        raise UserError("the checks are not here", where=str(checks), fix="run it from a clone of the repository")
    if people is not None and not people.exists():
        raise UserError("there is no such file or folder", where=str(people), fix="name one of personas/populations")
    load(name)  # so that what cannot be loaded is told once, and not by every check
    chosen = [f"--society={name}", *([f"--people={people}"] if people else [])]
    chosen += [f"--agents={agents}"] if agents else []
    quiet = ["-p", "no:cacheprovider", "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run([sys.executable, "-m", "pytest", "-vv", *quiet, str(checks), *chosen], check=False)
    raise typer.Exit(done.returncode)
