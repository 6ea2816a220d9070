"""Learning curves of a town's methods with bands over seeds, beside the yardsticks that need no learning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from experiments.figures import OTHER, STYLE, canvas, colour
from experiments.saving_curves import Curves
from experiments.statistics import Floats
from experiments.town_table import LABELS, TownTable, banded

YARDSTICKS = ("blind", "bayes", "oracle")


@dataclass(frozen=True)
class Scene:
    """What learning curves are drawn before."""

    title: str
    axis: str  # what a level is
    labels: Mapping[str, str]  # of methods and yardsticks
    yardsticks: Mapping[str, float]  # their levels


def scene(table: TownTable) -> Scene:
    """Of a facility town."""
    levels = {name: float(table.known(name).mean()) for name in YARDSTICKS}
    return Scene(table.town, f"visits, summed over {table.steps} steps", LABELS, levels)


def learning_curves(before: Scene, learned: Mapping[str, Curves]) -> Figure:
    """Levels over real episodes, on a logarithmic axis; bands are 95% intervals of the mean over seeds."""
    with rc_context(STYLE):
        figure = canvas(4.8)
        ax = figure.add_subplot()
        for name, level in before.yardsticks.items():
            ax.axhline(level, color=OTHER, lw=0.9, ls=(0, (4, 3)))
            place, paper = ("axes fraction", "data"), {"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.6}
            ax.annotate(
                before.labels[name],
                (1, level),
                xycoords=place,
                va="bottom",
                ha="right",
                fontsize=8,
                bbox=paper,
                zorder=5,
            )
        for name, curves in learned.items():
            _curve(ax, colour(name), before.labels[name], banded(curves))
        ax.set(xscale="log", xlabel="real episodes", ylabel=before.axis, title=before.title)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ax.xaxis.set_minor_locator(NullLocator())
        figure.legend(loc="outside lower center", ncols=3, fontsize=9)  # where no curve can lie under it
        return figure


def _curve(ax: Axes, tone: str, label: str, points: Floats) -> None:
    episodes, mean, low, high = points.T
    ax.plot(episodes, mean, color=tone, lw=1.8, label=label, marker="o", ms=2.5)
    ax.fill_between(episodes, low, high, color=tone, alpha=0.18, lw=0)


def confusion(town: str, tables: Sequence[Floats]) -> Figure:
    """Who was taken for whom after every step: of each true value (row), the share believed to be of each (column)."""
    with rc_context(STYLE):
        figure = canvas(2.4)
        for step, (ax, table) in enumerate(zip(figure.subplots(1, len(tables)), tables, strict=True), 1):
            ax.imshow(table, cmap="GnBu", vmin=0, vmax=1.4)
            for row, column in np.ndindex(*table.shape):
                ax.text(column, row, f"{table[row, column]:.2f}", ha="center", va="center", fontsize=9)
            ax.set(title=f"{step} step{'s' * (step > 1)} seen", xticks=[0, 1], yticks=[0, 1], xlabel="believed")
            ax.grid(visible=False)
        figure.axes[0].set_ylabel("true")
        figure.suptitle(town, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        return figure
