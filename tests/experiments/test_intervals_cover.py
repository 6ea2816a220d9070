"""The claim about intervals, on made-up people: its trials, and what it takes to pass."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.counterfactual import Forecast, Worth
from experiments.coverage_cells import NEWCOMERS, Cell, _read, _tensors
from experiments.coverage_trials import OURS, PLAIN, RIVALS, WAGE, same_width, truths
from experiments.intervals_cover import Row, Scale, _trials, verdict
from experiments.whom_to_ask import Past

SCALE = Scale(towns=20, calls=(40,), repetitions=60, clusterings=2)


def cell(seed: int = 0) -> Cell:
    """People whose hours the forecast mostly knows."""
    lots, n = np.random.default_rng(seed), 640
    hours, full = np.arange(0.0, 101.0, 10.0), np.exp(lots.normal(10.5, 0.8, n))
    mean = 40 + 6 * lots.normal(size=(n, 1))
    chances = [np.exp(-(((hours - m) / 8) ** 2)) for m in (mean, mean + 2 * lots.normal(size=(n, 1)))]
    truth, guess = (p / p.sum(1, keepdims=True) for p in chances)
    doubt = lots.random(n) + 0.5
    told = Forecast(guess, doubt, (Past(doubt, lots.normal(size=n), np.ones(n, dtype=bool)),))
    gross = full[:, None] * hours / 40
    of = Worth(hours, gross, 0.3 * gross, full, np.repeat(full.reshape(20, 32).mean(1), 32))
    return Cell(truth, told, of, np.stack([np.log(full), mean[:, 0] + 3 * lots.normal(size=n), lots.random(n)], 1))


def test_a_cell_is_read_back_whole() -> None:
    of = cell()
    again = _read(_tensors(of))
    assert truths(again) == truths(of)
    assert (again.told.past[0].missed == of.told.past[0].missed).all()


def test_widths_are_compared_at_the_calls_that_they_take() -> None:
    assert same_width(100, 10**9, 1.0, 2.0) == pytest.approx(1 / 4)
    assert same_width(100, 10**9, 3.0, 3.0) == pytest.approx(1)
    assert same_width(100, 200, 0.0, 1.0) == pytest.approx(1 / 2)  # for no width everybody has to be asked


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    of = cell()
    found = _trials(of, 40, SCALE, 1)
    return [Row(state, "flat_50", 40, 640, truths(of), found) for state in ("after US rates", NEWCOMERS)]


def test_every_method_is_tried(rows: list[Row]) -> None:
    scores = rows[0].scores
    assert set(scores) == {OURS, *RIVALS}
    assert scores[OURS]["hours"]["rmse"] < scores[WAGE]["hours"]["rmse"]
    assert scores[OURS]["hours"]["repetitions"] == 60
    assert 0.8 < scores[OURS]["income"]["covered"] <= 1
    assert rows[0].share("income") < 0.5


def edited(row: Row, method: str, quantity: str, **values: float) -> Row:
    scores = {**row.scores, method: {**row.scores[method], quantity: {**row.scores[method][quantity], **values}}}
    return replace(row, scores=scores)


def perfect(rows: list[Row]) -> list[Row]:
    """As the claim would have it."""
    for quantity in rows[0].truth:
        rows = [edited(row, OURS, quantity, covered=0.95, repetitions=1000) for row in rows]
    for quantity in ("hours", "income"):
        rows = [edited(row, OURS, quantity, width=0.1, rmse=0.1) for row in rows]
        for method in RIVALS:
            rows = [edited(row, method, quantity, width=1.0, rmse=1.0) for row in rows]
    return rows


def test_the_bars_are_kept(rows: list[Row]) -> None:
    good = perfect(rows)
    assert verdict(good, SCALE, smoke=True).passed
    spoiled = [
        [edited(row, OURS, "equality", covered=0.9) for row in good],
        [edited(good[0], OURS, "hours", width=0.9), good[1]],
        [edited(good[0], WAGE, "income", width=0.2), good[1]],
        [edited(good[0], RIVALS[4], "hours", rmse=0.05), good[1]],
        [good[0], edited(good[1], OURS, "income", covered=0.85)],  # newcomers' intervals must hold too
    ]
    for bad in spoiled:
        assert not verdict(bad, SCALE, smoke=True).passed
    wide = [good[0], edited(good[1], OURS, "hours", width=2.0)]  # of theirs no width is claimed
    assert verdict(wide, SCALE, smoke=True).passed
    untaxed = [good[0], edited(good[1], OURS, "tax", covered=1.0, width=0.0)]  # nothing to estimate, so nothing to miss
    assert verdict(untaxed, SCALE, smoke=True).passed
    assert verdict([good[0]], SCALE, smoke=True).figures["cells_astray"] == []
    assert PLAIN in verdict(good, SCALE, smoke=True).figures["errors_over_plain_average"]["hours, 40 calls"]
