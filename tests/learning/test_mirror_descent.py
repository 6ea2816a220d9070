"""Magnetic mirror descent comes to rest at quantal response equilibria: known ones, and the law of every one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from torch import Tensor

from learning.mirror_descent import exploitability, quantal_equilibrium

ROCK = torch.tensor([[0.0, -3.0, 3.0], [3.0, 0.0, -1.0], [-3.0, 1.0, 0.0]])  # perturbed rock, paper, scissors
DILEMMA = torch.tensor([[3.0, 0.0], [5.0, 1.0]])  # cooperate, defect


def zero_sum(table: Tensor) -> list[Tensor]:
    """Scaled to [0, 1]."""
    scaled = (table - table.min()) / (table.max() - table.min())
    return [scaled, 1 - scaled]


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (0.5, (0.2981, 0.4138, 0.2880)),
        (0.2, (0.2236, 0.4780, 0.2984)),
        (0.1, (0.1735, 0.4863, 0.3402)),
        (0.05, (0.1517, 0.4680, 0.3803)),
    ],
)
def test_published_equilibria_of_perturbed_rock_paper_scissors(temperature: float, expected: tuple[float, ...]) -> None:
    found = quantal_equilibrium(zero_sum(ROCK), temperature)
    assert found.at_rest
    for policy in found.policies:  # the game is symmetric
        assert policy.tolist() == pytest.approx(expected, abs=1e-4)


def test_with_less_temperature_there_is_less_to_gain() -> None:
    games = zero_sum(ROCK)
    gains = [max(exploitability(games, quantal_equilibrium(games, heat).policies)) for heat in (0.5, 0.1, 0.02)]
    assert gains[0] > gains[1] > gains[2] > 0
    assert gains[2] < 0.02


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 5), st.floats(0.1, 3.0))
@settings(max_examples=25)
def test_in_zero_sum_games_it_always_comes_to_rest(seed: int, rows: int, columns: int, temperature: float) -> None:
    table = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))
    found = quantal_equilibrium(zero_sum(table), temperature)
    assert found.at_rest
    mine, theirs = found.policies
    scaled = zero_sum(table)[0].double()
    torch.testing.assert_close((scaled @ theirs / temperature).softmax(-1), mine, atol=1e-6, rtol=0)
    torch.testing.assert_close((-(mine @ scaled) / temperature).softmax(-1), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_the_dilemma_has_the_equilibrium_that_root_finding_finds(temperature: float) -> None:
    def off(p: float) -> float:
        """p: how likely it is to cooperate."""
        gain = (3 * p) - (5 * p + (1 - p))
        return p - 1 / (1 + math.exp(-gain / temperature))

    expected = brentq(off, 0.0, 1.0)
    found = quantal_equilibrium([DILEMMA, DILEMMA.T], temperature)
    assert found.at_rest
    assert [float(policy[0]) for policy in found.policies] == pytest.approx([expected] * 2, abs=1e-6)


def test_each_player_may_have_a_temperature_and_a_magnet_of_its_own() -> None:
    magnets = [torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5])]
    found = quantal_equilibrium([DILEMMA, DILEMMA.T], [100.0, 0.1], magnets)
    assert found.at_rest
    assert float(found.policies[0][0]) == pytest.approx(0.9, abs=0.01)  # too warm to mind
    assert float(found.policies[1][1]) > 0.999


def test_three_players_who_gain_by_being_alone_meet_evenly() -> None:
    alone = torch.tensor([[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]])  # the first, where the others meet
    tables = [alone, alone.permute(1, 0, 2), alone.permute(1, 2, 0)]
    found = quantal_equilibrium(tables, 0.5)
    assert found.at_rest
    assert [float(policy[0]) for policy in found.policies] == pytest.approx([0.5] * 3, abs=1e-6)
    assert exploitability(tables, found.policies) == pytest.approx([0.0] * 3, abs=1e-6)


def test_whether_it_is_at_rest_is_told() -> None:
    assert not quantal_equilibrium(zero_sum(ROCK), 0.05, most=5).at_rest
    pennies = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert exploitability([pennies, 1 - pennies], [torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])]) == [0.0, 1.0]


def test_large_payoffs_alike_leave_nothing_to_gain() -> None:
    alike = [torch.full((3, 3), 1e6)] * 2
    assert exploitability(alike, [torch.full((3,), 1 / 3)] * 2) == [0.0, 0.0]
    above = [table.double() + 1e9 for table in zero_sum(ROCK)]
    plain, moved = (quantal_equilibrium(tables, 0.2) for tables in (zero_sum(ROCK), above))
    assert moved.at_rest
    torch.testing.assert_close(moved.policies, plain.policies, atol=1e-6, rtol=0)


@pytest.mark.parametrize("step", [0.0, -1.0, math.inf, math.nan])
def test_steps_that_lead_nowhere_are_refused(step: float) -> None:
    with pytest.raises(ValueError, match="it must be above 0, and finite"):
        quantal_equilibrium(zero_sum(ROCK), 0.5, step=step)


def test_policies_that_are_none_are_refused() -> None:
    half = torch.tensor([0.5, 0.5])
    with pytest.raises(ValueError, match="which add up to 1"):
        exploitability([DILEMMA, DILEMMA.T], [half, 2 * half])
    with pytest.raises(ValueError, match=r"policies of shapes \[2\] in a game of \[2, 2\] choices"):
        exploitability([DILEMMA, DILEMMA.T], [half])


@pytest.mark.parametrize(
    ("payoffs", "temperature", "magnets", "message"),
    [
        ([DILEMMA], 1.0, None, r"shapes \[2, 2\]: give one for each"),
        ([DILEMMA, ROCK], 1.0, None, "all of one shape"),
        ([], 1.0, None, "shapes none"),
        ([DILEMMA, DILEMMA.log() * 0], 1.0, None, "no finite number"),
        ([DILEMMA, DILEMMA.T], 0.0, None, "give one above 0"),
        ([DILEMMA, DILEMMA.T], [1.0], None, "one for each of the 2 players"),
        ([DILEMMA, DILEMMA.T], 1.0, [torch.tensor([1.0, 0.0])] * 2, "give each some of the probability"),
        ([DILEMMA, DILEMMA.T], 1.0, [torch.tensor([1.0, math.inf])] * 2, "give each some of the probability"),
        ([DILEMMA, DILEMMA.T], 1.0, [torch.ones(2)] * 3, "3 magnets for 2 players"),
        ([torch.zeros(2, 0)] * 2, 1.0, None, "no choice at all"),
    ],
)
def test_games_that_cannot_be_are_refused(
    payoffs: list[Tensor], temperature: float, magnets: list[Tensor] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        quantal_equilibrium(payoffs, temperature, magnets)
