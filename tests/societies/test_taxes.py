"""The bracket tax against hand-worked numbers."""

import pytest
import torch

from societies.taxes import US_BRACKETS, US_RATES, marginal_rate, tax

US = torch.tensor([US_RATES], dtype=torch.float64)

# 2024, single, on taxable income. 60,000: 1,160 + .12 * 35,550 + .22 * 12,850. 700,000: 1,160 + 4,266 + 11,742.50 +
# 21,942 + 16,568 + 127,968.75 + .37 * 90,650.
BY_HAND = {
    0: 0.0,
    10_000: 1_000.0,
    11_600: 1_160.0,
    47_150: 5_426.0,
    60_000: 8_253.0,
    100_525: 17_168.5,
    700_000: 217_187.75,
}


@pytest.mark.parametrize(("income", "owed"), BY_HAND.items())
def test_us_federal_by_hand(income: float, owed: float) -> None:
    assert float(tax(torch.tensor([[income]], dtype=torch.float64), US)) == pytest.approx(owed, abs=1e-6)


def test_float32_is_within_a_dollar_at_a_million() -> None:
    income = torch.tensor([[20_000.0, 150_000.0, 1_000_000.0, 3_750_000.0]])
    exact = tax(income.double(), US)
    torch.testing.assert_close(tax(income, US.float()).double(), exact, rtol=0, atol=1.0)


def test_worlds_have_their_own_rates_and_shapes_are_free() -> None:
    income = torch.full((2, 3, 4), 50_000.0)
    rates = torch.stack([torch.full((7,), 0.5), torch.tensor(US_RATES)])
    owed = tax(income, rates)
    assert owed.shape == income.shape
    assert owed[0].unique().tolist() == [25_000.0]
    assert owed[1].unique().tolist() == [pytest.approx(5_426 + 0.22 * 2_850)]


def test_other_brackets_by_hand() -> None:
    income = torch.tensor([[50_000.0, 100_000.0, 200_000.0]])
    owed = tax(income, torch.tensor([[0.1, 0.5, 0.2]]), (0.0, 90_000.0, 159_100.0))
    torch.testing.assert_close(owed, torch.tensor([[5_000.0, 14_000.0, 9_000.0 + 34_550.0 + 8_180.0]]))


def test_marginal_rate_is_that_of_the_next_dollar() -> None:
    income = torch.tensor([[0.0, 11_599.0, 11_600.0, 100_000.0, 1e6]])
    expected = torch.tensor([[0.10, 0.10, 0.12, 0.22, 0.37]])
    torch.testing.assert_close(marginal_rate(income, US.float()), expected)
    more = (tax(income.double() + 1e-3, US) - tax(income.double(), US)) / 1e-3
    torch.testing.assert_close(more.float(), expected, rtol=0, atol=1e-4)


def test_gradients_are_bracket_contents() -> None:
    rates = US.clone().requires_grad_()
    tax(torch.tensor([[60_000.0]], dtype=torch.float64), rates).sum().backward()
    assert rates.grad is not None
    assert rates.grad[0].tolist() == pytest.approx([11_600, 35_550, 12_850, 0, 0, 0, 0])


def test_there_are_as_many_rates_as_brackets() -> None:
    assert len(US_RATES) == len(US_BRACKETS)
    assert US_BRACKETS[0] == 0.0
