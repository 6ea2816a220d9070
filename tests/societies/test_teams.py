"""Teams of gatherers: the rules by hand, and what holds whatever happens."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from societies.team_roles import INDEPENDENT, PERMUTED, Duties, advance, duties, happen, intended, scripted
from societies.teams import (
    ALL_TOGETHER,
    ALONE,
    CORNERS,
    DECISIONS,
    LABELS,
    MOVES,
    STAY,
    STEPS,
    TOGETHER,
    Events,
    TeamState,
    partition_name,
    settle,
    start,
)

UP, DOWN, LEFT, RIGHT = range(4)
EVEN, ODD = 10, 11
IN_ORDER = (0, 1, 2, 3)


def under(partition: int = ALL_TOGETHER) -> TeamState:
    """One world at the start, in those teams."""
    return start(1).under(torch.eye(len(LABELS))[[partition]])


def named(name: str) -> int:
    return [partition_name(m) for m in range(len(LABELS))].index(name)


def at_work(state: TeamState, roles: tuple[int, ...] = IN_ORDER) -> Duties:
    return duties(torch.tensor([roles]), state.together)


def holding(state: TeamState, *held: tuple[int, int, float]) -> TeamState:
    """With units in hand: (agent, basic, units)."""
    hands = state.hands.clone()
    for agent, basic, units in held:
        hands[0, agent, basic] = units
    return replace(state, hands=hands)


def all_stay(step: int, state: TeamState, roles: tuple[int, ...] = IN_ORDER) -> Events:
    return happen(step, state, at_work(state, roles), torch.full((1, 4), STAY))


def meant(state: TeamState, roles: tuple[int, ...] = IN_ORDER) -> list[int]:
    return intended(state, at_work(state, roles))[0].tolist()


# partitions


def test_there_are_fifteen_partitions_and_each_has_a_name():
    names = [partition_name(m) for m in range(len(LABELS))]
    assert len(set(names)) == 15
    assert (names[ALL_TOGETHER], names[ALONE]) == ("1+2+3+4", "1, 2, 3, 4")
    assert "1+3, 2, 4" in names
    assert [sum(name.count("+") == joins for name in names) for joins in range(4)] == [1, 6, 7, 1]
    assert torch.equal(TOGETHER, TOGETHER.mT)
    torch.testing.assert_close(TOGETHER @ TOGETHER, TOGETHER * TOGETHER.sum(-1, keepdim=True))


@pytest.mark.parametrize(
    ("name", "cost"), [("1+2+3+4", 0.6), ("1+2+3, 4", 0.3), ("1+4, 2+3", 0.2), ("1+2, 3, 4", 0.1), ("1, 2, 3, 4", 0.0)]
)
def test_company_costs_each_agent_by_the_others_in_its_team(name: str, cost: float):
    state = under(named(name))
    _, _, upkeep = settle(state, all_stay(ODD, state))
    assert float(upkeep.sum()) == pytest.approx(cost)


def test_no_mark_keeps_the_teams_that_are_in_force():
    state = under(named("1+3, 2, 4"))
    assert torch.equal(state.under(torch.zeros(1, 15)).together, state.together)


# who is useful


@pytest.mark.parametrize(
    ("name", "useful"),
    [
        ("1+2+3+4", (True, True, False, True)),  # nobody stores basic 2
        ("1, 2, 3, 4", (False, False, False, False)),
        ("1+2, 3, 4", (True, True, False, False)),  # they craft
        ("1+3, 2, 4", (False, False, False, False)),
        ("1, 2, 3+4", (False, False, False, True)),  # role 2 stores basic 3
        ("1+4, 2, 3", (True, False, False, False)),  # role 3 stores basic 0
        ("1, 2+4, 3", (False, False, False, False)),  # a maker alone has no basic 0
    ],
)
def test_useful_is_whose_good_is_stored_or_crafted(name: str, useful: tuple[bool, ...]):
    assert tuple(at_work(under(named(name))).useful[0].tolist()) == useful


def test_a_role_stores_nothing_of_its_own():
    assert not at_work(under(), (2, 2, 2, 2)).useful.any()
    assert at_work(under(), (2, 2, 3, 3)).useful[0].tolist() == [False, False, True, True]


# moves


def test_the_larger_gap_is_closed_first_and_rows_where_they_are_equal():
    assert meant(under()) == [UP, UP, STAY, DOWN]  # (3,3) to (0,0); (3,4) to (0,7); of no use; (4,4) to (7,7)
    moved = replace(under(), positions=torch.tensor([[[1.0, 2.0], [2.0, 4.0], [4.0, 3.0], [6.0, 2.0]]]))
    assert meant(moved) == [LEFT, RIGHT, STAY, RIGHT]


def test_nobody_walks_to_an_empty_corner_nor_off_its_own():
    state = replace(under(), corners=torch.tensor([[0.0, 5.0, 5.0, 5.0]]))
    assert meant(state)[0] == STAY
    assert meant(replace(state, positions=CORNERS[None].clone()))[1:] == [STAY] * 3


def test_one_move_in_ten_is_any_of_the_five():
    chances = scripted(under(), at_work(under())).exp()[0, 0]
    assert chances.tolist() == pytest.approx([0.92, 0.02, 0.02, 0.02, 0.02])


def test_walls_hold():
    corner = replace(under(), positions=CORNERS[None].clone())
    moves = torch.eye(5)[torch.tensor([[UP, RIGHT, LEFT, DOWN]])]
    after, _, _ = settle(corner, Events(moves, torch.zeros(1, 4), torch.zeros(1, 4), torch.zeros(1, 4, 4)))
    assert torch.equal(after.positions, corner.positions)


# taking, crafting, storing


def test_who_is_useful_takes_on_its_corner_at_even_steps_when_it_stays():
    state = replace(under(), positions=CORNERS[None].clone())
    assert all_stay(EVEN, state).took[0].tolist() == [1, 1, 0, 1]
    assert not all_stay(ODD, state).took.any()
    moved = happen(EVEN, state, at_work(state), torch.tensor([[UP, STAY, STAY, STAY]]))  # a move, into the wall
    assert moved.took[0].tolist() == [0, 1, 0, 1]
    after, _, _ = settle(state, all_stay(EVEN, state))
    assert after.corners[0].tolist() == [9, 9, 10, 9]


def test_the_last_unit_goes_to_who_comes_first():
    state = replace(under(), positions=CORNERS[[0, 0, 1, 3]][None], corners=torch.tensor([[1.0, 1.0, 1.0, 0.0]]))
    assert all_stay(EVEN, state, (0, 0, 1, 3)).took[0].tolist() == [1, 0, 1, 0]


def test_one_of_each_ingredient_becomes_one_item_worth_five():
    state = holding(under(), (0, 0, 2.0), (1, 1, 1.0))
    events = all_stay(ODD, state)
    after, earned, _ = settle(state, events)
    assert events.crafted[0].tolist() == [0, 1, 0, 0]
    assert earned[0].tolist() == [0, 5, 0, 0]
    assert after.hands[0, :, 0].tolist() == [1, 0, 0, 0]
    assert after.hands[0, :, 1].tolist() == [0, 0, 0, 0]


def test_what_is_taken_in_a_step_can_be_crafted_in_it():
    state = replace(under(), positions=CORNERS[None].clone())
    assert all_stay(EVEN, state).crafted.sum() == 1


def test_each_maker_makes_one_item_per_step_while_there_is_enough():
    roles = (0, 1, 1, 3)
    assert all_stay(ODD, holding(under(), (0, 0, 2.0), (1, 1, 2.0)), roles).crafted[0].tolist() == [0, 1, 1, 0]
    assert all_stay(ODD, holding(under(), (0, 0, 2.0), (1, 1, 1.0)), roles).crafted[0].tolist() == [0, 1, 0, 0]


def test_hands_of_another_team_are_out_of_reach():
    state = holding(under(named("1+3, 2+4")), (0, 0, 2.0), (1, 1, 1.0))
    assert not all_stay(ODD, state).crafted.any()


def test_a_basic_is_stored_one_unit_per_step_and_agent():
    state = holding(under(named("1, 2, 3+4")), (3, 3, 2.0))
    events = all_stay(ODD, state)
    after, earned, _ = settle(state, events)
    assert earned[0].tolist() == [0, 0, 1, 0]
    assert after.hands[0, 3, 3] == 1
    two = holding(under(), (3, 3, 1.0))
    assert all_stay(ODD, two, (2, 2, 0, 3)).stored[0, :, 3].tolist() == [1, 0, 0, 0]


def test_ingredients_are_kept_for_crafting_while_both_corners_have_some():
    state = holding(under(), (0, 0, 3.0))
    assert not all_stay(ODD, state).stored.any()
    spent = replace(state, corners=torch.tensor([[4.0, 0.0, 4.0, 4.0]]))
    assert all_stay(ODD, spent).stored[0, :, 0].tolist() == [0, 0, 0, 1]
    apart = holding(under(named("1+4, 2, 3")), (0, 0, 3.0))  # a team that cannot craft
    assert all_stay(ODD, apart).stored[0, :, 0].tolist() == [0, 0, 0, 1]


# laws


def lived(roles: Tensor, seed: int) -> list[tuple[TeamState, Events, TeamState, Tensor, Tensor]]:
    """Whole episodes of random moves and partitions, near enough to the scripted ones that much happens."""
    generator = torch.Generator().manual_seed(seed)
    state, told = start(len(roles)), list[tuple[TeamState, Events, TeamState, Tensor, Tensor]]()
    for t in range(STEPS):
        if t in DECISIONS:
            state = state.under(torch.eye(15)[torch.randint(15, (len(roles),), generator=generator)])
        duty = duties(roles, state.together)
        moves = torch.multinomial(scripted(state, duty).exp().flatten(0, 1), 1, generator=generator)[:, 0]
        events = happen(t, state, duty, moves.unflatten(0, (len(roles), 4)))
        after, earned, upkeep = settle(state, events)
        told.append((state, events, after, earned, upkeep))
        state = after
    return told


@settings(max_examples=15)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=20), st.integers(0, 10**6))
def test_units_are_conserved_and_what_is_earned_is_told(which: list[int], seed: int):
    gone, worth = torch.zeros(len(which), 4), torch.zeros(len(which), 4)
    for _, events, after, earned, _ in lived(INDEPENDENT[which], seed):
        gone += (events.stored + events.crafted[..., None] * torch.tensor([1.0, 1, 0, 0])).sum(1)
        worth += earned
        assert torch.equal(after.corners + after.hands.sum(1) + gone, torch.full((len(which), 4), 10.0))
        assert bool((after.hands >= 0).all())
        assert bool((after.corners >= 0).all())
        assert torch.equal(after.earnings, worth)
        assert torch.equal(earned, 5 * events.crafted + events.stored.sum(-1))


@settings(max_examples=15)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=20), st.integers(0, 10**6))
def test_a_steps_welfare_is_what_was_earned_less_the_cost_of_company(which: list[int], seed: int):
    roles = INDEPENDENT[which]
    for t, (state, events, _, earned, upkeep) in enumerate(lived(roles, seed)):
        after, welfare = advance(t, state, duties(roles, state.together), events.moves.argmax(-1))
        company = state.together.sum(-1) - 1
        torch.testing.assert_close(upkeep, 0.05 * company)
        torch.testing.assert_close(welfare, earned.sum(-1) - 0.05 * company.sum(-1))
        assert bool((after.hands.sum(-1) - state.hands.sum(-1) <= 1).all())


@settings(max_examples=15)
@given(st.integers(0, 23), st.permutations(range(4)), st.integers(0, 10**6))
def test_where_nobody_shares_a_role_the_order_of_agents_means_nothing(which: int, order: list[int], seed: int):
    roles = PERMUTED[[which]]
    for t, (state, events, after, _, _) in enumerate(lived(roles, seed)):
        turned = TeamState(
            positions=state.positions[:, order],
            hands=state.hands[:, order],
            corners=state.corners,
            earnings=state.earnings[:, order],
            together=state.together[:, order][:, :, order],
        )
        duty = duties(roles[:, order], turned.together)
        then, _ = advance(t, turned, duty, events.moves.argmax(-1)[:, order])
        assert torch.equal(then.hands, after.hands[:, order])
        assert torch.equal(then.earnings, after.earnings[:, order])
        assert torch.equal(then.corners, after.corners)


def test_alone_nothing_is_ever_earned():
    state = start(256)
    duty = duties(INDEPENDENT, state.together)
    for t in range(STEPS):
        state, welfare = advance(t, state, duty, intended(state, duty))
        assert not welfare.any()
    assert MOVES[STAY] == "stay"
