"""Fairness of one facility: the axioms against their wording, and what implies what."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from societies.fairness import AXIOMS


def hold(positions: list[float], place: float) -> set[str]:
    x, y = torch.tensor([positions], dtype=torch.float64), torch.tensor([place], dtype=torch.float64)
    return {name for name, axiom in AXIOMS.items() if bool(axiom(x, y))}


@pytest.mark.parametrize(
    ("positions", "place", "expected"),
    [
        ([0, 0, 1], 1 / 3, {"IFS", "UFS", "PF", "proportionality", "unanimity"}),
        ([0, 0, 1], 0, {"unanimity"}),  # the one at 1 is left out
        ([0, 0, 1], 0.5, {"IFS", "unanimity"}),  # two people may claim a place within 1/3
        ([0.4, 0.4], 0.4, {"IFS", "UFS", "PF", "proportionality", "unanimity"}),
        ([0.4, 0.4], 0.5, {"IFS", "proportionality"}),
        ([0, 0.1, 0.1, 0.9], 0.7, {"IFS", "proportionality", "unanimity"}),
        ([0, 0.05, 0.1, 0.9], 0.7, {"IFS", "UFS", "proportionality", "unanimity"}),  # near, but not at one spot
    ],
)
def test_known_cases(positions: list[float], place: float, expected: set[str]):
    assert hold(positions, place) == expected


marks = st.integers(0, 12).map(lambda mark: mark / 12)


def in_its_words(positions: list[float], place: float, same_spot: bool) -> bool:
    """Every group of people at all, one by one."""
    n = len(positions)
    for size in range(1, n + 1):
        for group in combinations(positions, size):
            span = max(group) - min(group)
            if (span == 0 or not same_spot) and any(abs(x - place) > 1 - size / n + span + 1e-6 for x in group):
                return False
    return True


@given(st.lists(marks, min_size=1, max_size=6), marks)
def test_groups_are_all_that_could_be_formed(positions: list[float], place: float):
    found = hold(positions, place)
    assert ("PF" in found) == in_its_words(positions, place, same_spot=False)
    assert ("UFS" in found) == in_its_words(positions, place, same_spot=True)


@given(st.lists(marks, min_size=1, max_size=6), marks)
def test_the_stronger_axioms_imply_the_weaker(positions: list[float], place: float):
    found = hold(positions, place)
    assert "PF" not in found or "UFS" in found
    assert "UFS" not in found or found >= {"IFS", "proportionality", "unanimity"}


def test_profiles_are_judged_one_by_one():
    positions, places = torch.tensor([[0.0, 0, 1], [0, 0, 1]]), torch.tensor([1 / 3, 0.0])
    assert AXIOMS["UFS"](positions, places).tolist() == [True, False]


@pytest.mark.parametrize("axiom", sorted(AXIOMS))
def test_places_of_another_shape_and_off_the_line_are_refused(axiom: str):
    positions = torch.tensor([[0.0, 0.0], [0.4, 0.8]])
    for place in (torch.tensor([[0.1], [0.2]]), torch.tensor([0.1])):
        with pytest.raises(ValueError, match="one facility for each profile"):
            AXIOMS[axiom](positions, place)
    with pytest.raises(ValueError, match="place 7; it must lie between 0 and 1"):
        AXIOMS[axiom](positions, torch.tensor([0.1, 7.0]))
    with pytest.raises(ValueError, match="position nan"):
        AXIOMS[axiom](torch.tensor([[0.1, torch.nan]]), torch.tensor([0.1]))
