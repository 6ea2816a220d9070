"""Tables on the screen: plain cells, light rules."""

import json
import os
from collections.abc import Iterable, Sequence

import typer

WIDEST = 200  # columns of a table in a file or a pipe


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> None:
    """A table as wide as the screen allows; the columns at `numbers` are set to the right.

    Cells are shown as they are: text of users and models is never read as markup.
    """
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.measure import Measurement
    from rich.table import Table

    table, right = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1)), frozenset(numbers)
    for i, name in enumerate(head):
        table.add_column(escape(name), justify="right" if i in right else "left", no_wrap=i == 0 or i in right)
    for row in rows:
        table.add_row(*(escape(_visible(cell)) for cell in row))
    console = Console()
    # A file or a pipe has no edge at which a figure would have to be cut, unless the user sets one.
    if not console.is_terminal and "COLUMNS" not in os.environ:
        needed = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
        console = Console(width=max(console.width, needed))
    console.print(table)


def _visible(cell: str) -> str:
    """Without what could steer a terminal."""
    return "".join(letter for letter in cell if letter.isprintable() or letter == "\n")


def counted(number: int, of: str, plural: str | None = None) -> str:
    """ "1 file", "2 files", "1 biography", "2 biographies"."""
    return f"{number:,} {of if number == 1 else plural or f'{of}s'}"


def print_json(value: object) -> None:
    """Indented JSON on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
