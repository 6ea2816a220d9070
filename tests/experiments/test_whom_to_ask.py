"""Whom to ask: what disagreement is worth, and several quantities at once."""

import numpy as np
import pytest

from experiments.whom_to_ask import Past, expected_error, together


def past(doubt: np.ndarray, missed: np.ndarray) -> Past:
    return Past(doubt, missed, np.ones(len(doubt), dtype=bool))


def test_the_past_says_what_disagreement_is_worth() -> None:
    doubt = np.random.default_rng(0).random(500)
    before = past(np.random.default_rng(1).random(500), np.zeros(500))
    last = past(before.doubt, np.sqrt(0.5 + 3 * before.doubt**2))
    assert expected_error(doubt, [last]) == pytest.approx(np.sqrt(0.5 + 3 * doubt**2))


def test_who_was_missed_is_missed_again() -> None:
    lots = np.random.default_rng(2)
    first = past(np.zeros(500), lots.normal(size=500))
    last = past(np.zeros(500), 0.8 * first.missed)
    assert expected_error(np.zeros(500), [last, first]) == pytest.approx(0.8 * np.abs(last.missed), abs=1e-6)


def test_unusable_answers_teach_nothing() -> None:
    doubt, known = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, True, False])
    last = Past(doubt, np.array([2.0, 4.0, 6.0, 0.0]), known)
    assert expected_error(doubt, [last]) == pytest.approx(2 * doubt)
    nothing = Past(doubt, doubt, np.zeros(4, dtype=bool))
    assert (expected_error(doubt, [nothing]) == doubt).all()
    assert (expected_error(doubt, []) == doubt).all()


def test_several_quantities_share_the_calls() -> None:
    hours, income = np.array([1.0, 1.0, 1.0, 1.0]), np.array([0.0, 0.0, 0.0, 4.0])
    assert together([hours, income], (1.0, 1.0)) == pytest.approx(np.sqrt([1, 1, 1, 17]))
    assert together([1000 * hours, income], (1.0, 1.0)) == pytest.approx(np.sqrt([1, 1, 1, 17]))
    assert together([hours, 0 * income], (1.0, 2.0)) == pytest.approx(hours)
    assert together([0 * hours], (1.0,)) == pytest.approx(hours)
