"""`solon personas import | export`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.errors import UserError
from experiments.tables import counted

if TYPE_CHECKING:
    from personas.rows import Row

Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]


class Format(StrEnum):
    csv = "csv"
    jsonl = "jsonl"
    tinytroupe = "tinytroupe"


BY_SUFFIX = {".csv": Format.csv, ".tsv": Format.csv, ".jsonl": Format.jsonl, ".json": Format.tinytroupe}


def import_(  # noqa: PLR0913  (each is an option of the command line)
    file: Annotated[Path, typer.Argument(help="A CSV file, JSON lines, or TinyTroupe's agents (a file or folder).")],
    folder: Annotated[Path, typer.Option(help="Where to write the people, one file each.")] = Path("mine"),
    format_: Annotated[Format | None, typer.Option("--format", help="[default: by the file's name]")] = None,
    maps: Annotated[
        list[str] | None, typer.Option("--map", metavar="COLUMN=NAME", help="What a column is, e.g. Salary=wage.")
    ] = None,
    ignored: Annotated[list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="Leave a column out.")] = None,
    defaults: Annotated[
        list[str] | None, typer.Option("--default", metavar="NAME=VALUE", help="Where nothing is said: habit=0.5.")
    ] = None,
    society: Annotated[str, typer.Option("--for", help="A society that they must do for, or any.")] = "income_tax",
    force: Force = False,
) -> None:
    """Write people of another file as persona files: all of them, or none if anything is wrong with one."""
    from experiments.persona_fields import fields, needs
    from personas.imports import people_of
    from personas.load import PersonaFileError
    from personas.write import persona_text, place_people

    kind = format_ or _kind(file)
    if kind != Format.csv and (maps or ignored):
        raise UserError("columns are of CSV files only", where="--map, --ignore", fix="leave them out")
    given, (attributes, traits) = fields(defaults or [], "--default"), needs(society)
    try:
        people = people_of(_rows(file, kind, maps or [], ignored or []), given, attributes, traits)
        place_people({person.id: persona_text(person) for person in people}, folder, force)
    except PersonaFileError as error:
        raise UserError(f"{error}\nnothing was written", fix=_fix(society)) from None
    typer.echo(f"{counted(len(people), 'person', 'people')} written to {folder}")


def _fix(society: str) -> str:
    told = "mend the file, or give all a value with --default NAME=VALUE"
    return told if society == "any" else f"{told}; --for any does not ask for what {society} needs"


def _kind(file: Path) -> Format:
    if file.is_dir():
        return Format.tinytroupe
    if file.suffix.lower() not in BY_SUFFIX:
        raise UserError(
            "the name does not say what this is", where=str(file), fix="give --format: csv, jsonl, tinytroupe"
        )
    return BY_SUFFIX[file.suffix.lower()]


def _rows(file: Path, kind: Format, maps: list[str], ignored: list[str]) -> "list[Row]":
    from personas.rows import csv_people, jsonl_people
    from personas.tinytroupe import tinytroupe_people

    match kind:
        case Format.csv:
            return csv_people(file, _columns(maps), tuple(ignored))
        case Format.jsonl:
            return jsonl_people(file)
        case Format.tinytroupe:
            rows, left_out = tinytroupe_people(file)
            typer.echo(f"not taken over: {', '.join(left_out) or 'nothing'}")
            return rows


def _columns(maps: list[str]) -> dict[str, str]:
    from experiments.persona_fields import named

    found: dict[str, str] = {}
    for pair in maps:
        column, sign, name = pair.rpartition("=")
        if not sign:
            raise UserError(
                "a name is missing", where=f"--map {pair}", fix=f"write --map {pair}=NAME, e.g. {pair}=wage"
            )
        named(name, "--map")
        found[column] = name
    return found


def export(
    people: Annotated[Path, typer.Argument(help="A folder of persons, a persona file, or a frozen roster.")],
    to: Annotated[Path, typer.Option(help="The JSON lines file to write.")],
    force: Force = False,
) -> None:
    """Write people as JSON lines, one person a line. `import` reads them back."""
    from experiments.files import write_text
    from personas.exports import jsonl_text, people_at

    found = people_at(people)
    if to.exists() and not force:
        raise UserError("is there already", where=str(to), fix="name another file, or give --force")
    write_text(to, jsonl_text(found))
    typer.echo(f"{counted(len(found), 'person', 'people')} written to {to}")
