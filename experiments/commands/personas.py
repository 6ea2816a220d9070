"""`solon personas list | show | validate | sample | diff`, and where the other commands on people are gathered."""

from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.commands import persona_editing, persona_effect, persona_exchange
from experiments.tables import counted, print_json, print_table

if TYPE_CHECKING:
    from personas.inspect import Validation
    from personas.summary import Spread, Summary

app = typer.Typer(help="The people: show, check, write, exchange, sample and compare them.", no_args_is_help=True)
app.command()(persona_editing.new)
app.command()(persona_editing.edit)
app.command()(persona_editing.sweep)
app.command()(persona_effect.effect)
app.command("import")(persona_exchange.import_)
app.command()(persona_exchange.export)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SMALL_MODEL = "agents/embedded/model"
WRONG = 1  # exit code of `validate` and `diff` when there is something to tell


def _here(path: Path | None, default: str) -> Path:
    """The path as given, or as it stands in the repository."""
    from experiments.errors import ROOT

    given = Path(default) if path is None else path
    return given if given.exists() or not (ROOT / given).exists() else ROOT / given


@app.command("list")
def list_(
    folder: Annotated[Path | None, typer.Argument(help="A folder of persons [default: personas/village].")] = None,
    as_json: Json = False,
) -> None:
    """Everyone in a folder, one line each."""
    from personas.inspect import listing

    people = listing(_here(folder, "personas/village"))
    if as_json:
        print_json([asdict(one) for one in people])
        return
    rows = [(p.id, p.name, p.age, p.occupation, p.wage, str(p.traits)) for p in people]
    print_table(("id", "name", "age", "occupation", "$/hour", "traits"), rows, numbers=(2, 4, 5))


@app.command()
def show(
    person: Annotated[str, typer.Argument(help="A persona file, or the id of somebody in the folder.")],
    folder: Annotated[Path | None, typer.Option(help="Where to look for an id [default: personas/village].")] = None,
    as_json: Json = False,
) -> None:
    """One person: every fact with its mark, every trait with its grade, and the text that a model reads."""
    from personas import inspect
    from personas.load import load_persona

    shown = inspect.show(load_persona(person_file(person, folder)))
    if as_json:
        print_json(asdict(shown))
        return
    facts = [(a.name, a.value, "public" if a.public else "private") for a in shown.attributes]
    print_table((f"{shown.name} ({shown.id})", "value", "who may see it"), facts)
    traits = [(t.name, f"{t.value:.2f}", t.natural, t.words, _mark(t.own_words, t.words_only)) for t in shown.traits]
    print_table(("private trait", "scale", "means", "told as", ""), traits)
    typer.echo("What a language model reads:\n")
    typer.echo(fill(shown.text, width=min(100, get_terminal_size().columns - 1)))


def _mark(own_words: bool, words_only: bool) -> str:
    return ", ".join(["own words"] * own_words + ["words only"] * words_only)


def person_file(person: str, folder: Path | None) -> Path:
    from experiments.errors import UserError
    from personas.spelling import suggest

    if Path(person).is_file():
        return Path(person)
    home = _here(folder, "personas/village")
    ids = sorted(p.stem for p in home.glob("*.yaml"))
    if person not in ids:
        near = [known for known in ids if person.lower() in known]
        hint = f" (did you mean {near[0]!r}?)" if near else suggest(person, ids)
        raise UserError(
            f"there is no person {person!r}{hint}",
            where=str(home),
            fix="give a file, or an id that `solon personas list` shows",
        )
    return home / f"{person}.yaml"


@app.command()
def validate(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files and folders [default: all that ship].")] = None,
    model: Annotated[Path | None, typer.Option(help="A small model whose unknown words to count.")] = None,
    as_json: Json = False,
) -> None:
    """Check persona and population files. Each fault is told with file, line, field and what would be right."""
    from personas import inspect

    defaults = [_here(None, "personas/village"), *sorted(_here(None, "personas/populations").glob("*.yaml"))]
    found = inspect.validate([_here(p, "") for p in paths] if paths else defaults, _vocabulary(model))
    if as_json:
        print_json({**asdict(found), "problems": [str(p) for p in found.problems]})
    else:
        for problem in found.problems:
            typer.echo(str(problem))
        _tell_strangers([asdict(one) for one in found.strangers])
        _tell_larger_only(found)
        typer.echo(f"{counted(found.checked, 'file')}, {counted(len(found.problems), 'problem')}")
    raise typer.Exit(WRONG if found.problems else 0)


def _tell_strangers(people: list[dict[str, Any]]) -> None:
    """Words that the small model skips."""
    for one in people:
        words = ", ".join(one["unknown"][:8]) + (" ..." if len(one["unknown"]) > 8 else "")
        typer.echo(f"{one['id']}: {len(one['unknown'])} of {one['words']} words unknown to the small model: {words}")
        if one["in_biography"]:
            typer.echo(
                f"  {one['in_biography']} of them are in the biography: only a larger model understands that part"
            )


def _tell_larger_only(found: "Validation") -> None:
    """What was written with effect on a larger model only."""
    if found.edited:
        edited = counted(len(found.edited), "biography", "biographies")
        typer.echo(
            f"{edited} edited or new ({_names(found.edited)}): only a larger model understands such; the small model's "
            "answers hardly change with a biography, a name or a trade"
        )
    if found.own_words:
        told = counted(len(found.own_words), "trait")
        typer.echo(
            f"{told} told in own words ({_names(found.own_words)}): the small model was taught the standard sentences "
            "only, and may misread them"
        )


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _vocabulary(model: Path | None) -> frozenset[str] | None:
    """The words that a small model knows, from its tokenizer.json; None where the default one is not there."""
    from experiments.errors import UserError
    from experiments.files import read_json

    file = _here(model, SMALL_MODEL) / "tokenizer.json"
    if file.is_file():
        return frozenset(word for word in read_json(file)["model"]["vocab"] if word.isalpha())
    if model is None:
        return None
    raise UserError("there is no tokenizer.json here", where=str(model), fix="name the folder of a trained small model")


@app.command()
def sample(
    population: Annotated[Path | None, typer.Argument(help="[default: personas/populations/communities.yaml]")] = None,
    rosters: Annotated[int, typer.Option(min=1, max=10_000, help="How many rosters to draw.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    freeze: Annotated[Path | None, typer.Option(help="Write the people to this .jsonl file, with a hash.")] = None,
    as_json: Json = False,
) -> None:
    """Draw rosters and show what they look like: spreads, and how much neighbours resemble one another."""
    from learning.draws import draws
    from personas import frozen
    from personas.rosters import open_rosters
    from personas.sample import Sampler
    from personas.summary import sample_table

    homes, d = open_rosters(_here(population, "personas/populations/communities.yaml")), draws(seed, 0, rosters)
    people = homes.people(d)
    summary = sample_table(people, homes.other_facts(d) if isinstance(homes, Sampler) else None)
    digest = frozen.freeze(people, freeze) if freeze else None
    if as_json:
        print_json({**asdict(summary), "sha256": digest})
        return
    typer.echo(
        f"{summary.people:,} people in {counted(summary.rosters, 'roster')}; shared = the part of the variance between "
        "rosters"
    )
    _tell_summary(summary)
    if digest:
        typer.echo(f"frozen in {freeze}, sha256 {digest}")


def _tell_summary(summary: "Summary") -> None:
    def row(one: "Spread", places: int) -> tuple[str, ...]:
        return (
            one.name,
            *(f"{value:.{places}f}" for value in (one.mean, one.sd, *one.quantiles)),
            f"{one.between:.0%}",
        )

    head = ("mean", "sd", "5%", "25%", "50%", "75%", "95%", "shared")
    print_table(("public attribute", *head), [row(one, 1) for one in summary.attributes], numbers=range(1, 9))
    if summary.facts:
        print_table(("private fact", *head), [row(one, 1) for one in summary.facts], numbers=range(1, 9))
    for fact in summary.words:
        print_table((fact.name, "share"), [(word, f"{share:.1%}") for word, share in fact.shares.items()], numbers=(1,))
    print_table(("private trait", *head), [row(one, 2) for one in summary.traits], numbers=range(1, 9))


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="A persona file, population file, folder or frozen roster.")],
    after: Annotated[Path, typer.Argument(help="What to compare it with.")],
    as_json: Json = False,
) -> None:
    """Field by field, what differs. Exits with 1 when something does."""
    from personas import inspect

    changes = inspect.diff(_here(before, ""), _here(after, ""))
    if as_json:
        print_json([asdict(change) for change in changes])
    else:
        print_table(("field", str(before), str(after)), [(c.field, c.before, c.after) for c in changes])
        typer.echo(f"{len(changes)} differences")
    raise typer.Exit(WRONG if changes else 0)
