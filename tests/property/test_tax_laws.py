"""Laws of taxes, inequality and the accounting between them, for any rates, incomes and hours."""

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from societies.labour import EQUALITY, HOURS, LUMP_SUM, NET, PRODUCTIVITY, LabourMarket
from societies.taxes import US_BRACKETS, marginal_rate, tax
from societies.welfare import equality, gini

MARKET = LabourMarket(torch.arange(0.0, 2.51, 0.125), US_BRACKETS)
RATES = st.lists(st.floats(0, 1, width=32), min_size=7, max_size=7)
INCOMES = st.lists(st.floats(8_000, 1.5e6, width=32), min_size=2, max_size=12)
SOME = settings(max_examples=40)


def _slow_tax(income: float, rates: list[float]) -> float:
    """Bracket by bracket."""
    edges = [*US_BRACKETS, float("inf")]
    return sum(r * max(0.0, min(income, b) - a) for r, a, b in zip(rates, edges[:-1], edges[1:], strict=True))


@SOME
@given(RATES, INCOMES)
def test_tax_is_its_definition(rates: list[float], incomes: list[float]) -> None:
    owed = tax(torch.tensor([incomes], dtype=torch.float64), torch.tensor([rates], dtype=torch.float64))
    slow = torch.tensor([[_slow_tax(z, rates) for z in incomes]], dtype=torch.float64)
    torch.testing.assert_close(owed, slow, rtol=1e-9, atol=1e-6)


@SOME
@given(RATES, INCOMES)
def test_nobody_pays_more_than_all_of_it_and_more_income_never_means_less_net(
    rates: list[float], incomes: list[float]
) -> None:
    income = torch.tensor([sorted(incomes)], dtype=torch.float64)
    owed = tax(income, torch.tensor([rates], dtype=torch.float64))
    assert float(owed.min()) >= -1e-6
    assert bool((owed <= income + 1e-6).all())
    assert bool(((income - owed).diff() >= -1e-6).all())


@SOME
@given(RATES, INCOMES, st.data())
def test_taxes_only_move_money(rates: list[float], incomes: list[float], data: st.DataObject) -> None:
    hours = data.draw(st.lists(st.integers(0, 20), min_size=len(incomes), max_size=len(incomes)))
    settled, income, gross = _settled(rates, incomes, hours)
    net = settled[..., NET] * income
    torch.testing.assert_close(net.sum(1), gross.sum(1), rtol=1e-5, atol=1.0)
    lump = settled[..., LUMP_SUM] * income.mean(1, keepdim=True)
    owed = gross - net + lump
    torch.testing.assert_close(owed.sum(1), lump.sum(1), rtol=1e-4, atol=5.0)  # what is paid in is paid out
    assert float(net.min()) >= -1.0
    torch.testing.assert_close(settled[0, :, PRODUCTIVITY], (gross.mean(1) / income.mean(1)).expand(len(incomes)))
    torch.testing.assert_close(settled[..., HOURS] * income, gross)
    assert -1e-5 <= float(settled[0, 0, EQUALITY]) <= 1 + 1e-5


def _settled(rates: list[float], incomes: list[float], hours: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Features after a step, full-time incomes and gross incomes."""
    features = MARKET.before(torch.tensor([incomes]), torch.zeros(7))
    income = MARKET.income(features)
    response = MARKET.respond(torch.tensor([hours]))
    return MARKET.settle(features, torch.tensor([rates]), response).features, income, income * response[..., 0]


@SOME
@given(st.floats(0, 1, width=32), INCOMES)
def test_a_flat_tax_on_equal_hours_shrinks_all_distances_alike(rate: float, incomes: list[float]) -> None:
    assume(max(incomes) > 1.01 * min(incomes))
    settled, _, gross = _settled([rate] * 7, incomes, [8] * len(incomes))
    expected = 1 - (1 - rate) * (1 - equality(gross[0].double()))
    torch.testing.assert_close(settled[0, 0, EQUALITY].double(), expected, rtol=0, atol=1e-4)


@SOME
@given(RATES, INCOMES)
def test_the_marginal_rate_is_the_slope(rates: list[float], incomes: list[float]) -> None:
    income, t = torch.tensor([incomes], dtype=torch.float64), torch.tensor([rates], dtype=torch.float64)
    floors = torch.tensor(US_BRACKETS, dtype=torch.float64)
    assume(float((income[..., None] - floors).abs().min()) > 0.1)
    slope = (tax(income + 0.05, t) - tax(income - 0.05, t)) / 0.1
    torch.testing.assert_close(slope, marginal_rate(income, t), rtol=0, atol=1e-6)


@SOME
@given(st.lists(st.floats(0, 1e6, width=32), min_size=2, max_size=10))
def test_gini_is_the_mean_difference(incomes: list[float]) -> None:
    assume(sum(incomes) > 1.0)
    x, n = torch.tensor(incomes, dtype=torch.float64), len(incomes)
    naive = sum(abs(a - b) for a in x.tolist() for b in x.tolist()) / (2 * n * float(x.sum()))
    assert abs(float(gini(x)) - naive) < 1e-9
    assert abs(float(gini(3.7 * x)) - naive) < 1e-9  # money may be counted in any unit
    assert abs(float(gini(x.flip(0))) - naive) < 1e-9


@SOME
@given(INCOMES, st.floats(0, 0.49))
def test_giving_to_a_poorer_neighbour_raises_equality(incomes: list[float], share: float) -> None:
    x = torch.tensor(sorted(incomes), dtype=torch.float64)
    gap = share * (x[-1] - x[0])
    after = x.clone()
    after[0], after[-1] = x[0] + gap, x[-1] - gap
    assert float(equality(after)) >= float(equality(x)) - 1e-9


def test_equality_at_its_ends() -> None:
    assert float(equality(torch.full((5,), 3.0))) == 1.0
    assert abs(float(equality(torch.tensor([0.0, 0.0, 0.0, 7.0])))) < 1e-6
    assert float(gini(torch.zeros(4))) == 0.0
