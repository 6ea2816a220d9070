"""Means from forecasts of everyone and the answers of a few: laws, and every possible sample of small populations."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from experiments.prediction_powered import FLOOR, Design, Estimate, Floats, Ints, design, drawn, even, mean_estimate

SMALL = Design(np.array([0, 1, 1, 1, 2, 2, 2, 2]), np.array([1, 3, 4]), np.array([1, 2, 2]))  # one for sure
THREE = Design(np.array([0, 0, 0, 0, 0]), np.array([5]), np.array([3]))
PLANS = [SMALL, THREE, even(5, 4)]

numbers = st.floats(-100, 100, allow_subnormal=False).map(lambda x: round(x, 3))


def every_sample(plan: Design) -> Iterator[Ints]:
    """All that may be drawn, in every order: each is as likely as any other."""
    strata = [np.flatnonzero(plan.stratum == h) for h in range(len(plan.size))]
    ways = [
        [order for who in combinations(members, int(n)) for order in permutations(who)]
        for members, n in zip(strata, plan.take, strict=True)
    ]
    for parts in product(*ways):
        yield np.array([i for part in parts for i in part])


def every_estimate(y: Floats, f: Floats, plan: Design, tuning: float | None) -> list[Estimate]:
    return [mean_estimate(y[asked], f, asked, plan, tuning) for asked in every_sample(plan)]


def people(plan: Design) -> st.SearchStrategy[tuple[Floats, Floats]]:
    one = arrays(np.float64, plan.people, elements=numbers)
    return st.tuples(one, one)


@pytest.mark.parametrize("plan", PLANS, ids=["strata", "three of five", "even"])
@pytest.mark.parametrize("tuning", [None, 0.0, 0.6, 1.0])
@settings(max_examples=25)
@given(data=st.data())
def test_the_estimate_is_unbiased_over_all_samples(plan: Design, tuning: float | None, data: st.DataObject) -> None:
    y, f = data.draw(people(plan))
    found = every_estimate(y, f, plan, tuning)
    assert np.mean([e.value for e in found]) == pytest.approx(y.mean(), abs=1e-9)


@pytest.mark.parametrize("plan", PLANS, ids=["strata", "three of five", "even"])
@pytest.mark.parametrize("tuning", [0.0, 0.6, 1.0])
@settings(max_examples=25)
@given(data=st.data())
def test_the_variance_is_that_over_all_samples(plan: Design, tuning: float, data: st.DataObject) -> None:
    y, f = data.draw(people(plan))
    found = every_estimate(y, f, plan, tuning)
    expected = np.mean([e.error**2 for e in found])
    assert expected == pytest.approx(np.var([e.value for e in found]), rel=1e-9, abs=1e-9)


def test_everybody_of_a_stratum_is_as_likely_to_be_drawn() -> None:
    seen = np.zeros(SMALL.people)
    rounds = 4000
    for lots in np.random.default_rng(0).random((rounds, SMALL.people)):
        seen[drawn(SMALL, lots)] += 1
    assert seen / rounds == pytest.approx(SMALL.chances, abs=0.03)


def test_it_is_the_textbook_where_everybody_has_the_same_chance() -> None:
    y = np.array([3.0, 5.0, 4.0, 8.0])
    asked = np.array([0, 2, 5, 6])
    found = mean_estimate(y, np.zeros(10), asked, even(10, 4), 0.0)
    assert found.value == 5.0
    assert found.error == pytest.approx(np.sqrt((1 - 0.4) * y.var(ddof=1) / 4))
    assert found.freedom == pytest.approx(3)
    assert found.interval()[1] - 5.0 == pytest.approx(3.182446 * found.error)  # Student's table, 3 degrees


@settings(max_examples=25)
@given(people(SMALL))
def test_without_the_forecast_it_is_the_weighted_answers(pair: tuple[Floats, Floats]) -> None:
    y, f = pair
    for asked in every_sample(SMALL):
        plain = mean_estimate(y[asked], f, asked, SMALL, 0.0).value
        assert plain == pytest.approx((y[asked] / SMALL.chances[asked]).sum() / SMALL.people, abs=1e-9)


@given(arrays(np.float64, 60, elements=numbers), st.integers(0, 1000))
def test_a_perfect_forecast_leaves_nothing_to_chance(y: Floats, seed: int) -> None:
    plan = design(np.random.default_rng(seed).random(60), 12)
    asked = drawn(plan, np.random.default_rng(seed).random(60))
    found = mean_estimate(y[asked], y, asked, plan)
    assert found.value == pytest.approx(y.mean(), abs=1e-6)
    assert found.error == pytest.approx(0.0, abs=1e-6)


@given(people(SMALL), st.floats(0.1, 10), numbers)
def test_units_do_not_matter(pair: tuple[Floats, Floats], scale: float, shift: float) -> None:
    y, f = pair
    asked = next(every_sample(SMALL))
    before = mean_estimate(y[asked], f, asked, SMALL, 0.7)
    after = mean_estimate(scale * y[asked] + 0.7 * shift, scale * f + shift, asked, SMALL, 0.7)
    assert after.value == pytest.approx(scale * before.value + 0.7 * shift, abs=1e-6)
    assert after.error == pytest.approx(scale * before.error, abs=1e-6)


@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-50, 50))
def test_units_do_not_matter_to_the_tuning(seed: int, scale: float, shift: float) -> None:
    lots = np.random.default_rng(seed)
    plan, f = design(lots.random(50), 16), lots.normal(size=50)
    y, asked = 0.8 * f + 0.3 * lots.normal(size=50), drawn(plan, lots.random(50))
    before, after = (mean_estimate(a * y[asked] + b, a * f + b, asked, plan) for a, b in ((1, 0), (scale, shift)))
    assert after.tuning == pytest.approx(before.tuning, abs=1e-6)
    assert after.error == pytest.approx(scale * before.error, rel=1e-6)


@given(st.integers(0, 1000))
def test_the_order_of_people_does_not_matter(seed: int) -> None:
    lots = np.random.default_rng(seed)
    doubt, y, f, u = (lots.random(40) for _ in range(4))
    turned = lots.permutation(40)
    found: list[Estimate] = []
    for order in (np.arange(40), turned):
        plan = design(doubt[order], 11)
        asked = drawn(plan, u[order])
        found.append(mean_estimate(y[order][asked], f[order], asked, plan))
    assert found[0].value == pytest.approx(found[1].value)
    assert found[0].error == pytest.approx(found[1].error)


@given(arrays(np.float64, 80, elements=st.floats(0, 1e6, allow_subnormal=False)), st.integers(4, 90))
def test_a_design_asks_exactly_as_many_as_it_may(doubt: Floats, calls: int) -> None:
    plan = design(doubt, calls)
    assert plan.calls == min(calls, 80)
    assert (plan.size == np.bincount(plan.stratum)).all()
    assert ((plan.take >= 2) | (plan.take == plan.size)).all()
    lots = np.random.default_rng(calls).random(80)
    asked = drawn(plan, lots)
    assert len(set(asked)) == plan.calls
    assert (np.diff(plan.stratum[asked]) >= 0).all()


@given(st.integers(0, 1000))
def test_chances_follow_the_doubt(seed: int) -> None:
    doubt = np.exp(np.random.default_rng(seed).normal(size=400))
    plan = design(doubt, 60)
    floored = np.maximum(doubt, FLOOR * doubt.mean())
    open_ = plan.chances < 1
    ratio = (plan.chances / floored)[open_]
    assert ratio.max() / ratio.min() < 4  # strata are steps
    assert np.corrcoef(plan.chances[open_], floored[open_])[0, 1] > 0.9


def test_a_useless_forecast_is_left_out() -> None:
    lots = np.random.default_rng(3)
    y, f = lots.normal(size=2000), 20 * lots.normal(size=2000)
    plan = design(np.ones(2000), 400)
    asked = drawn(plan, lots.random(2000))
    tuned, plain = (mean_estimate(y[asked], f, asked, plan, tuning) for tuning in (None, 0.0))
    assert tuned.tuning < 0.02
    assert tuned.error < 1.05 * plain.error


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    lots = np.random.default_rng(4)
    size = np.exp(lots.normal(size=3000))
    f = 10 * size
    y = f + size * lots.normal(1.0, 1.0, 3000)
    plan = design(size, 60)
    inside = 0
    for _ in range(2000):
        asked = drawn(plan, lots.random(3000))
        low, high = mean_estimate(y[asked], f, asked, plan).interval()
        inside += low <= y.mean() <= high
    assert 0.935 < inside / 2000 < 0.965


def test_what_cannot_be_is_refused() -> None:
    plan = design(np.ones(10), 4)
    asked = drawn(plan, np.linspace(0, 1, 10))
    for doubt, calls, why in (
        ([1.0, -1.0] * 5, 4, "negative"),
        ([1.0, np.nan] * 5, 4, "not finite"),
        ([1.0] * 10, 3, "too few"),
    ):
        with pytest.raises(ValueError, match=why):
            design(doubt, calls)
    with pytest.raises(ValueError, match="do not fit"):
        mean_estimate(np.ones(3), np.ones(10), asked[:3], plan)
    with pytest.raises(ValueError, match="said: 1 of 4 numbers are not finite"):
        mean_estimate(np.array([1.0, np.nan, 1.0, 1.0]), np.ones(10), asked, plan)
    with pytest.raises(ValueError, match="one number a person"):
        mean_estimate(np.ones((4, 1)), np.ones(10), asked, plan)
    with pytest.raises(ValueError, match="too few"):
        even(10, 1)
    assert mean_estimate(np.ones(10), np.zeros(10), np.arange(10), even(10, 99)).error == 0
    assert replace(plan).calls == 4
