"""`solon personas new | edit | sweep`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.errors import ROOT, UserError
from experiments.tables import counted, print_table

if TYPE_CHECKING:
    from experiments.persona_editor import Typed
    from personas.fields import Field
    from personas.people import Persona

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="E.g. habit=0.2, wage=30, wage.public=false, name='Ana Lu'."),
]
Unsets = Annotated[list[str] | None, typer.Option("--unset", metavar="NAME", help="Take out, e.g. words.habit.")]
Where = Annotated[Path | None, typer.Option(help="Where to look for an id [default: personas/village].")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]


def new(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Such as anna-berg; the file is FOLDER/ID.yaml.")],
    folder: Annotated[Path, typer.Option(help="Where to write the file.")] = Path("mine"),
    like: Annotated[str | None, typer.Option(help="A file, or a villager's id: what is not said is theirs.")] = None,
    name: Annotated[str | None, typer.Option(help="[default: made of the id]")] = None,
    sets: Sets = None,
    society: Annotated[str, typer.Option("--for", help="A society; what it needs is added. Or any.")] = "income_tax",
    force: Force = False,
) -> None:
    """Write the file of a new person. What is not said gets a default, and is told."""
    from experiments.commands.personas import person_file
    from experiments.persona_fields import completed, fields, needs
    from personas.imports import changed
    from personas.load import load_persona
    from personas.people import Persona
    from personas.traits import TRAITS
    from personas.write import persona_text, place_people

    title = name or id_.replace("-", " ").replace("_", " ").title()
    model = load_persona(person_file(like, None)) if like else Persona(id_, title, "", {}, frozenset(), {})
    file = folder / f"{id_}.yaml"
    said = changed(file, model, {("name",): title, **fields(sets or [], "--set"), ("id",): id_})
    defaults = completed(said, *needs(society))
    made = changed(file, said, defaults)
    person = replace(made, traits={trait: made.traits[trait] for trait in TRAITS if trait in made.traits})
    place_people({person.id: persona_text(person)}, folder, force)
    typer.echo(f"written: {file}")
    for trait in model.words.keys() - person.words.keys():
        typer.echo(f"{model.id}'s own words for {trait} are not in it: they were about another value")
    if defaults:
        told = ", ".join(f"{field[1]} {value:g}" for field, value in defaults.items() if isinstance(value, float))
        typer.echo(f"by default, for {society}: {told} (solon personas edit {file} --set NAME=VALUE)")
    _tell_text(person)


def edit(
    person: Annotated[str, typer.Argument(help="A persona file, or the id of somebody in the folder.")],
    sets: Sets = None,
    unsets: Unsets = None,
    folder: Where = None,
    output: Annotated[Path | None, typer.Option(help="Write here, and leave the file as it is.")] = None,
    force: Force = False,
) -> None:
    """Change a person's file, by --set and --unset or else in your editor ($EDITOR). Nothing is written that is not
    valid; comments and order stay.
    """
    from experiments import persona_editor
    from experiments.commands.personas import person_file
    from experiments.persona_fields import fields, named
    from personas.load import load_persona

    file = person_file(person, folder)
    target, before = _target(file, output, force), file.read_bytes()
    typed = None
    if sets or unsets:
        gone = [named(name, "--unset") for name in unsets or []]
        text = _by_options(file, fields(sets or [], "--set"), gone)
    else:
        typed = persona_editor.typed(file, lambda told: typer.echo(told, err=True), _again)
        text = typed.text
    if text.encode() == before and output is None:
        typer.echo("nothing was changed")
    else:
        was = _valid(file)
        _put(file, before, target, text, typed)
        typer.echo(f"written: {target}")
        _tell_edits(was, load_persona(target))
    if typed:
        typed.done()


def _put(file: Path, before: bytes, target: Path, text: str, typed: "Typed | None") -> None:
    from experiments.persona_editor import put

    try:
        if target != file:
            _refuse_twin(target, text)
        put(file, before, target, text)
    except (ValueError, OSError):
        if typed:
            typer.echo(f"what you typed is in {typed.copy}", err=True)
        raise


def _by_options(file: Path, sets: "dict[Field, object]", gone: "list[Field]") -> str:
    """The text with the options' edits. UserError: it is not that of a person."""
    from personas.edit import edited
    from personas.load import PersonaFileError, parse_persona, read_tree

    try:
        read_tree(file)
        text = edited(file, file.read_bytes().decode("utf-8"), sets, gone)
        parse_persona(file, text)
        return text
    except PersonaFileError as error:
        raise UserError(f"{error}\nnothing was written") from None


def _target(file: Path, output: Path | None, force: bool) -> Path:
    """Where the edited file goes. UserError: that would change what is not the user's, or another file."""
    installed = not (ROOT / "pyproject.toml").exists()
    if output is None and installed and file.resolve().is_relative_to(ROOT / "personas"):
        raise UserError(
            "this file is part of the installed program",
            where=str(file),
            fix=f"keep an edited copy, with --output mine/{file.name}",
        )
    if output is not None and output.exists() and not force and not output.samefile(file):
        raise UserError("is there already", where=str(output), fix="name another file, or give --force")
    return output or file


def _refuse_twin(output: Path, text: str) -> None:
    """PersonaFileError: somebody else in the folder of the new file has its id."""
    from personas.load import PersonaFileError, parse_persona
    from personas.write import same_ids

    twins = same_ids([parse_persona(output, text).id], output.parent, [output])
    if twins:
        raise PersonaFileError(twins)


def _again() -> bool:
    try:
        return typer.confirm("Go back to the editor?", default=True)
    except typer.Abort:
        return False


def _valid(file: Path) -> "Persona | None":
    from personas.load import PersonaFileError, load_persona

    try:
        return load_persona(file)
    except PersonaFileError:
        return None


def _tell_edits(was: "Persona | None", now: "Persona") -> None:
    """Field by field, and what a model reads of it."""
    from personas.inspect import edits
    from personas.words import sentences

    if was is None:
        typer.echo("the file was not valid before, so there is nothing to compare")
        _tell_text(now)
        return
    print_table(("field", "before", "after"), [(c.field, c.before, c.after) for c in edits(was, now)])
    old, new = sentences(was), sentences(now)
    gone, come = [s for s in old if s not in new], [s for s in new if s not in old]
    typer.echo("\n".join([*(f"- {s}" for s in gone), *(f"+ {s}" for s in come)]) or "a model reads the same as before")
    for trait, words in now.words.items():
        if trait in was.traits and was.traits[trait] != now.traits[trait] and was.words.get(trait) == words:
            typer.echo(
                f"{trait} is told in this file's own words, whatever its value; --unset words.{trait} takes them out"
            )


def _tell_text(person: "Persona") -> None:
    from personas.words import render

    typer.echo("What a language model reads:\n")
    typer.echo(fill(render(person), width=100))


def sweep(
    person: Annotated[str, typer.Argument(help="A persona file, or the id of somebody in the village.")],
    traits: Annotated[list[str], typer.Option("--trait", help="What to vary; several give a grid.")],
    low: Annotated[float, typer.Option("--from", min=0, max=1, help="The first value.")] = 0.1,
    high: Annotated[float, typer.Option("--to", min=0, max=1, help="The last value.")] = 0.9,
    steps: Annotated[int, typer.Option(min=2, max=1_000, help="Values of each trait.")] = 5,
    folder: Annotated[Path, typer.Option(help="Where to write the copies.")] = Path("sweep"),
    force: Force = False,
) -> None:
    """Write copies of a person that differ in one trait only, or in every combination of several."""
    from experiments.commands.personas import person_file
    from experiments.persona_fields import trait
    from personas.load import load_persona
    from personas.sweeps import copies, evenly, own_words
    from personas.write import place_people

    file = person_file(person, None)
    grid = {trait(name): evenly(low, high, steps) for name in traits}
    made, who = copies(file, grid), load_persona(file)
    place_people({copy.id: copy.text for copy in made}, folder, force)
    for name in grid:
        _tell_steps(name, grid[name])
    for name in own_words(who, grid):
        typer.echo(f"{who.id}'s own words for {name} are left out: they would tell every copy the same")
    for name in [name for name in grid if name not in who.traits]:
        typer.echo(f"{who.id} does not declare {name}; the copies do")
    typer.echo(f"{counted(len(made), 'copy', 'copies')} written to {folder}")


def _tell_steps(name: str, values: Sequence[float]) -> None:
    from personas.sweeps import read_the_same
    from personas.words import trait_phrase

    print_table((name, "a model reads"), [(f"{value:g}", trait_phrase(name, value)) for value in values], numbers=(0,))
    same = read_the_same(name, values)
    if same:
        pairs = ", ".join(f"{a:g} and {b:g}" for a, b in same)
        why = "as whole hours" if name == "preferred_hours" else "in seven grades only"
        typer.echo(f"the same words for {pairs}: a value reaches a model {why}, so it cannot tell these copies apart")
