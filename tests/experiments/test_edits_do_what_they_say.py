"""The claim about edits, on made-up shifts: what counts, and what it takes to pass."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from experiments.edit_figures import shifts
from experiments.edit_trials import Pair
from experiments.edits_do_what_they_say import FELT, SMOKE, summary, verdict
from experiments.errors import ROOT
from experiments.figures import svg
from experiments.files import read_json
from experiments.persona_link import LINEAR, Fitted, Link, Reach, Score
from experiments.statistics import correlation_interval

NAMES = ("elasticity", "habit", "preferred_hours")
SCORE = Score(LINEAR.name, 0.02, 0.025, 0.02, (0.9, 0.1))
LINK = Fitted(NAMES, True, Link(LINEAR, 4, 2, 0), (), LINEAR, (SCORE,), (), Reach(NAMES, (0.0,) * 3, (1.0,) * 3))


def made(count: int = 200, off: float = 0.1, seed: int = 0) -> list[Pair]:
    """Shifts that are predicted well, but for noise."""
    lots = np.random.default_rng(seed)
    actual = lots.choice([-1, 1], count) * (1 + lots.exponential(2.0, count))
    told = actual + off * lots.normal(size=count)
    return [
        Pair("ann", NAMES[i % 3], 0.2, 0.7, ("us_federal", "no_tax")[i % 2], float(x), off, 0.0, float(y))
        for i, (x, y) in enumerate(zip(told, actual, strict=True))
    ]


def pair(predicted: float, actual: float) -> Pair:
    return Pair("ann", "habit", 0.2, 0.7, "no_tax", predicted, 0.3, 0.4, actual)


def test_signs_agree_or_they_do_not() -> None:
    agreeing = (pair(1.0, 0.001), pair(-2.0, -3.0), pair(0.0, 0.0))
    assert all(p.agrees for p in agreeing)
    assert not any(p.agrees for p in (pair(1.0, -0.001), pair(-1.0, 2.0), pair(0.0, 0.5), pair(0.5, 0.0)))


def test_an_interval_holds_both_errors() -> None:
    assert pair(1.0, 1.97).held  # 1.96 x 0.5
    assert not pair(1.0, 1.99).held


def test_what_is_summed_up_is_what_is_there() -> None:
    found = summary([pair(1.0, 2.0), pair(-1.0, -2.0), pair(2.0, 4.0), pair(1.0, -1.0)])
    assert (found["edits"], found["sign_agreement"]) == (4, 0.75)
    assert found["slope"] == pytest.approx((2 + 2 + 8 - 1) / 7)
    assert found["mean_error"] == pytest.approx((1 + 1 + 2 + 2) / 4)
    assert found["mean_shift"] == pytest.approx(9 / 4)
    assert summary([]) == {"edits": 0}
    assert summary([pair(1.0, 2.0)])["correlation"] is None


def test_the_bars_are_kept() -> None:
    good = made()
    assert verdict(good, LINK, SMOKE, smoke=True).passed
    wrong = [replace(p, predicted=-p.predicted) if i < 21 else p for i, p in enumerate(good)]
    assert not verdict(wrong, LINK, SMOKE, smoke=True).passed  # 89.5% agree
    wrong[0] = good[0]
    small = [replace(p, predicted=0.01 * p.predicted) if i < 20 else p for i, p in enumerate(wrong)]
    assert verdict(small, LINK, SMOKE, smoke=True).passed  # 90% do: every edit counts, however small its shift
    blind = [replace(p, predicted=float(np.sign(p.actual)) * (1 if i % 9 else 60)) for i, p in enumerate(good)]
    assert not verdict(blind, LINK, SMOKE, smoke=True).passed  # all signs agree, and it still tells little


def test_every_trait_and_every_rule_has_its_figures() -> None:
    figures = verdict(made(), LINK, SMOKE, smoke=True).figures
    assert sum(part["edits"] for part in figures["by_trait"].values()) == 200
    assert figures["by_rules"]["no_tax"]["edits"] == 100
    assert figures["without preferred_hours"]["edits"] == 134
    assert figures["link"]["held_out"][0]["hours_error"] == pytest.approx(1.0)


def test_the_figure_shows_every_edit() -> None:
    drawn = shifts(made(40))
    points = [len(line.get_xdata()) for line in drawn.axes[0].get_lines() if line.get_marker() == "o"]
    assert sum(points) == 40
    assert ElementTree.fromstring(svg(drawn)).tag.endswith("svg")


def test_correlations_are_pearsons_and_their_intervals_widen_with_noise() -> None:
    lots = np.random.default_rng(0)
    x, noise = lots.normal(size=80), lots.normal(size=80)
    found = correlation_interval(x, x + noise)
    assert found.value == pytest.approx(np.corrcoef(x, x + noise)[0, 1])
    assert found.low < found.value < found.high <= 1
    assert correlation_interval(x, -2 * x).low == pytest.approx(-1)
    for bad in ((x, x[:-1]), (x, np.ones(80))):
        with pytest.raises(ValueError, match=r"match one to one|do not vary"):
            correlation_interval(*bad)


def test_the_pages_figures_are_the_results() -> None:
    found = read_json(ROOT / "results" / "edits_do_what_they_say.json")["figures"]
    page, readme = ((ROOT / file).read_text(encoding="utf-8") for file in ("docs/personas.md", "README.md"))
    every, milder = found["all"], found["without preferred_hours"]
    low, high = every["sign_agreement_interval"]
    sign = f"{every['sign_agreement']:.1%}"
    assert f"in {sign} of them (95% interval {low:.1%} to {high:.1%}" in page
    assert f"{sign} move mean hours the way that was predicted" in readme.replace("\n", " ")
    value, *ends = every["correlation"]
    assert f"correlate at {_short(value)} ({_short(ends[0])} to {_short(ends[1])})" in page
    assert f"it is {milder['sign_agreement']:.1%} and {_short(milder['correlation'][0])}" in readme
    for name, of in found["by_trait"].items():
        told = [_short(x, 2) for x in (of["correlation"][0], of["mean_shift"], of["mean_error"])]
        cells = [name, str(of["edits"]), f"{of['sign_agreement']:.0%}", *told, f"{of['within_two_errors']:.0%}"]
        assert f"| {' | '.join(cells)} |" in page, cells
    felt = found[f"of {FELT} h/week or more"]["sign_agreement"]
    assert f"a tenth of an hour or more, in {felt:.1%}" in page
    for told in (f"{every['within_two_errors']:.0%} of", f"missed by {_miss(found, 'quadratic and a net')} hours"):
        assert told in page
    assert f"by {_miss(found, 'least squares on the inferred traits')} by regression" in page
    assert f"by {_miss(found, 'their own decisions')} by those traits themselves" in page


def _short(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".removeprefix("0")


def _miss(found: dict[str, Any], name: str) -> str:
    (score,) = [score for score in found["link"]["held_out"] if score["name"] == name]
    return _short(score["hours_error"], 2)
