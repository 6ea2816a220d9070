"""Saez's rates against exact Pareto incomes, planted elasticities and schedules worked by hand."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from mechanism.baselines.fixed import default, flat
from mechanism.baselines.saez import estimated_elasticity, saez, saez_rates
from mechanism.evaluate import welfare
from mechanism.explore import RandomRules
from personas.rosters import open_rosters
from societies.catalog import load
from societies.library.income_tax import full_time_income
from societies.play import Fixed
from societies.stage import Stage
from societies.taxes import US_BRACKETS, US_RATES, marginal_rate
from tests.world_model.island import stage


def pareto(shape: float, lowest: float, people: int = 200_000) -> Tensor:
    """Quantiles of a Pareto law at the middles of equal shares: a sample without noise."""
    share = (torch.arange(people, dtype=torch.float64) + 0.5) / people
    return lowest * (1 - share) ** (-1 / shape)


@pytest.mark.parametrize(("a", "e", "lowest"), [(2.5, 0.25, 50_000.0), (3.0, 0.5, 90_000.0), (4.0, 1.0, 250_000.0)])
def test_the_top_rate_of_an_exact_pareto(a: float, e: float, lowest: float):
    """Weights 1/z: G above b is lowest / b exactly, and m / (m - b) = a. Then (1 - G) / (1 - G + a e)."""
    incomes, top = pareto(a, lowest), US_BRACKETS[-1]
    social = lowest / top
    expected = (1 - social) / (1 - social + a * e)
    assert float(saez_rates(incomes, e)[-1]) == pytest.approx(expected, rel=0.02)


def test_inner_rates_of_an_exact_pareto():
    """z f / (1 - F) = a at every income; the mean density of a narrow bracket stands for that at its middle."""
    brackets = (0.0, 95_000.0, 105_000.0)
    rate = float(saez_rates(pareto(2.0, 50_000.0), 0.5, brackets)[1])
    social = 50_000.0 / 100_000.0
    assert rate == pytest.approx((1 - social) / (1 - social + 2.0 * 0.5), rel=0.01)


def test_a_schedule_by_hand():
    """Six people in two brackets. Above 50, the middle of the first: five of them, the one at 50 included."""
    incomes = torch.tensor([40.0, 50.0, 80.0, 200.0, 300.0, 400.0])
    weights = 1 / incomes / (1 / incomes).mean()
    bottom, top = float(weights[1:].mean()), float(weights[3:].mean())
    a = 50.0 * (3 / 100.0) / 5  # z f / (1 - F), six people in both
    b = 300.0 / (300.0 - 100.0)  # mean above the floor, and the floor
    expected = torch.tensor([(1 - bottom) / (1 - bottom + a * 0.5), (1 - top) / (1 - top + b * 0.5)])
    torch.testing.assert_close(saez_rates(incomes, 0.5, (0.0, 100.0)), expected)


def test_empty_brackets_take_the_rate_below_and_the_idle_are_left_out():
    incomes = torch.tensor([50.0, 60.0, 80.0, 200.0, 300.0, 400.0])
    rates = saez_rates(torch.cat([incomes, torch.zeros(50)]), 0.5, (0.0, 100.0, 1000.0, 2000.0))
    assert rates[2] == rates[1] == rates[3]
    assert float(rates[1]) > 0


@settings(max_examples=30)
@given(st.floats(0.05, 2.0), st.floats(1.05, 3.0), st.integers(0, 1000))
def test_rates_are_rates_and_fall_with_the_elasticity(elasticity: float, times: float, seed: int):
    incomes = (10.5 + torch.randn(300, generator=torch.Generator().manual_seed(seed))).exp()
    low, high = saez_rates(incomes, elasticity), saez_rates(incomes, elasticity * times)
    assert bool(((low >= 0) & (low < 1)).all())
    assert bool((high <= low + 1e-6).all())


def test_us_marginal_rates():
    income = torch.tensor([[0.0, 11_599.0, 11_600.0, 50_000.0, 100_525.0, 200_000.0, 243_725.0, 1e6]])
    rates = torch.tensor([US_RATES])
    expected = torch.tensor([[0.10, 0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37]])
    assert torch.equal(marginal_rate(income, rates), expected)


def planted(elasticity: float, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    """Twenty towns of ten under a new flat rate each of eight years; income = own level x (1 - rate)^e."""
    generator = torch.Generator().manual_seed(0)
    rates = torch.rand(20, 8, 1, generator=generator) * 0.8
    level = (10.5 + torch.randn(20, 1, 10, generator=generator)).exp()
    luck = (noise * torch.randn(20, 8, 10, generator=generator)).exp()
    return level * (1 - rates) ** elasticity * luck, rates.expand(-1, -1, len(US_RATES))


@pytest.mark.parametrize("elasticity", [0.1, 0.4, 1.2])
def test_a_planted_elasticity_is_recovered(elasticity: float):
    assert estimated_elasticity(*planted(elasticity)) == pytest.approx(elasticity, abs=1e-3)
    assert estimated_elasticity(*planted(elasticity, noise=0.3)) == pytest.approx(elasticity, abs=0.05)


def test_people_who_do_not_answer_taxes_get_the_floor():
    assert estimated_elasticity(*planted(0.0)) == 0.05
    assert estimated_elasticity(*planted(-0.5)) == 0.05


def test_the_idle_and_the_wholly_taxed_say_nothing():
    income, rates = planted(0.4)
    income, rates = income.clone(), rates.clone()
    rates[:, 0] = 1.0
    income[:, 0] = 123.0  # whatever they earned in the year in which all of it was taken
    income[:, 1, :5] = 0.0
    assert estimated_elasticity(income, rates) == pytest.approx(0.4, abs=1e-3)


def test_income_levels_alone_are_no_elasticity():
    """The rich face higher rates in a progressive schedule: between people that says nothing of how they answer."""
    income = torch.tensor([20_000.0, 60_000.0, 150_000.0]).repeat(4, 6, 1)
    assert estimated_elasticity(income, torch.tensor(US_RATES).repeat(4, 6, 1)) == 0.05


def test_the_schedule_of_real_episodes_is_the_formulas():
    here: Stage = stage("revenue")
    episode = here.play(RandomRules(here.society, draws(1, 0, 4)), 0, 4)
    full_time = torch.full((4, 6), 40_000.0)
    income = full_time[:, None] * episode.response[..., 0]
    flat = torch.full((4, 5, len(US_RATES)), 0.3)
    played = type(episode)(**{**vars(episode), "mechanism": flat})
    expected = saez_rates(income.flatten(), estimated_elasticity(income, flat))
    assert torch.equal(saez(played, full_time).mechanism, expected)


def test_it_wins_most_of_what_there_is_to_win_for_its_own_objective():
    """Saez's weights are those of `inverse_income`: far above US federal rates there, and near a good flat tax."""
    society = load("income_tax", "inverse_income")
    rosters = open_rosters(Path("personas/populations/communities.yaml"), society.agents)
    towns = Stage(society, ScriptedPopulation(), rosters, 5)
    lived = towns.play(default(society), 0, 40)
    income = full_time_income(lived.features[:, 0])[:, None] * lived.response[:, lived.counted, :, 0]
    rules = {"us": default(society), "flat": flat(society, 0.7), "saez": Fixed(saez_rates(income.flatten(), 0.43))}
    level = {name: float(welfare(towns, rule, 40).mean()) for name, rule in rules.items()}
    assert level["us"] + 0.6 * (level["flat"] - level["us"]) < level["saez"]
