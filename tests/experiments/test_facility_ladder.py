"""The ladders of the facility towns: what a claim's run says follows from what was found."""

import pytest
import torch
from torch import Tensor

from experiments import facility_ladder, headroom_facility8
from experiments.facility_ladder import LABELS, ORDER, best_fixed, climb, ladder
from experiments.headroom_facility8 import REFERENCE, claim


def test_a_small_climb_has_every_rung_on_the_same_communities():
    found = climb(ladder("facility8", 8, 2))
    assert set(found) == set(LABELS)
    assert {returns.shape for returns in found.values()} == {(8,)}
    assert bool((torch.stack(list(found.values())) <= 5).all())


def test_the_best_fixed_cells_are_as_many_as_steps_and_no_better_single_change_is_left():
    town = ladder("facility8", 8, 4)
    path = best_fixed(town)
    assert torch.equal(path.sum(-1), torch.ones(5))
    assert float(path.sum(0).max()) == 1.0


def levels(shift: float = 0.0, **moved: float) -> dict[str, Tensor]:
    """Returns around the reference on 400 communities."""
    noise = torch.linspace(-0.5, 0.5, 400)
    return {name: REFERENCE[name][0] + moved.get(name, shift) + noise for name in LABELS}


@pytest.mark.parametrize(
    ("found", "passed", "told"),
    [
        (levels(), True, "9 of 9 levels as before, rungs in order"),
        (levels(bayes=-0.2), False, r"8 of 9 levels as before (not bayes)"),
        (levels(oracle=-0.6), False, "OUT OF ORDER"),
        (levels(shift=0.5), False, "0 of 9"),
    ],
)
def test_every_level_and_the_order_decide(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, Tensor], passed: bool, told: str
):
    monkeypatch.setattr(facility_ladder, "climb", lambda town: found)
    outcome = claim(smoke=True)
    assert outcome.passed is passed
    assert told in outcome.figure


def test_the_order_is_of_those_who_know_more():
    assert ORDER.index("blind") < ORDER.index("bayes") < ORDER.index("oracle")
    assert set(headroom_facility8.REFERENCE) <= set(LABELS)
