"""How far apart two kinds of people are: known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.compared_cells import Part
from experiments.distances import distances, energy, rank_agreement, wasserstein

HOURS = np.arange(0.0, 101.0, 5.0)
NAMES = np.array([0.0, 1.0, 1.0, 1.0])


def part(chosen: np.ndarray, welfare: list[float], people: np.ndarray) -> Part:
    return Part({"welfare": {str(i): level for i, level in enumerate(welfare)}}, chosen, people, np.zeros((1, 1)), ())


def law(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(size), 2)


def test_the_same_people_are_nowhere_apart() -> None:
    one = part(law(0, 21), [0.3, 0.1, 0.2], np.arange(9.0))
    assert distances(one, one, HOURS) == pytest.approx(
        {
            "choices, Wasserstein": 0.0,
            "choices, energy": 0.0,
            "people, Wasserstein": 0.0,
            "people, energy": 0.0,
            "rank agreement": 1.0,
        },
        abs=1e-7,
    )


def test_the_reversed_order_of_rules_is_minus_one() -> None:
    a, b = (part(law(0, 21), levels, np.zeros(2)) for levels in ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]))
    assert rank_agreement(a, b) == pytest.approx(-1.0)
    level = part(law(0, 21), [1.0, 1.0], np.zeros(2))
    assert rank_agreement(level, level) == "the rules do equally well"


def test_five_more_hours_for_everybody_are_five_hours() -> None:
    p = np.zeros(21)
    p[3:9] = 1 / 6
    assert wasserstein(p, np.roll(p, 1), HOURS) == pytest.approx(5.0)
    people = np.linspace(20, 50, 30)
    found = distances(part(p[None], [1.0, 2.0], people), part(p[None], [1.0, 2.0], people + 5), HOURS)
    assert found["people, Wasserstein"] == pytest.approx(5.0)


@given(st.integers(0, 1000))
def test_names_are_one_apart(seed: int) -> None:
    """Half of sum |p - q|, and the energy distance by its definition with a distance of 1 between any two."""
    p, q = law(seed, 4)
    apart = 1 - np.eye(4)
    by_definition = 2 * p @ apart @ q - p @ apart @ p - q @ apart @ q
    assert wasserstein(p, q, NAMES) == pytest.approx(np.abs(p - q).sum() / 2)
    assert energy(p, q, NAMES) == pytest.approx(np.sqrt(by_definition))


@given(st.integers(0, 1000))
def test_energy_of_amounts_is_its_definition(seed: int) -> None:
    p, q = law(seed, 21)
    apart = np.abs(HOURS[:, None] - HOURS)
    assert energy(p, q, HOURS) == pytest.approx(np.sqrt(2 * p @ apart @ q - p @ apart @ p - q @ apart @ q), abs=1e-6)


def test_who_gave_no_answer_is_left_out() -> None:
    a, b = (part(law(0, 21), [1.0, 2.0], np.array(x)) for x in ([1.0, 2.0, np.nan], [1.0, 2.0, 2.0]))
    assert distances(a, b, HOURS)["people, Wasserstein"] == pytest.approx(1 / 6)
