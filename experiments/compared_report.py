"""What a comparison of kinds of people comes to: its tables, a report that reads like a result, and plain numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agents.embedded.vocabulary import STAND_IN
from experiments import compared_figures as figures
from experiments import compared_words as words
from experiments.compared_json import tables_json
from experiments.compared_kinds import AGAIN, label_of
from experiments.compared_tables import FEW, Tables, tables_of
from experiments.comparison import Comparison
from experiments.config import dump_config, smoke_notes
from experiments.figures import Figure
from experiments.files import write_json, write_text
from experiments.report import TEMPLATES, Picture, picture
from experiments.runs import Run
from experiments.statistics import Floats
from experiments.tables import counted
from learning.draws import draws
from societies.base import Restful, Society
from societies.play import Fixed
from societies.scales import embedded, scale_of

KEPT = "comparison.json"
SHOWN = ("signature", "part", "elasticity", "trait", "recovery")  # tables that are printed below the figures


@dataclass(frozen=True)
class Found:
    """A comparison with its tables and names."""

    of: Comparison
    tables: Tables
    naming: words.Naming

    @property
    def stand_in(self) -> bool:
        """Are language-model people played by the small model that ships?"""
        return any(model.partition(":")[0] == "embedded" for model in self.of.models)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        return (*smoke_notes(self.of.config), *self.of.notes)

    @property
    def told(self) -> tuple[str, ...]:
        """The same where no notice says who is a stand-in."""
        return (*((f"LLM people: {STAND_IN}",) if self.stand_in else ()), *self.notes)


def found_in(comparison: Comparison) -> Found:
    """The tables of what was played."""
    amounts = scale_of(comparison.society).amounts().double().numpy()
    again = AGAIN if AGAIN in comparison.parts else None
    tables = tables_of(comparison.kinds, comparison.parts, amounts, again)
    kinds = {kind: label_of(kind) for kind in (*comparison.kinds, AGAIN)}
    rules = {rule.name: rule.label for rule in comparison.rules}
    return Found(comparison, tables, words.Naming(kinds, rules, unit_of(comparison.society)))


def unit_of(society: Society) -> str:
    """Of answers where choices are amounts; "" where they are names."""
    scale = scale_of(society)
    return scale.answer if embedded(scale.amounts()).shape[1] == 1 else ""


def as_json(found: Found) -> dict[str, Any]:
    """Every number, and the findings."""
    return {
        "society": found.of.society.name,
        "answer": scale_of(found.of.society).answer,
        "rosters": found.of.config.compare.rosters,
        "mechanisms": {rule.name: rule.label for rule in found.of.rules},
        **tables_json(found.tables),
        "findings": words.findings(found.tables, found.naming),
        "notes": list(found.told),
    }


def write(found: Found, run: Run) -> None:
    """The numbers and the report, in the run's folder."""
    write_json(run.folder / KEPT, as_json(found))
    write_text(run.report, render(found, run.manifest()))


def render(found: Found, manifest: Mapping[str, Any]) -> str:
    """The report as HTML."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    tables, naming = found.tables, found.naming
    session = manifest["sessions"][-1]
    return environment.get_template("comparison.html.j2").render(
        title=f"{_listed([naming.kinds[kind] for kind in tables.kinds])} under the same rules",
        society=found.of.society,
        objective=words.objective_of(found.of.society),
        headline=words.headline(tables, naming),
        order=words.on_order(tables, naming),
        distances=words.on_distances(tables, naming),
        stand_in=found.stand_in,
        notes=found.notes,
        pictures=pictures(found),
        tables={words.TITLES[name]: _printed(found, name) for name in SHOWN if tables.rows(name)},
        pairs=tables.pairs,
        distance_names=words.distance_names(naming, scale_of(found.of.society).answer),
        chance=tables.chance,
        naming=naming,
        kinds=tables.kinds,
        few=tables.seeds < FEW,
        spread=words.spread,
        chance_of=words.chance,
        cell=words.cell,
        tone=lambda kind: figures.tone(kind, tables.kinds),
        rules=_rules(found),
        config=dump_config(found.of.config),
        made={
            "commit": session["commit"],
            "drawn by seed": manifest["seed"],
            "hardware": session["hardware"],
            "seeds": f"{counted(tables.seeds, 'seed')}, each with {counted(found.of.config.compare.rosters, 'roster')} "
            f"of {found.of.society.agents} people",
        },
    )


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _printed(found: Found, table: str) -> list[tuple[str, list[str]]]:
    """Rows of a table: a name, and a cell for each kind."""
    tables = found.tables
    name = scale_of(found.of.society).price if table == "elasticity" else ""
    return [
        (name or found.naming.row(table, row), [words.cell(tables.cell(kind, table, row)) for kind in tables.kinds])
        for row in tables.rows(table)
        if row
    ]


def _rules(found: Found) -> dict[str, str]:
    """The numbers of rules that never change, or what else is known of them."""
    told = dict[str, str]()
    for rule in found.of.rules:
        principal = rule.principal(draws(0, 0, 1))
        told[rule.label] = _numbers(principal.mechanism) if isinstance(principal, Fixed) else "as it says"
    return told


def _numbers(mechanism: Any) -> str:
    if mechanism.dim() == 1:
        return ", ".join(words.number(value) for value in mechanism.tolist())
    return "options " + ", ".join(str(int(one) + 1) for one in mechanism.argmax(-1).tolist())


def pictures(found: Found) -> list[Picture]:
    """Every figure that there are numbers for."""
    first, *others = _points(found)
    drawn = [first, *_curves(found), *others]
    return [picture(title, figure, caption) for title, figure, caption in drawn]


def _says(found: Found, table: str) -> str:
    """Where kinds differ in a table, and what is missing of it."""
    told = (f(found.tables, table, found.naming) for f in (words.on_table, words.not_applicable))
    return " ".join(text for text in told if text)


def _points(found: Found) -> Iterator[tuple[str, Figure, str]]:
    """Tables as points: title, figure, caption."""
    society, scale = found.of.society, scale_of(found.of.society)
    for table, label, zero in (
        ("answer", f"{scale.answer}, mean", False),
        ("welfare", f"welfare ({words.objective_of(society)}), mean", False),
        ("inequality", f"Gini of {scale.lot.partition(',')[0]}", False),
        ("recovery", "R² of the trait, on people of seeds that were held out", True),
        ("signature", "no unit; 0 = there is nothing of it", True),
    ):
        if figures.rows_with(found.tables, table):
            about = f"{words.ABOUT[table]} " if table in words.ABOUT else ""
            figure = figures.dots(found.tables, table, found.naming, label, zero)
            yield words.TITLES[table], figure, f"{about}{_says(found, table)}"


def _curves(found: Found) -> Iterator[tuple[str, Figure, str]]:
    """Answers by price and by trait, and all choices: title, figure, caption."""
    tables, naming, scale = found.tables, found.naming, scale_of(found.of.society)
    answer = f"{scale.answer}, mean"
    if figures.rows_with(tables, "price"):
        curve = figures.price_curve(tables, naming, scale.price, answer)
        level = words.levels(tables, "elasticity", "price", naming)
        yield "Answers to what people face", curve, f"Elasticity at the mean: {level} {_says(found, 'elasticity')}"
    if figures.rows_with(tables, "trait curve"):
        curve = figures.trait_curves(tables, naming, answer)
        yield "Answers by trait", curve, _on_traits(found)
    bars = figures.choices(tables, naming, _chosen(found), found.of.society.choice_names, _choice(found))
    yield "What is chosen", bars, words.on_distances(tables, naming)


def _on_traits(found: Found) -> str:
    tables = found.tables
    drawn, every = len(figures.telling(tables)), len(tables.rows("trait"))
    which = f", for the {drawn} of {every} traits with which answers change most" if drawn < every else ""
    drawing = f"Drawn: mean answers of people in the order of a trait, whatever else they are{which}."
    numbers = "In numbers, from trait 0 to 1 with all else equal: "
    return f"{drawing} {numbers if tables.seeds >= FEW else ''}{_says(found, 'trait')}"


def _choice(found: Found) -> str:
    """What the bars are of."""
    society = found.of.society
    if unit := unit_of(society):
        return unit
    idle = f"; {society.choice_names[society.idle]} = does nothing" if isinstance(society, Restful) else ""
    return f"choice{idle}"


def _chosen(found: Found) -> dict[str, Floats]:
    """[S, K] of every kind, mean over the rules."""
    return {kind: np.stack([part.chosen.mean(0) for part in found.of.parts[kind]]) for kind in found.tables.kinds}
