"""The report of `solon transfer`: what rules lose that were learned on one kind of people and are tried on another."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from agents.embedded.vocabulary import STAND_IN
from experiments.cast import society_of
from experiments.compared_figures import tone
from experiments.compared_kinds import label_of
from experiments.compared_words import first_upper, number, objective_of, signed
from experiments.config import Config, dump_config
from experiments.figures import INK, STYLE, Figure, canvas
from experiments.files import write_text
from experiments.report import TEMPLATES, picture
from experiments.runs import Run
from experiments.statistics import Interval
from experiments.tables import counted
from experiments.transfer_table import FEW, Matrix, cell
from experiments.transferred import AS_IT_IS, from_nothing
from societies.base import Society

Row = tuple[str, str, Mapping[str, Interval]]
"""(kind that rules were learned on, or "" for people's own; how they were carried over; regret by those they are tried
on)"""


def rows(found: Matrix) -> Iterator[Row]:
    """Of the table: everyone's rules in every way, then what people's own bring of as few episodes."""
    cells = found.cells
    for learned in found.kinds:
        for how in dict.fromkeys(how for row in cells.values() for how in row):
            known = {tried: cells[learned, tried] for tried in found.kinds}
            yield learned, how, {tried: row[how] for tried, row in known.items() if how in row}
    few = {kind: found.few(kind) for kind in found.kinds}
    for episodes in found.adapt:
        yield "", from_nothing(episodes), {kind: few[kind][str(episodes)] for kind in found.kinds}


def learned_by(kind: str) -> str:
    """Whose rules a row is about."""
    return label_of(kind) if kind else "themselves"


def way(how: str) -> str:
    """How rules were carried over, as a reader needs it."""
    number = how.rsplit(" ", 1)[-1]
    return f"{how} episode{'s' * (number != '1')}" if number.isdigit() else how


def level(welfare: Interval) -> str:
    """The welfare that rules of their own bring people, in a table."""
    return f"{number(welfare.value)} ({number(welfare.low)} to {number(welfare.high)})"


def headline(found: Matrix) -> str:
    """The largest loss by rules that are tried as they are, by other people than they were learned on."""
    of = {(a, b): row[AS_IT_IS] for (a, b), row in found.cells.items() if a != b}
    lost = {pair: regret for pair, regret in of.items() if regret.low > 0} or of
    learned, tried = max(lost, key=lambda pair: lost[pair].value)
    regret = lost[learned, tried]
    whose = f"rules learned on {label_of(learned)} and tried on {label_of(tried)}"
    found_any = "Most is lost by" if regret.low > 0 else "No loss is shown; most regret is that of"
    return f"{found_any} {whose}: regret {cell(regret)}."


def write(found: Matrix, notes: Sequence[str], run: Run) -> None:
    """The report, in the run's folder."""
    write_text(run.report, render(found, notes, run.config, run.manifest()))


def render(found: Matrix, notes: Sequence[str], config: Config, manifest: Mapping[str, Any]) -> str:
    """The report as HTML."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    session, table, society = manifest["sessions"][-1], list(rows(found)), society_of(config)
    return environment.get_template("transfer.html.j2").render(
        society=society,
        objective=objective_of(society),
        headline=headline(found),
        stand_in=any(STAND_IN in note for note in notes),
        notes=[note for note in notes if STAND_IN not in note],
        few=config.compare.seeds < FEW,
        findings=[first_upper(one.removeprefix(f"{found.society}: ")) for one in found.findings()],
        picture=picture("What is lost", figure(found, table, society), ""),
        kinds={kind: (label_of(kind), tone(kind, found.kinds)) for kind in found.kinds},
        rows=[(learned_by(a), way(how), [by.get(kind) for kind in found.kinds]) for a, how, by in table],
        own=[found.welfare(kind) for kind in found.kinds],
        number=number,
        signed=signed,
        config=dump_config(config),
        made={
            "commit": session["commit"],
            "drawn by seed": manifest["seed"],
            "hardware": session["hardware"],
            "seeds": f"{counted(config.compare.seeds, 'seed')}; {config.evaluation.communities} held-out communities",
        },
    )


def figure(found: Matrix, table: Sequence[Row], society: Society) -> Figure:
    """A column for those they are tried on, a line for each set of rules: its colour is that of whom they are from."""
    places = _places(table)
    with rc_context(STYLE):
        drawn = canvas(1.1 + 0.27 * (places[-1] + 1))
        axes: list[Axes] = list(drawn.subplots(1, len(found.kinds), sharex=True, sharey=True, squeeze=False)[0])
        for ax, tried in zip(axes, found.kinds, strict=True):
            ax.set_title(f"Tried on\n{label_of(tried)}", color=tone(tried, found.kinds))
            ax.axvline(0, color=INK, lw=0.8)
            ax.grid(axis="y", visible=False)
            ax.tick_params(axis="y", length=0)
            ax.xaxis.set_major_locator(MaxNLocator(3, prune="upper"))  # a number at the edge would be cut
            ax.xaxis.set_major_formatter(lambda x, _: number(x) if x else "0")
            for place, (learned, _, by) in zip(places, table, strict=True):
                if tried in by:
                    _bar(ax, by[tried], place, tone(learned or tried, found.kinds))
        axes[0].set_yticks(places, [_label(row) for row in table])
        axes[0].set_ylim(places[-1] + 0.6, -0.6)
        drawn.supxlabel(f"regret, in welfare ({objective_of(society)})", fontsize=10, color=INK)
        return drawn


def _places(table: Sequence[Row]) -> list[float]:
    """Of the lines, with half a line free between those of different people."""
    kinds = list(dict.fromkeys(learned for learned, *_ in table))
    return [i + 0.5 * kinds.index(learned) for i, (learned, *_) in enumerate(table)]


def _label(row: Row) -> str:
    learned, how, _ = row
    return f"of {label_of(learned)}, {way(how)}" if learned else f"their own, {way(how)}"


def _bar(ax: Axes, regret: Interval, place: float, colour: str) -> None:
    ax.plot((regret.low, regret.high), (place, place), color=colour, lw=2.2, alpha=0.55)
    ax.plot(regret.value, place, "o", ms=5.5, color=colour)
