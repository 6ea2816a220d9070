"""Predicted shifts of edits beside actual ones, as a picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.edit_trials import Pair
from experiments.figures import FAINT, STYLE, canvas

TONES = ("#0b6e75", "#c67f17", "#5865b5", "#b5483c", "#6f8f3a", "#8a5aa3", "#8b9099")
NEAR = 75  # percentile of the sizes of the shifts, up to which the second panel goes


def shifts(pairs: Sequence[Pair]) -> Figure:
    """All edits, and those of small shifts larger; bars are 1.96 standard errors, by the ensemble and the link."""
    sizes = np.abs([[p.predicted, p.actual] for p in pairs]).max(1)
    far, near = float(sizes.max()) * 1.08, float(np.percentile(sizes, NEAR))
    with rc_context(STYLE):
        figure = canvas(4.6)
        left, right = figure.subplots(1, 2)
        _panel(left, pairs, far, "All edits")
        few = [p for p, size in zip(pairs, sizes, strict=True) if size <= near]
        _panel(right, few, near * 1.08, f"The {len(few)} smallest of them")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=9, markerscale=1.3)
        return figure


def _panel(ax: Axes, pairs: Sequence[Pair], end: float, title: str) -> None:
    ax.plot([-end, end], [-end, end], color=FAINT, lw=1.2)
    ax.axhline(0, color=FAINT, lw=0.8)
    ax.axvline(0, color=FAINT, lw=0.8)
    for tone, trait in zip(TONES, sorted({p.trait for p in pairs}), strict=False):
        own = [p for p in pairs if p.trait == trait]
        x, y = np.array([[p.predicted, p.actual] for p in own]).T
        error = 1.96 * np.hypot([p.ensemble for p in own], [p.link for p in own])
        ax.errorbar(x, y, xerr=error, fmt="none", ecolor=tone, alpha=0.25, lw=0.9)
        ax.plot(x, y, "o", ms=3.6, color=tone, label=trait.replace("_", " "))
    ax.set(xlim=(-end, end), ylim=(-end, end), title=title)
    ax.set_xlabel("predicted shift of mean hours a week")
    ax.set_ylabel("actual shift")
    ax.set_aspect("equal")
