"""Equality of a whole population: the society's own measure, and how it changes with one person's answer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.inequality import Incomes, equality_estimates
from experiments.prediction_powered import Floats, design, drawn, even
from societies.welfare import equality

PEOPLE, CHOICES = 12, 5


def incomes(seed: int, people: int = PEOPLE) -> Incomes:
    lots = np.random.default_rng(seed)
    gross = np.exp(lots.normal(size=(people, 1))) * np.arange(CHOICES)
    return Incomes(gross, 0.6 * gross, float(gross[:, -1].mean()))


def chances(seed: int, people: int = PEOPLE) -> Floats:
    return np.random.default_rng(seed).dirichlet(np.ones(CHOICES), people)


@given(st.integers(0, 1000))
def test_where_everybody_is_sure_it_is_the_societys_own_measure(seed: int) -> None:
    of, chosen = incomes(seed), np.random.default_rng(seed).integers(1, CHOICES, PEOPLE)
    found = of.unequal(np.eye(CHOICES)[chosen] / PEOPLE)
    rows = np.arange(PEOPLE)
    gross, kept = of.gross[rows, chosen], of.kept[rows, chosen]
    net = torch.from_numpy(kept + (gross - kept).mean())  # the tax paid back evenly
    assert found.equality == pytest.approx(float(equality(net)), abs=1e-9)
    assert found.productivity == pytest.approx(gross.mean() / of.full)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(0, PEOPLE - 1))
def test_the_influence_is_the_derivative(seed: int, who: int) -> None:
    of, p = incomes(seed), chances(seed)
    q, small = chances(seed + 1)[who], 1e-6
    there = of.unequal(p / PEOPLE)
    moved = p.copy()
    moved[who] += small * (q - p[who])
    after = of.unequal(moved / PEOPLE)
    one = np.array([who])
    new, old = (there.influence(x[None], one) for x in (q, p[who]))
    slope = [(a - b)[0] / PEOPLE for a, b in zip(new, old, strict=True)]
    welfare = [x.equality * x.productivity for x in (after, there)]
    assert slope[0] == pytest.approx((after.equality - there.equality) / small, rel=1e-3, abs=1e-6)
    assert slope[1] == pytest.approx((welfare[0] - welfare[1]) / small, rel=1e-3, abs=1e-6)


@given(st.integers(0, 1000))
def test_the_mean_influence_is_nothing(seed: int) -> None:
    of, p = incomes(seed), chances(seed)
    for influence in of.unequal(p / PEOPLE).influence(p, slice(None)):
        assert influence.mean() == pytest.approx(0.0, abs=1e-9)


@given(st.integers(0, 1000), st.floats(0.01, 1000))
def test_the_currency_does_not_matter(seed: int, rate: float) -> None:
    of, p = incomes(seed), chances(seed)
    there, elsewhere = of.unequal(p / PEOPLE), Incomes(rate * of.gross, rate * of.kept, rate * of.full)
    again = elsewhere.unequal(p / PEOPLE)
    assert (again.equality, again.productivity) == pytest.approx((there.equality, there.productivity))
    assert again.influence(p, slice(None))[1] == pytest.approx(there.influence(p, slice(None))[1], abs=1e-9)


def test_asking_everybody_is_the_truth() -> None:
    of, p = incomes(1), chances(1)
    truth = of.unequal(p / PEOPLE)
    plan = even(PEOPLE, PEOPLE)
    for found, value in zip(
        equality_estimates(p, chances(2), np.arange(PEOPLE), plan, of),
        (truth.equality, truth.equality * truth.productivity),
        strict=True,
    ):
        assert (found.value, found.error) == (pytest.approx(value), 0.0)


def test_intervals_hold_the_truth() -> None:
    people = 1500
    of, p = incomes(3, people), chances(3, people)
    guess = 0.7 * p + 0.3 * chances(4, people)
    truth = of.unequal(p / people)
    plan, lots = design(of.full * np.ones(people) + of.gross[:, -1], 120), np.random.default_rng(5)
    held = np.zeros(2)
    for _ in range(300):
        asked = drawn(plan, lots.random(people))
        found = equality_estimates(p[asked], guess, asked, plan, of)
        for i, value in enumerate((truth.equality, truth.equality * truth.productivity)):
            low, high = found[i].interval()
            held[i] += low <= value <= high
    assert (held / 300 > 0.91).all()
    assert (held / 300 < 0.985).all()


def test_nothing_earned_is_nothing_to_share() -> None:
    nobody = Incomes(np.zeros((3, 2)), np.zeros((3, 2)), 1.0)
    with pytest.raises(ValueError, match="nobody earns anything"):
        nobody.unequal(np.full((3, 2), 1 / 6))
