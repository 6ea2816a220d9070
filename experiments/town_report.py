"""The figures of a town's report, and what they say."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from experiments.figures import COLOURS, STYLE, canvas, legend
from experiments.report_data import Outings, Places


def map_of(drawn: Sequence[Places]) -> Figure:
    """Every method's map, side by side: how often a facility stands in each cell in the end."""
    most = max(float(place.share.max()) for place in drawn)
    with rc_context(STYLE):
        figure = canvas(2.7)
        tones = ScalarMappable(Normalize(0, max(most, 1e-9)), "GnBu")
        for ax, place in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
            ax.imshow(place.share, cmap=tones.cmap, norm=tones.norm)
            ax.set(title=fill(place.label, 72 // len(drawn)), xticks=[], yticks=[])
            ax.grid(visible=False)
        figure.colorbar(tones, ax=figure.axes, shrink=0.7, format=PercentFormatter(1, 0))
        return figure


def outings(drawn: Sequence[Outings]) -> Figure:
    """How often an open place is gone to, by distance; lived and imagined."""
    with rc_context(STYLE):
        figure = canvas()
        ax = figure.add_subplot()
        for own in drawn:
            tone = COLOURS["swm_ap"] if own.real else COLOURS["saez"]
            ax.plot(own.blocks, own.share, "-" if own.real else ":", marker="o", ms=4, color=tone, label=own.label)
            ax.fill_between(own.blocks, own.low, own.high, color=tone, alpha=0.13, lw=0)
        ax.set_xlabel("blocks from home")
        ax.set_ylabel("share that goes there")
        ax.set_ylim(0, None)
        legend(ax)
        return figure


def on_map(drawn: Sequence[Places]) -> str:
    """Where the first method builds most, and how even it is."""
    ours = drawn[0]
    row, column = np.unravel_index(int(ours.share.argmax()), ours.share.shape)
    most = f"row {row + 1}, column {column + 1} ({ours.share.max():.0%})"
    return (
        "Share of held-out communities in which a facility stands in a cell after the last step. "
        f"{ours.label} builds most often in {most}; homes differ between communities, and so do its places."
    )


def on_outings(drawn: Sequence[Outings]) -> str:
    """How the draw of a place falls with distance, and whether the model saw it."""
    real, dreamt = drawn
    if len(real.blocks) == 0:
        return ""
    text = (
        f"Of the open places {real.blocks[0]:.0f} blocks away people go to {real.share[0]:.0%}, of those "
        f"{real.blocks[-1]:.0f} blocks away to {real.share[-1]:.0%}."
    )
    both = np.intersect1d(real.blocks, dreamt.blocks)
    if len(both):
        gap = np.abs(real.share[np.isin(real.blocks, both)] - dreamt.share[np.isin(dreamt.blocks, both)]).mean()
        text += f" The world model, fitted to these episodes, is off by {100 * gap:.1f} points on average."
    return text
