"""Grades and natural units, against the numbers of their laws."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from personas.traits import TRAITS, grade, grades, hours_told, midpoint, midpoints, natural, natural_text, whole_hours

shares = st.floats(0, 1, width=32)


@pytest.mark.parametrize(
    ("name", "at_0", "at_half", "at_1"),
    [
        ("elasticity", 0.1, 0.1 * 10**0.5, 1.0),
        ("fairness", 0.0, 0.6, 1.2),
        ("risk_aversion", 0.0, 0.3, 0.6),
        ("loss_aversion", 0.0, 0.15, 0.3),
        ("habit", 0.0, 0.25, 0.5),
        ("preferred_hours", 25.0, 41.5, 58.0),
    ],
)
def test_natural_units_follow_their_laws(name: str, at_0: float, at_half: float, at_1: float):
    assert natural(name, torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([at_0, at_half, at_1])
    assert not TRAITS[name].words_only


def test_traits_of_later_societies_are_words_only():
    assert {"reciprocity", "conformity", "trust"} <= {n for n, t in TRAITS.items() if t.words_only}


def test_grades_are_sevenths():
    values = torch.tensor([0.0, 0.142, 0.143, 0.5, 0.857, 0.858, 1.0])
    assert grades(values).tolist() == [0, 0, 1, 3, 5, 6, 6]
    assert midpoint("habit", values).tolist() == pytest.approx(
        [0.5 / 7, 0.5 / 7, 1.5 / 7, 0.5, 5.5 / 7, 6.5 / 7, 6.5 / 7]
    )


@given(shares)
def test_one_value_is_graded_as_a_tensor_is(u: float):
    assert grade(u) == int(grades(torch.tensor(u)))
    assert hours_told(u) == int(whole_hours(torch.tensor(u)))


@given(st.integers(0, 7), st.sampled_from([-1e-8, 0.0, 1e-8]))
def test_edges_of_grades_are_the_same_for_a_persona_and_its_tensor(k: int, nudge: float):
    u = min(max(k / 7 + nudge, 0.0), 1.0)  # a double that float32 rounds
    assert grade(u) == int(grades(torch.tensor(u)))


@given(shares, shares)
def test_grades_and_hours_never_fall_as_the_value_rises(a: float, b: float):
    low, high = min(a, b), max(a, b)
    assert grade(low) <= grade(high)
    assert hours_told(low) <= hours_told(high)


@given(shares)
def test_a_midpoint_keeps_its_grade_and_is_near(u: float):
    for name in ("elasticity", "preferred_hours"):
        told = midpoint(name, torch.tensor(u))
        assert midpoint(name, told) == told
        assert abs(float(told) - u) <= (0.5 / 33 if name == "preferred_hours" else 0.5 / 7) + 1e-6


def test_hours_are_told_whole():
    assert hours_told((38.4 - 25) / 33) == 38
    assert float(midpoint("preferred_hours", torch.tensor((38.4 - 25) / 33))) == pytest.approx(13 / 33)


def test_midpoints_treat_each_column_by_its_name():
    traits = torch.tensor([[[0.30, 0.30]]])
    told = midpoints(traits, ("habit", "preferred_hours"))
    assert told[0, 0].tolist() == pytest.approx([2.5 / 7, 10 / 33])  # 34.9 hours are told as 35


def test_the_natural_unit_in_words():
    assert natural_text("elasticity", 0.5) == "e = 0.316"
    assert natural_text("preferred_hours", 0.5) == "h = 41.5"
