"""The figures of a comparison of kinds of people: a column for each kind, on the same axes.

What scripted people do is drawn in grey behind the others, so that each column can be read against it.
"""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.compared_tables import Mean, Tables
from experiments.compared_words import Naming, first_upper
from experiments.figures import FAINT, INK, STYLE, canvas
from experiments.statistics import Floats

TONES = {"llm": "#0b6e75", "rl": "#b5483c", "scripted": "#5865b5"}
OTHERS = ("#c67f17", "#6f8f3a", "#8a5aa3")
BEHIND, GHOST = "scripted", "#a9afb8"
TRAITS = 3  # that are drawn: those with which answers change most
TICKS = 12  # names of choices that an axis has room for


def tone(kind: str, kinds: Sequence[str]) -> str:
    """A kind's colour."""
    others = [name for name in kinds if name not in TONES]
    return TONES[kind] if kind in TONES else OTHERS[others.index(kind) % len(OTHERS)]


def _columns(tables: Tables, naming: Naming, height: float) -> tuple[Figure, list[Axes]]:
    """One axis for each kind, of the same range."""
    figure, axes = _grid(tables, naming, 1, height)
    return figure, axes[0]


def _grid(tables: Tables, naming: Naming, rows: int, height: float) -> tuple[Figure, list[list[Axes]]]:
    """Rows of such axes, all with the same range of answers."""
    figure = canvas(height)
    axes: list[list[Axes]] = [
        list(row) for row in figure.subplots(rows, len(tables.kinds), sharex="row", sharey=True, squeeze=False)
    ]
    for ax, kind in zip(axes[0], tables.kinds, strict=True):
        ax.set_title(first_upper(naming.kinds[kind]), color=tone(kind, tables.kinds))
    return figure, axes


def rows_with(tables: Tables, table: str) -> list[str]:
    """Those in which any kind has a number."""
    return [row for row in tables.rows(table) if any(tables.cell(k, table, row).mean for k in tables.kinds)]


def dots(tables: Tables, table: str, naming: Naming, label: str, zero: bool = False) -> Figure:
    """A table as points, with intervals where there are any, a line to each row."""
    rows = rows_with(tables, table)
    with rc_context(STYLE):
        figure, axes = _columns(tables, naming, 1.0 + 0.27 * len(rows))
        for ax, kind in zip(axes, tables.kinds, strict=True):
            for place, row in enumerate(rows):
                _ghost(ax, tables, kind, table, row, place)
                found = tables.cell(kind, table, row).mean
                if found is None:
                    ax.text(0.5, place, "not applicable", transform=ax.get_yaxis_transform(), ha="center", va="center",
                            fontsize=8, color=GHOST)  # fmt: skip
                    continue
                _point(ax, found, place, tone(kind, tables.kinds))
            if zero:
                ax.axvline(0, color=INK, lw=0.8)
            ax.set_yticks(range(len(rows)), [naming.row(table, row) for row in rows])
            ax.tick_params(axis="y", length=0)
            ax.grid(axis="y", visible=False)
            ax.xaxis.set_major_locator(MaxNLocator(4))
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        figure.supxlabel(label, fontsize=10, color=INK)
        return figure


def _point(ax: Axes, found: Mean, place: float, colour: str) -> None:
    if found.ends:
        ax.plot(found.ends, [place, place], color=colour, lw=2.2, alpha=0.55)
    ax.plot(found.value, place, "o", ms=5.5, color=colour)


def _ghost(ax: Axes, tables: Tables, kind: str, table: str, row: str, place: float) -> None:
    if kind == BEHIND or BEHIND not in tables.kinds:
        return
    found = tables.cell(BEHIND, table, row).mean
    if found is not None:
        ax.plot(found.value, place, "|", ms=13, mew=1.6, color=GHOST)


def price_curve(tables: Tables, naming: Naming, price: str, answer: str) -> Figure:
    """Mean answers by what people face."""
    with rc_context(STYLE):
        figure, axes = _columns(tables, naming, 3.0)
        for ax, kind in zip(axes, tables.kinds, strict=True):
            if kind != BEHIND and BEHIND in tables.kinds:
                _curve(ax, *_by_price(tables, BEHIND), GHOST, band=False)
            _curve(ax, *_by_price(tables, kind), tone(kind, tables.kinds))
            ax.xaxis.set_major_locator(MaxNLocator(5))
        axes[0].set_ylabel(fill(answer, 30))
        figure.supxlabel(price, fontsize=10, color=INK)
        return figure


def _by_price(tables: Tables, kind: str) -> tuple[Floats, list[Mean]]:
    known = [(float(row), found) for row in tables.rows("price") if (found := tables.cell(kind, "price", row).mean)]
    return np.array([x for x, _ in known]), [found for _, found in known]


def _curve(ax: Axes, x: Floats, found: Sequence[Mean], colour: str, band: bool = True) -> None:
    if not len(x):
        return
    ax.plot(x, [one.value for one in found], marker="o", ms=3.5, color=colour, lw=1.6)
    ends = [one.ends for one in found if one.ends]
    if band and ends:
        ax.fill_between(x, [low for low, _ in ends], [high for _, high in ends], color=colour, alpha=0.13, lw=0)


def telling(tables: Tables) -> list[str]:
    """The traits with which the answers of any kind change most along their curve, most first."""
    names = list(dict.fromkeys(row.rsplit(" ", 1)[0] for row in rows_with(tables, "trait curve")))

    def change(name: str) -> float:
        return max(np.ptp([f.value for f in _by_trait(tables, kind, name)[1]] or [0.0]) for kind in tables.kinds)

    return sorted(names, key=change, reverse=True)[:TRAITS]


def _by_trait(tables: Tables, kind: str, name: str) -> tuple[Floats, list[Mean]]:
    rows = [row for row in tables.rows("trait curve") if row.rsplit(" ", 1)[0] == name]
    at, curve = ([tables.cell(kind, table, row).mean for row in rows] for table in ("trait at", "trait curve"))
    known = [(x.value, found) for x, found in zip(at, curve, strict=True) if x and found]
    return np.array([x for x, _ in known]), [found for _, found in known]


def trait_curves(tables: Tables, naming: Naming, answer: str) -> Figure:
    """Mean answers of people in the order of a trait: a row for each of the traits that tell most."""
    names = telling(tables)
    with rc_context(STYLE):
        figure, axes = _grid(tables, naming, len(names), 0.7 + 1.75 * len(names))
        for row, name in zip(axes, names, strict=True):
            for ax, kind in zip(row, tables.kinds, strict=True):
                if kind != BEHIND and BEHIND in tables.kinds:
                    _curve(ax, *_by_trait(tables, BEHIND, name), GHOST, band=False)
                _curve(ax, *_by_trait(tables, kind, name), tone(kind, tables.kinds))
                ax.xaxis.set_major_locator(MaxNLocator(5))
            row[len(row) // 2].set_xlabel(f"{name.replace('_', ' ')}, of a scale from 0 to 1")
        figure.supylabel(fill(answer, 40 if len(names) > 1 else 24), fontsize=10, color=INK)
        return figure


def choices(tables: Tables, naming: Naming, chosen: Mapping[str, Floats], names: Sequence[str], label: str) -> Figure:
    """How often each choice is meant: chosen [S, K] by kind, mean over the rules."""
    with rc_context(STYLE):
        figure, axes = _columns(tables, naming, 2.8)
        places = np.arange(len(names))
        for ax, kind in zip(axes, tables.kinds, strict=True):
            ax.bar(places, chosen[kind].mean(0), width=0.8, color=tone(kind, tables.kinds), alpha=0.75)
            if kind != BEHIND and BEHIND in tables.kinds:
                edges = np.append(places - 0.5, places[-1] + 0.5)
                ax.stairs(chosen[BEHIND].mean(0), edges, color=GHOST, lw=1.2)
            every = -(-len(names) // TICKS)
            ax.set_xticks(places[::every], names[::every], fontsize=8 if len(names) > 6 else 9)
            ax.grid(axis="x", visible=False)
            ax.spines["bottom"].set_color(FAINT)
        axes[0].set_ylabel("share of decisions")
        figure.supxlabel(label, fontsize=10, color=INK)
        return figure
