"""The income distribution against scipy, against its own distribution function, and against published shares."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import f as f_distribution

from personas.incomes import gb2_quantile, income_at, standing

MU, SIGMA, NU, TAU = 72402.78, 2.07211, 0.486519, 1.14104


def test_quantiles_agree_with_scipy():
    p = np.concatenate([[6e-8, 1e-5], np.linspace(0.001, 0.999, 999), [1 - 1e-5, 1 - 6e-8]])
    exact = MU * ((NU / TAU) * f_distribution.ppf(p, 2 * NU, 2 * TAU)) ** (1 / SIGMA)
    assert gb2_quantile(torch.from_numpy(p)).numpy() == pytest.approx(exact, rel=1e-4)


def test_the_share_below_mu_by_hand():
    """At y = mu the share is the integral of x^(nu-1) (1-x)^(tau-1) over [0, 1/2] as part of its whole.

    With r = x^nu the integrand is (1 - r^(1/nu))^(tau-1) / nu, which has no pole.
    """
    beta = math.gamma(NU) * math.gamma(TAU) / math.gamma(NU + TAU)
    below = float(quad(lambda r: (1 - r ** (1 / NU)) ** (TAU - 1) / NU, 0, 0.5**NU)[0]) / beta
    assert float(gb2_quantile(torch.tensor(below, dtype=torch.float64))) == pytest.approx(MU, rel=1e-5)


def test_the_upper_tail_is_a_power_law():
    """P(Y > y) -> (y / mu)^(-sigma tau) / (tau B(nu, tau)) far out."""
    beta = math.gamma(NU) * math.gamma(TAU) / math.gamma(NU + TAU)
    y = 1e8
    above = (y / MU) ** (-SIGMA * TAU) / (TAU * beta)
    assert float(gb2_quantile(torch.tensor(1 - above, dtype=torch.float64))) == pytest.approx(y, rel=1e-3)


@given(st.floats(-5.3, 5.3), st.floats(-5.3, 5.3))
def test_incomes_rise_with_the_score(a: float, b: float):
    low, high = income_at(torch.tensor([min(a, b), max(a, b)])).tolist()
    assert low <= high


def test_workers_by_us_bracket():
    p = (torch.arange(1_000_000, dtype=torch.float64) + 0.5) / 1_000_000
    incomes = gb2_quantile(p).clamp(8_000, 1_500_000)
    edges = torch.tensor([11_600.0, 47_150, 100_525, 191_950, 243_725, 609_350])
    shares = torch.bincount(torch.bucketize(incomes, edges), minlength=7) / 1_000_000
    assert shares[:6].tolist() == pytest.approx([0.17, 0.42, 0.27, 0.11, 0.02, 0.02], abs=0.005)
    assert float(shares[6]) < 0.004  # nearly always empty in a town of 32


def test_standing_is_clipped():
    values = standing(torch.tensor([8_000.0, math.exp(10.5), math.exp(11.6), 1_500_000.0]))
    assert values.tolist() == pytest.approx([(math.log(8000) - 10.5) / 1.1, 0.0, 1.0, 2.0], abs=1e-5)
