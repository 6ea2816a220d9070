"""The report's figures. Each takes plain arrays and gives a matplotlib figure; none keeps state.

One colour per method everywhere. Quoted lines are dashed, imagined ones dotted: what was lived here is solid.
"""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from matplotlib.typing import RcKeyType

from experiments.report_data import Course, Curve, Floats, Gate, Method, Path, Recovery, Response, Schedule

COLOURS = {
    "swm_ap": "#0b6e75",
    "us_federal": "#8b9099",
    "saez": "#c67f17",
    "best_fixed": "#5865b5",
    "ppo": "#b5483c",
    "cma_es": "#8a5aa3",
    "flat": "#6f8f3a",
    "planned": "#5aa9ad",
    "recurrent": "#d98c7f",
    "mbpo": "#8a5aa3",
    "dreamer": "#c67f17",
}
OTHER = "#4a4f57"
INK, FAINT = "#22262b", "#d9dce0"
STYLE: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.grid": True,
    "grid.color": "#eef0f2",
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "solon",
}
WIDE, TALL = 8.6, 3.4  # inches
ZERO = 0.6  # decades that the linear part of a logarithmic axis takes, from zero to its least power of ten


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file; the same figure gives the same bytes."""
    out = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def data_uri(figure: Figure) -> str:
    """The figure as an SVG image that needs no file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure)).decode("ascii")


def colour(name: str) -> str:
    """A method's colour."""
    return COLOURS.get(name, OTHER)


def gains(methods: Sequence[Method], reference: str) -> Figure:
    """Gain over the reference with its interval, one line per method."""
    with rc_context(STYLE):
        figure = canvas(0.9 + 0.36 * len(methods))
        ax = figure.add_subplot()
        for place, m in enumerate(reversed(methods)):
            ax.plot([m.gain.low, m.gain.high], [place, place], color=colour(m.name), lw=2.2, alpha=0.55)
            face = "white" if m.quoted else colour(m.name)
            ax.plot(m.gain.value, place, "o", ms=7, color=colour(m.name), mfc=face)
        ax.axvline(0, color=INK, lw=0.8)
        ax.set_yticks(range(len(methods)), [m.label for m in reversed(methods)])
        ax.set_ylim(-0.6, len(methods) - 0.4)
        ax.set_xlabel(f"welfare gained over {reference}, with 95% interval")
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        return figure


def learning(curves: Sequence[Curve], reference: float | None, label: str) -> Figure:
    """Welfare against real decisions, logarithmic in decisions."""
    with rc_context(STYLE):
        figure = canvas(TALL + 0.25 * (len(curves) // 2))
        ax = figure.add_subplot()
        if reference is not None:
            ax.axhline(reference, color=COLOURS["us_federal"], lw=1.2)
            tone = COLOURS["us_federal"]
            ax.text(0.995, reference, label, color=tone, transform=ax.get_yaxis_transform(), ha="right", va="bottom")
        for curve, style in zip(curves, _line_styles(curves), strict=True):
            text = curve.label + (" (quoted)" if curve.quoted else "")
            ax.plot(curve.decisions, curve.mean, style, marker="o", ms=4, color=colour(curve.name), label=text)
            ax.fill_between(curve.decisions, curve.low, curve.high, color=colour(curve.name), alpha=0.13, lw=0)
        _spending_axis(ax, np.concatenate([curve.decisions for curve in curves]))
        ax.set_ylabel("welfare, held-out communities")
        figure.legend(loc="outside lower left", ncols=2, fontsize=9)
        return figure


def _line_styles(curves: Sequence[Curve]) -> list[str]:
    """Solid for what this run lived, broken for what is quoted; lines of one colour are told apart."""
    seen: Counter[str] = Counter()
    styles: list[str] = []
    for curve in curves:
        if curve.quoted:
            seen[curve.name] += 1
        styles.append(("-", "--", ":", "-.")[min(3, seen[curve.name]) if curve.quoted else 0])
    return styles


def _spending_axis(ax: Axes, spent: Floats) -> None:
    """Logarithmic from the power of ten below the least spending, and linear from there to zero: some start there."""
    least, most = np.log10([spent[spent > 0].min(), spent.max()]) if (spent > 0).any() else (0.0, 0.0)
    powers = 10.0 ** np.arange(np.floor(least), np.ceil(most) + 1)
    ax.set_xscale("symlog", linthresh=powers[0], linscale=ZERO)
    room = 0.12 * (ZERO + most - np.log10(powers[0]))  # decades that a label takes
    ticks = [0.0, *powers[np.log10(powers) <= most - room], *([spent.max()] if spent.max() > 0 else [])]
    ax.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(0, spent.max() * 1.3 + 1)
    scale = f"; logarithmic scale, linear below {powers[0]:,.0f}" if spent.max() > powers[0] else ""
    ax.set_xlabel(f"real decisions spent on learning{scale}")


def schedules(brackets: Floats, drawn: Sequence[Schedule]) -> Figure:
    """Marginal rates over income, as steps; the band of the first is where its rates lie in 8 of 10 cases."""
    edges = np.append(brackets, brackets[-1] * 1.6) / 1000  # thousand dollars
    edges[0] = edges[1] / 3  # a logarithmic axis has no zero
    with rc_context(STYLE):
        figure = canvas()
        ax = figure.add_subplot()
        for order, s in enumerate(drawn):
            if order == 0:
                _band(ax, edges, s.low, s.high, colour(s.name))
            width = 2.6 if order == 0 else 1.6
            ax.stairs(s.rates, edges, baseline=None, color=colour(s.name), lw=width, label=s.label)
        _money_axis(ax, edges)
        ax.set_ylim(0, 1)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_ylabel("marginal tax rate")
        ax.set_xlabel("yearly income before tax, thousand dollars; ticks where a bracket begins")
        legend(ax)
        return figure


def rates_by_year(brackets: Floats, schedule: Schedule) -> Figure:
    """The learned rate of each bracket, year by year."""
    tones = colormaps["viridis"](np.linspace(0.9, 0.0, len(brackets)))
    with rc_context(STYLE):
        figure = canvas()
        ax = figure.add_subplot()
        years = np.arange(1, len(schedule.by_year) + 1)
        for j in range(len(brackets)):
            told = _bracket(brackets, j)
            ax.plot(years, schedule.by_year[:, j], marker="o", ms=3.5, color=tuple(tones[j]), label=told)
        ax.set_ylim(0, 1)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_xticks(years)
        ax.set_xlabel("counted year")
        ax.set_ylabel("marginal tax rate, mean")
        figure.legend(loc="outside right center", title="income, $ a year", fontsize=9, title_fontsize=9)
        return figure


def responses(drawn: Sequence[Response]) -> Figure:
    """Hours, and income, against what is kept of the next dollar."""
    with rc_context(STYLE):
        figure = canvas()
        left, right = figure.subplots(1, 2)
        for r in drawn:
            style = {"color": COLOURS["swm_ap"] if r.real else COLOURS["saez"], "ls": "-" if r.real else ":"}
            left.plot(r.kept, r.hours, marker="o", ms=4, label=r.label, **style)
            left.fill_between(r.kept, r.hours_low, r.hours_high, color=style["color"], alpha=0.13, lw=0)
            right.plot(r.kept, r.income, marker="o", ms=4, label=r.label, **style)
        left.set_ylabel("hours a week, mean")
        left.set_title("Labour")
        right.set_ylabel("income ÷ income at full time")
        right.set_title("Income before tax")
        for ax in (left, right):
            ax.xaxis.set_major_formatter(PercentFormatter(1.0))
            ax.set_xlabel("kept of the next dollar")
        legend(left)
        return figure


def dream_and_life(paths: Sequence[Path], gates: Sequence[Gate], period: str) -> Figure:
    """Welfare by period, imagined and real; and the gains that the real checks compared, if there were any."""
    with rc_context(STYLE):
        figure = canvas()
        left, *right = figure.subplots(1, 1 + bool(gates), width_ratios=[1.6, 1][: 1 + bool(gates)], squeeze=False)[0]
        for p in paths:
            style = {"color": COLOURS["swm_ap"] if p.real else COLOURS["saez"], "ls": "-" if p.real else ":"}
            years = np.arange(1, len(p.mean) + 1)
            left.plot(years, p.mean, marker="o", ms=4, label=p.label, **style)
            left.fill_between(years, p.low, p.high, color=style["color"], alpha=0.13, lw=0)
            left.set_xticks(years)
        left.set_xlabel(f"counted {period}")
        left.set_ylabel("welfare")
        left.set_title("Level, learned policy")
        legend(left)
        for ax in right:
            _gates(ax, gates)
        return figure


def _gates(ax: Axes, gates: Sequence[Gate]) -> None:
    values = [v for g in gates for v in (g.dreamt, g.real)] + [0.0]
    margin = 0.1 * (max(values) - min(values) or 0.01)
    ends = [min(values) - margin, max(values) + margin]
    ax.plot(ends, ends, color=FAINT, lw=1.2)
    ax.plot([g.dreamt for g in gates], [g.real for g in gates], "o", ms=7, color=COLOURS["swm_ap"])
    for g in gates:
        ax.annotate(f"{g.decisions:,}", (g.dreamt, g.real), (6, -3), textcoords="offset points", fontsize=8)
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    ax.set_xlabel("gain over its own average rules,\nimagined")
    ax.set_ylabel("the same, real")
    ax.set_title("Real checks")


def courses(drawn: Sequence[Course]) -> Figure:
    """How each part of the learning went, side by side, in rows of four at most."""
    rows = -(-len(drawn) // 4)
    columns = -(-len(drawn) // rows)
    with rc_context(STYLE):
        figure = canvas(0.8 * TALL * rows)
        panels = figure.subplots(rows, columns, squeeze=False).flatten()
        for ax, course in zip(panels, drawn, strict=False):
            tone = COLOURS["saez"] if course.value == "loss" else COLOURS["swm_ap"]
            ax.plot(course.steps, course.values, color=tone, lw=1.2)
            ax.set_title(fill(course.label, int(9 * (WIDE / columns - 0.7))))  # nine bold letters to an inch
            ax.set_xlabel("step")
            ax.set_ylabel(course.value)
        for ax in panels[len(drawn) :]:
            ax.remove()
        return figure


def recovery(found: Recovery, period: str) -> Figure:
    """R² of declared traits from the belief, by period; solid where the best policy depends on the trait."""
    tones = ["#0b6e75", "#c67f17", "#5865b5", "#b5483c", "#6f8f3a", "#8a5aa3", "#8b9099"]
    with rc_context(STYLE):
        figure = canvas()
        ax = figure.add_subplot()
        years = np.arange(1, found.r2.shape[1] + 1)
        for i, name in enumerate(found.traits):
            style = "-" if found.matters[i] else ":"
            ax.plot(
                years, found.r2[i], style, marker="o", ms=4, color=tones[i % len(tones)], label=name.replace("_", " ")
            )
        ax.axhline(0, color=INK, lw=0.8)
        ax.set_ylim(min(-0.05, float(found.r2.min()) - 0.03), 1)
        ax.set_xticks(years)
        ax.set_xlabel(f"counted {period}s seen")
        ax.set_ylabel("R², held-out communities")
        figure.legend(loc="outside right center", fontsize=9)
        return figure


def canvas(height: float = TALL) -> Figure:
    """All figures are of one width, so that the words in them are of one size."""
    return Figure((WIDE, height), layout="constrained")


def _band(ax: Axes, edges: Floats, low: Floats, high: Floats, tone: str) -> None:
    x = np.repeat(edges, 2)[1:-1]
    ax.fill_between(x, np.repeat(low, 2), np.repeat(high, 2), color=tone, alpha=0.13, lw=0)


def _money_axis(ax: Axes, edges: Floats) -> None:
    ax.set_xscale("log")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xticks(edges[:-1], ["0", *(f"{edge:,.0f}" for edge in edges[1:-1])])
    ax.minorticks_off()


def _bracket(brackets: Floats, j: int) -> str:
    if j == len(brackets) - 1:
        return f"above {brackets[j] / 1000:,.0f}k"
    return f"{brackets[j] / 1000:,.0f}k to {brackets[j + 1] / 1000:,.0f}k"


def legend(ax: Axes) -> None:
    """What the lines mean, where there are any."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=9)
