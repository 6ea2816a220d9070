"""Learning curves of a town's methods with bands over seeds, beside the yardsticks that need no learning."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figures import COLOURS, OTHER, canvas, legend
from experiments.saving_curves import Curves
from experiments.statistics import mean_interval
from experiments.town_table import LABELS, TownTable

TONES = {
    "swm_ap": COLOURS["swm_ap"],
    "planned": "#5aa9ad",
    "ppo": COLOURS["ppo"],
    "recurrent": "#d98c7f",
    "mbpo": "#8a5aa3",
    "dreamer": "#c67f17",
}
YARDSTICKS = ("blind", "bayes", "oracle")


def learning_curves(table: TownTable, learned: Mapping[str, Curves]) -> Figure:
    """Levels over real episodes, on a logarithmic axis; bands are 95% intervals of the mean over seeds."""
    figure = canvas(4.2)
    ax = figure.add_subplot()
    for name in YARDSTICKS:
        level = float(table.known(name).mean())
        ax.axhline(level, color=OTHER, lw=0.9, ls=(0, (4, 3)))
        ax.annotate(LABELS[name], (1, level), xycoords=("axes fraction", "data"), va="bottom", ha="right", fontsize=8)
    for name, curves in learned.items():
        _curve(ax, name, curves)
    ax.set(xscale="log", xlabel="real episodes", ylabel=f"visits, summed over {table.steps} steps", title=table.town)
    legend(ax)
    return figure


def _curve(ax: Axes, name: str, curves: Curves) -> None:
    episodes = curves[0]["episodes"].numpy()
    levels = np.stack([curve["welfare"].double().mean(1).numpy() for curve in curves])  # [S, P]
    found = [mean_interval(levels[:, p]) for p in range(levels.shape[1])]
    tone = TONES[name]
    ax.plot(episodes, [f.value for f in found], color=tone, lw=1.8, label=LABELS[name], marker="o", ms=2.5)
    ax.fill_between(episodes, [f.low for f in found], [f.high for f in found], color=tone, alpha=0.18, lw=0)
