"""Draws depend on names and counters only, and are what they are called."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from learning.draws import Draws, child_seed, draws


@settings(max_examples=20)
@given(st.integers(0, 2**62 - 1), st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 5))
def test_a_world_draws_the_same_in_any_batch(seed: int, start: int, worlds: int, step: int) -> None:
    together = draws(seed, start, worlds).normal("wage", step, 4, 3)
    backwards = Draws(seed, torch.arange(start, start + worlds).flip(0)).normal("wage", step, 4, 3)
    assert torch.equal(together, backwards.flip(0))
    assert torch.equal(together[-1:], draws(seed, start + worlds - 1, 1).normal("wage", step, 4, 3))


def test_uniform_and_normal_have_their_laws() -> None:
    d = draws(7, 0, 400)
    u = d.uniform("a", 0, 100).flatten().numpy()
    assert 0.0 < u.min() < 1e-3 < 1 - 1e-3 < u.max() < 1.0
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert stats.kstest(d.normal("a", 0, 100).flatten().numpy(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("other", ["purpose", "step", "seed", "episode", "position"])
def test_different_names_are_independent(other: str) -> None:
    first = draws(7, 0, 50).normal("a", 0, 200)
    second = {
        "purpose": lambda: draws(7, 0, 50).normal("b", 0, 200),
        "step": lambda: draws(7, 0, 50).normal("a", 1, 200),
        "seed": lambda: draws(8, 0, 50).normal("a", 0, 200),
        "episode": lambda: draws(7, 50, 50).normal("a", 0, 200),
        "position": lambda: first.roll(1, 1),
    }[other]()
    correlation = torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]
    assert abs(float(correlation)) < 0.04  # 4 standard errors of 10,000 pairs


def test_choice_follows_the_distribution() -> None:
    log_probs = torch.tensor([0.1, 0.0, 0.6, 0.3]).log().expand(500, 40, 4)
    counts = torch.bincount(draws(3, 0, 500).choice("x", 0, log_probs).flatten(), minlength=4)
    assert counts[1] == 0
    torch.testing.assert_close(counts / 20_000, torch.tensor([0.1, 0.0, 0.6, 0.3]), atol=0.015, rtol=0)


def test_child_seeds_differ_by_name() -> None:
    assert child_seed(1, "a") == child_seed(1, "a")
    assert len({child_seed(s, n) for s in range(50) for n in "abcd"}) == 200
    assert 0 <= child_seed(1, "a") < 2**62


def test_copies_of_worlds_get_the_same_draws():
    d = draws(7, 3, 2)
    once, thrice = d.uniform("luck", 4, 5), d.repeated(3).uniform("luck", 4, 5)
    assert torch.equal(thrice, once.repeat(3, 1))
