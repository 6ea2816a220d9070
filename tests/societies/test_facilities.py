"""Facility towns: the rules by hand, and towns that cannot be."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from societies.base import Options
from societies.facilities import OBJECTIVES, Facilities, Tastes
from societies.library.facility8 import TASTES as EIGHT
from societies.library.facility32 import TASTES as THIRTY_TWO
from societies.mechanisms import check, in_force
from societies.play import Fixed, play
from tests.towns import three_visitors, town

TOWN = Facilities("town", 3, 7, THIRTY_TWO, "visits")


def cell(row: int, column: int, side: int = 7) -> Tensor:
    """[1, M] build there; rows and columns count from 0."""
    return torch.nn.functional.one_hot(torch.tensor([row * side + column]), side * side).float()


def test_utilities_are_those_of_the_formula():
    state = TOWN.reset(three_visitors())  # homes (0, 1), (3, 3), (6, 5); roaming 0, 1, 1
    first = TOWN.step(state, cell(1, 2), torch.tensor([[1, 1, 0]])).state
    u = TOWN.utilities(first, cell(3, 3))[0]
    crowd = 2 / 3
    assert u[0, :3].tolist() == pytest.approx([0, 2 - 3 * 2, 2 - 3 * 5])
    assert u[1, :3].tolist() == pytest.approx([0, 3 - 1.5 * 2 - 8 * crowd, 3 - 1.5 * 5])
    assert u[2, :3].tolist() == pytest.approx([0, 3 - 1.5 * 3 - 8 * crowd, 3 - 1.5 * 0])


def test_chances_are_a_logit_with_home_at_zero():
    state = TOWN.reset(three_visitors())
    chance = TOWN.teacher(state, cell(1, 0)).exp()[0, 0]
    assert float(chance[1]) == pytest.approx(math.exp(2) / (1 + math.exp(2)))
    assert float(chance[2:].sum()) < 1e-20


def test_a_crowd_is_felt_one_step_later_and_only_where_it_was():
    state = TOWN.reset(three_visitors())
    after = TOWN.step(state, cell(1, 0), torch.tensor([[1, 1, 0]]))
    assert after.welfare.tolist() == pytest.approx([2 / 3])
    crowd = TOWN.prospects(after.state.features, cell(3, 3))[0, :, :, TOWN.prospect_names.index("crowd")]
    assert crowd[:, 1].tolist() == pytest.approx([2 / 3] * 3)
    assert not crowd[:, 2:].any()


def test_a_taken_cell_is_not_open_and_building_there_builds_nothing():
    state = TOWN.reset(three_visitors())
    after = TOWN.step(state, cell(2, 4), torch.zeros(1, 3, dtype=torch.long)).state
    open_ = TOWN.decides(1, after.features)
    assert int((~open_).sum()) == 1
    assert not open_[0, 2 * 7 + 4]
    nothing = in_force(TOWN, 1, after.features, cell(2, 4))
    assert not nothing.any()
    assert TOWN.choices(1, after.features, nothing)[0, 0].tolist() == [True, True, False, False, False, False]
    assert TOWN.choices(1, after.features, cell(0, 0))[0, 0].tolist() == [True, True, True, False, False, False]


def test_groups_are_distances():
    state = TOWN.reset(three_visitors())
    assert isinstance(TOWN.mechanism, Options)
    groups = TOWN.mechanism.groups(state.features)  # [1, 49, 13, 3]
    away = groups.argmax(2)[0, 3 * 7 + 3]
    assert away.tolist() == [5, 0, 5]
    assert TOWN.mechanism.names[3 * 7 + 3] == "row 4, column 4"


@settings(max_examples=25)
@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_every_step_builds_one_and_nobody_visits_what_is_not_there(side: int, sites: int, agents: int, seed: int):
    if sites > side * side:
        return
    society = Facilities("town", agents, side, EIGHT, "visits", sites)
    people = town(society, seed, 2, agents)
    path = torch.eye(side * side)[torch.randperm(side * side, generator=torch.Generator().manual_seed(seed))[:sites]]
    episode = play(society, ScriptedPopulation(False), people, Fixed(path), draws(1, seed, 2)).episode
    present = [society.feature_names.index(f"present_{j + 1}") for j in range(sites)]
    assert episode.features[:, :, 0, present].sum(-1).tolist() == [list(range(sites + 1))] * 2
    assert bool((episode.action <= torch.arange(1, sites + 1)[:, None]).all())
    went = (episode.action > 0).float().mean(-1)
    torch.testing.assert_close(episode.welfare, went)


@pytest.mark.parametrize(
    ("agents", "side", "sites", "message"),
    [
        (0, 7, 5, "town: 0 agents; there must be at least 1, and a whole number of them"),
        (3, 2, 5, "town: 5 facilities on a grid of 2 x 2 cells; there must be 1 to 4"),
        (3, 7, 0, "there must be 1 to 49"),
        (3, 0, 1, "0 cells along a side; there must be at least 1"),
        (3, -2, 1, "-2 cells along a side; there must be at least 1"),
    ],
)
def test_towns_that_cannot_be(agents: int, side: int, sites: int, message: str):
    with pytest.raises(ValueError, match=message):
        Facilities("town", agents, side, EIGHT, "visits", sites)


@pytest.mark.parametrize(
    ("proposed", "message"),
    [
        (torch.full((1, 49), 0.5), "town, step 0: .* one of 49 options by 1"),
        (torch.ones(1, 49), "found 49 marked"),
        (torch.zeros(1, 48), r"need \[49\]"),
    ],
)
def test_what_is_no_option_is_refused(proposed: Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        check(TOWN, 0, proposed, 1)


def test_tastes_are_linear_between_the_two_kinds():
    tastes = Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 8.0), (0.0, 5.0))
    people = three_visitors()
    half = people.with_traits(torch.full_like(people.traits, 0.5))
    assert [float(x[0, 0, 0]) for x in tastes.of(half)] == pytest.approx([2.5, 2.25, 4.0, 2.5])
    assert OBJECTIVES == ("visits",)


@pytest.mark.parametrize("side", [3, 7])
def test_what_an_option_would_offer_is_what_it_then_brings(side: int):
    society = Facilities("some town", 5, side, THIRTY_TWO, OBJECTIVES[0], 3)
    m, d = side * side, draws(0, 0, 4)
    rules = Fixed(torch.eye(m)[[0, m - 1, 1]])
    episode = play(society, ScriptedPopulation(False), town(society, 0, 4, 5), rules, d).episode
    for step in range(3):
        before = episode.features[:, step]
        brought = society.prospects(before.repeat_interleave(m, 0), torch.eye(m).repeat(4, 1))  # [B M, N, K, D]
        new = brought[:, :, society.newcomer(step)].unflatten(0, (4, m)).transpose(1, 2)
        assert torch.equal(society.offers(before), new)


@pytest.mark.parametrize("home", [7.0, -0.1, math.nan])
def test_homes_off_the_map_are_refused(home: float):
    public = torch.full((2, 32, 2), 0.5)
    public[1, 3, 1] = home
    with pytest.raises(ValueError, match=f"thirty_two: home_y is {home:g}; .* 0 to 1"):
        Facilities("thirty_two", 32, 7, THIRTY_TWO, "visits").census(public, ("home_x", "home_y"))


@pytest.mark.parametrize(
    ("marks", "message"),
    [((0.5, 0.5), "found 0.5 for option 1 of world 2"), ((1.0, -1.0), "found -1 for option 2 of world 2")],
)
def test_marks_that_add_up_but_are_none_are_told(marks: tuple[float, float], message: str):
    proposed = torch.zeros(2, 49)
    proposed[1, :2] = torch.tensor(marks)
    with pytest.raises(ValueError, match=message):
        check(Facilities("thirty_two", 32, 7, THIRTY_TWO, "visits"), 0, proposed, 2)


def test_a_site_that_was_dreamt_off_the_map_is_as_far_as_can_be():
    features = TOWN.reset(three_visitors()).features.clone()
    sites = features[..., 2 : 2 + 4 * TOWN.sites].unflatten(-1, (TOWN.sites, 4))
    sites[..., 0, :3] = torch.tensor([1.0, 9.0, -9.0])  # it stands, far outside
    assert isinstance(TOWN.mechanism, Options)
    nothing = torch.zeros(1, len(TOWN.mechanism.names))
    prospects = TOWN.prospects(features, nothing)  # [1, N, K, D]
    marks = prospects[0, :, 1, : TOWN.farthest + 1]
    assert torch.equal(marks, torch.eye(TOWN.farthest + 1)[[TOWN.farthest]].expand_as(marks))
