"""Games by their payoffs: a round by hand, the quantal response equilibria that mirror descent finds, and refusals."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from learning.mirror_descent import quantal_equilibrium
from personas.people import People, Persona, gather
from societies import catalog
from societies.games import GAMES, table_of
from societies.matrix import LOST, TEMPERATURE, MatrixGame
from societies.play import Fixed, play
from tests.towns import four_players, town

DILEMMA = MatrixGame("game", 4, "prisoners_dilemma")
THREE = [[[[2, 0, 1], [0, 3, 0]], [[0, 1, 2], [1, 1, 4]]], [[[1, 5, 0], [2, 0, 0]], [[3, 1, 1], [0, 0, 2]]],
         [[[0, 0, 0], [4, 1, 1]], [[1, 2, 3], [0, 2, 0]]]]  # fmt: skip  # [3, 2, 2] choices


def players(altruism: float, agents: int) -> People:
    """All alike, who came one after another."""
    row = [
        Persona(f"p{i}", f"P {i}", "", {"arrival": i / agents}, frozenset({"arrival"}), {"altruism": altruism})
        for i in range(agents)
    ]
    return gather([row], ("arrival",), ("altruism",))


def settled(game: MatrixGame, people: People, rewards: Tensor) -> list[Tensor]:
    """[K_g] of each group: the shares at which those who reckon with them choose them."""
    state = game.reset(people)  # then everybody chooses the first: no balance that the smallest push would end
    state = game.step(state, rewards, torch.zeros(1, people.agents, dtype=torch.long)).state
    usual = state.features[0, :, -game.groups * game.size :].view(people.agents, game.groups, game.size)
    for _ in range(2000):  # slowly: with a third of the last round they would chase each other in games of opponents
        chosen = game.teacher(state, rewards).exp()[0].view(-1, game.groups, game.size).mean(0)
        usual += 0.02 * (chosen - usual)
    usual = usual[0]
    return [share[:k] for share, k in zip(usual, game.table.shape[1:], strict=True)]


def test_a_round_by_hand() -> None:
    state = DILEMMA.reset(four_players())  # in groups 1, 2, 1, 2
    rewards = torch.tensor([[1.0, 0.0, 2.0, 0.5]])
    after = DILEMMA.step(state, rewards, torch.tensor([[0, 0, 1, 1]]))
    points, theirs = torch.tensor([1.5, 1.5, 3.0, 3.0]), torch.tensor([4.0, 4.0, 0.5, 0.5])  # half of each other group
    reward = torch.tensor([1.0, 2.0, 0.0, 0.5])
    levy = 1.25 * 3.5 / 4
    altruism = torch.tensor([0.0, 0.1, 0.9, 0.8])
    torch.testing.assert_close(after.payoff[0], points + altruism * theirs + reward - levy)
    torch.testing.assert_close(after.welfare[0], points.mean() - LOST * 3.5 / 4)
    torch.testing.assert_close(after.accounts["least"][0], torch.tensor(2.25))
    usual = after.state.features[0, :, -4:]
    torch.testing.assert_close(usual, torch.full((4, 4), 0.5))


def test_people_are_told_how_it_went() -> None:
    state = DILEMMA.reset(four_players())
    rewards = torch.tensor([[1.0, 0.0, 2.0, 0.5]])
    assert DILEMMA.went(DILEMMA.look(state, rewards)).isnan().all()
    after = DILEMMA.step(state, rewards, torch.tensor([[0, 0, 1, 0]])).state
    view = DILEMMA.look(after, rewards)
    told = DILEMMA.tell(view[0, 1], state.people.persona(0, 1)).user
    assert told == (
        "Group 2. Rewards: 200 50. The others usually choose: 50 50. Last round you got 150, had a reward of 200 and "
        "paid 156."
    )
    torch.testing.assert_close(DILEMMA.went(view)[0, 1], torch.tensor(1.94))


def test_losses_are_told_as_losses() -> None:
    game = MatrixGame("game", 2, "matching_pennies")
    people = players(0.0, 2)
    after = game.step(game.reset(people), torch.zeros(1, 4), torch.tensor([[0, 0]])).state
    view = game.look(after, torch.zeros(1, 4))
    told = [game.tell(view[0, n], people.persona(0, n)).user for n in (0, 1)]
    assert "you got 100, had" in told[0]
    assert "you lost 100, had" in told[1]
    assert game.went(view)[0].tolist() == [1.0, -1.0]


def test_each_group_reads_the_table_from_its_own_side() -> None:
    game = MatrixGame("game", 6, THREE)
    people = players(0.5, 6)
    view = game.look(game.reset(people), torch.zeros(1, 9))
    second = game.tell(view[0, 1], people.persona(0, 1)).system
    assert "If you choose 1 and they 2 and 1, you get 500 and they 100 and 0." in second  # cell (2, 1, 1)
    assert "If you choose 2 and they 3 and 2, you get 200 and they 0 and 0." in second  # cell (3, 2, 2)
    assert second.count("If you choose") == 12


def felt(game: MatrixGame, altruism: float) -> list[Tensor]:
    """The table of each player who cares for the others so much."""
    return list(game.table + altruism * (game.table.sum(0) - game.table) / (game.groups - 1))


@pytest.mark.parametrize("payoffs", [*GAMES, THREE])
@pytest.mark.parametrize("altruism", [0.0, 0.7])
def test_people_alike_come_to_rest_in_a_quantal_equilibrium(payoffs: Any, altruism: float) -> None:
    n = len(table_of(payoffs))
    game = MatrixGame("game", n, payoffs)
    shares = settled(game, players(altruism, n), torch.zeros(1, n * game.size))
    for g, table in enumerate(felt(game, altruism)):
        value = table.movedim(g, 0)
        for other in range(n - 1, -1, -1):
            value = value if other == g else value @ shares[other]
        aim = (value / (TEMPERATURE * game.spread)).softmax(0)
        torch.testing.assert_close(shares[g], aim, atol=1e-3, rtol=0)


@pytest.mark.parametrize("payoffs", ["prisoners_dilemma", "matching_pennies", "rock_paper_scissors", THREE])
@pytest.mark.parametrize("altruism", [0.0, 0.7])
def test_where_there_is_one_equilibrium_mirror_descent_finds_the_same(payoffs: Any, altruism: float) -> None:
    n = len(table_of(payoffs))
    game = MatrixGame("game", n, payoffs)
    shares = settled(game, players(altruism, n), torch.zeros(1, n * game.size))
    found = quantal_equilibrium(felt(game, altruism), TEMPERATURE * game.spread, step=0.5 / game.spread)
    assert found.at_rest
    for share, policy in zip(shares, found.policies, strict=True):
        torch.testing.assert_close(share, policy.float(), atol=1e-3, rtol=0)


@given(st.lists(st.lists(st.floats(-9, 9), min_size=2, max_size=2), min_size=6, max_size=6), st.integers(0, 5))
@settings(max_examples=30)
def test_with_one_in_each_group_it_is_the_game_itself(cells: list[list[float]], cell: int) -> None:
    cells[0][0] = 10.0  # so that not all are the same
    game = MatrixGame("game", 2, [cells[:3], cells[3:]])  # [2, 3] choices
    state = game.reset(players(0.0, 2))
    moves = torch.tensor([[cell // 3, cell % 3]])
    after = game.step(state, torch.zeros(1, 6), moves)
    torch.testing.assert_close(after.payoff[0], torch.tensor(cells[cell]), atol=1e-4, rtol=1e-5)


def test_rewards_are_worth_their_price_up_to_a_point() -> None:
    game = catalog.load("matrix_game")
    people, lots = town(game, 0, 60), draws(7, 0, 60)
    by_reward = [
        play(game, ScriptedPopulation(), people, Fixed(torch.tensor([r, 0.0, r, 0.0])), lots).episode.returns().mean()
        for r in (0.0, 1.5, 5.0)
    ]
    assert by_reward[1] > by_reward[0] + 0.1
    assert by_reward[1] > by_reward[2] + 0.1


@pytest.mark.parametrize(
    ("payoffs", "agents", "message"),
    [
        ("poker", 2, "there is no game 'poker'; choose one of prisoners_dilemma, "),
        ([[1, 2], [3, 4]], 2, r"payoffs of shape \[2, 2\]"),
        ([[[1, 2], [3]], [[1, 2], [3, 4]]], 2, r"payoffs\[1\]\[2\]: not of the same form as payoffs\[1\]\[1\]"),
        ([[[1, 2], [3, "x"]], [[1, 2], [3, 4]]], 2, r"payoffs\[1\]\[2\]\[2\]: found 'x'; should be a number"),
        ([[[1, 2], [3, float("nan")]], [[1, 2], [3, 4]]], 2, "found nan; should be a number"),
        ([[[1, 1], [1, 1]], [[1, 1], [1, 1]]], 2, "there is nothing to choose"),
        ([[[i + j, 0] for i in range(9)] for j in range(9)], 2, "for 81 combinations of choices; 64 at most"),
        ("chicken", 3, "3 people do not make 2 equal groups; take a multiple of 2"),
    ],
)
def test_games_that_cannot_be_are_refused(payoffs: Any, agents: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MatrixGame("game", agents, payoffs)


def test_a_choice_that_a_group_lacks_is_never_open() -> None:
    game = MatrixGame("game", 6, THREE)
    state = game.reset(players(0.5, 6))
    assert game.choices(0, state.features, torch.zeros(1, 9))[0, :3, 2].tolist() == [True, False, False]
    with pytest.raises(ValueError, match="choice '3' is not open to agent 2 of world 1"):
        game.step(state, torch.zeros(1, 9), torch.tensor([[0, 2, 0, 0, 0, 0]]))


def test_payoffs_go_with_the_game_only() -> None:
    assert catalog.load("matrix_game", payoffs=THREE).agents == 15
    with pytest.raises(ValueError, match="facility8: it is not played by payoffs; leave payoffs out"):
        catalog.load("facility8", payoffs="chicken")
