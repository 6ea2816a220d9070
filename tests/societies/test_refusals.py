"""Real steps against the rules are refused with the value, what is allowed, and the society's name."""

from dataclasses import replace

import pytest
import torch

from personas.people import People
from societies.base import State
from societies.facilities import Facilities, Tastes
from societies.library.team_formation import TeamFormation
from societies.line import FacilityLine
from tests.towns import town

TASTES = Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 4.0), (0.0, 3.0))
SMALL = Facilities("small", 3, 2, TASTES, "visits", sites=2)
NOTHING, HOME = torch.zeros(2, 4), torch.zeros(2, 3, dtype=torch.int64)
CORNER = torch.eye(4)[[0, 0]]


def begun() -> State:
    return SMALL.reset(town(SMALL, 0, 2))


def test_what_is_open_may_be_done():
    state = SMALL.step(begun(), CORNER, torch.tensor([[1, 0, -1], [0, 1, 1]])).state
    after = SMALL.step(state, torch.eye(4)[[1, 3]], torch.tensor([[1, 2, 0], [0, 0, 2]]))
    assert after.accounts["visits"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_a_cell_is_not_built_on_twice():
    state = SMALL.step(begun(), CORNER, HOME).state
    with pytest.raises(ValueError, match="small, step 1: 'row 1, column 1' is not open in world 1"):
        SMALL.step(state, CORNER, HOME)


def test_nobody_visits_what_does_not_stand():
    ghost = torch.tensor([[0, 0, 0], [0, 2, 0]])
    with pytest.raises(ValueError, match="small, step 0: choice '2' is not open to agent 2 of world 2"):
        SMALL.step(begun(), CORNER, ghost)
    for odd in (3, -2):
        with pytest.raises(ValueError, match=f"choice number {odd} is not open to agent 1 of world 1"):
            SMALL.step(begun(), CORNER, HOME + odd)


def test_nothing_is_done_after_the_last_step_or_by_halves():
    late = replace(begun(), step=2)
    with pytest.raises(ValueError, match="small, step 2: an episode has steps 0 to 1"):
        SMALL.step(late, CORNER, HOME)
    with pytest.raises(ValueError, match=r"choices are told by their places, as whole numbers; found torch\.float32"):
        SMALL.step(begun(), CORNER, HOME.float())


def test_rules_outside_their_space_and_other_shapes():
    with pytest.raises(ValueError, match="small, step 0: the rules must mark one of 4 options"):
        SMALL.step(begun(), torch.ones(2, 4), HOME)
    with pytest.raises(
        ValueError, match=r"rules of shape \(4,\) and choices of shape \(2, 3\); need \[2, 4\] and \[2, 3\]"
    ):
        SMALL.step(begun(), NOTHING[0], HOME)
    teams = TeamFormation()
    people = town(teams, 0, 2)
    with pytest.raises(ValueError, match=r"team_formation, step 0: .* is not open in world 1"):
        teams.step(teams.reset(people), torch.eye(15)[[3, 3]], torch.zeros(2, 4, dtype=torch.int64))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"agents": 2.5}, "odd: 2.5 agents; there must be at least 1, and a whole number of them"),
        ({"side": float("nan")}, "odd: nan cells along a side; there must be at least 1, and a whole number of them"),
        ({"agents": 3.0}, "odd: 3.0 agents"),
        ({"agents": "3"}, "odd: '3' agents"),
        ({"sites": 5}, "odd: 5 facilities on a grid of 2 x 2 cells; there must be 1 to 4"),
        ({"tastes": replace(TASTES, crowding=(0.0, float("nan")))}, "odd: crowding is 0 to nan"),
        ({"objective": "joy"}, "odd: objective 'joy' is not known; choose one of: visits"),
    ],
)
def test_towns_of_odd_numbers(sizes: dict[str, object], message: str):
    fine: dict[str, object] = {"agents": 3, "side": 2, "tastes": TASTES, "objective": "visits", "sites": 2}
    with pytest.raises(ValueError, match=message):
        Facilities("odd", **{**fine, **sizes})  # pyright: ignore[reportArgumentType]


def test_people_without_what_a_society_needs():
    people = town(SMALL, 0, 2)
    homeless = People((), people.public[..., :0], people.trait_names, people.traits, people.persona)
    with pytest.raises(ValueError, match="small: people need the public attribute 'home_x'; these have: none"):
        SMALL.reset(homeless)


def test_what_only_the_real_society_can_tell():
    with pytest.raises(ValueError, match="street: objective 'mean_distance' needs hidden positions"):
        FacilityLine("street", 3).public_welfare({})
