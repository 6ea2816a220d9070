"""Summaries with known answers, and the laws that intervals must keep."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.statistics import (
    Interval,
    Reach,
    Share,
    censored_median,
    crossed_interval,
    first_reached,
    gone_interval,
    mean_interval,
    paired_interval,
    share_interval,
)

NUMBERS = st.floats(-1e3, 1e3)


def half(found: Interval) -> float:
    return (found.high - found.low) / 2


def test_the_interval_of_a_mean_is_the_textbook_one_for_many_values():
    values = np.arange(200) / 199  # uniform on [0, 1]: sd .2901, so ± 1.96 * .2894 / sqrt(200)
    found = mean_interval(values)
    assert found.value == pytest.approx(0.5)
    assert half(found) == pytest.approx(1.96 * values.std() / math.sqrt(200), rel=0.04)


def test_pairing_removes_what_the_pairs_share():
    community = np.arange(50.0)
    found = paired_interval(community + 1.0, community)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    samples = np.random.default_rng(0).normal(3.0, 1.0, (100, 40))
    covered = [found.low <= 3.0 <= found.high for found in map(mean_interval, samples)]
    assert 0.89 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("seeds", [5, 10])
def test_few_values_are_not_taken_for_many(seeds: int):
    """Plain percentiles would hold the truth in 84% of all samples of five, in 90% of those of ten."""
    samples = np.random.default_rng(1).normal(3.0, 1.0, (150, seeds))
    held = [found.low <= 3.0 <= found.high for found in map(mean_interval, samples)]
    assert 0.91 <= np.mean(held) <= 0.99


def test_crossed_intervals_feel_both_seeds_and_communities():
    seeds, communities = np.linspace(-1, 1, 10)[:, None], np.linspace(-1, 1, 100)[None, :]
    by_seed, by_community = crossed_interval(seeds + 0 * communities), crossed_interval(0 * seeds + communities)
    both = crossed_interval(seeds + communities)
    wide = 2.262 * math.sqrt(10 / 9)  # Student's quantile of ten seeds
    assert half(by_seed) == pytest.approx(wide * seeds.std() / math.sqrt(10), rel=0.06)
    assert half(by_community) == pytest.approx(wide * communities.std() / math.sqrt(100), rel=0.06)
    assert half(both) == pytest.approx(math.hypot(half(by_seed), half(by_community)), rel=0.06)


@given(st.lists(NUMBERS, min_size=1, max_size=30))
@settings(max_examples=20)
def test_an_interval_lies_within_the_values_and_does_not_waver(values: list[float]):
    found = mean_interval(values)
    assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6
    assert found == mean_interval(values)


def test_what_is_gone_is_told_with_both_means_of_the_same_communities():
    rng = np.random.default_rng(0)
    whole = rng.gamma(2.0, 0.5, 200)
    exact = gone_interval(0.3 * whole, whole)
    assert (exact.value, exact.low, exact.high) == pytest.approx((0.7, 0.7, 0.7))
    noisy = gone_interval(0.3 * whole + rng.normal(0, 0.02, 200), whole)
    assert noisy.low < 0.7 < noisy.high
    assert noisy.high - noisy.low < 0.02  # held fixed, the mean of `whole` would have made it about .06 wide
    with pytest.raises(ValueError, match="one to one"):
        gone_interval([1.0], [1.0, 2.0])


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="1 of 3 values are not finite"):
        mean_interval([1.0, math.nan, 2.0])
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


def test_reached_means_reached_and_stayed_for_one_more_checkpoint():
    spent = [100, 200, 300, 400, 500]
    assert first_reached(spent, [0.0, 0.9, 0.5, 0.9, 0.9], 0.8) == Reach(400, True)
    assert first_reached(spent, [0.0, 0.9, 0.5, 0.7, 0.9], 0.8) == Reach(500, False)  # nothing after the last
    assert first_reached(spent, [0.8] * 5, 0.8) == Reach(100, True)


def test_the_median_of_uncensored_seeds_is_the_lower_median():
    assert censored_median([Reach(t, True) for t in (5, 1, 3)]) == 3
    assert censored_median([Reach(t, True) for t in (4, 1, 2, 3)]) == 2


def test_censored_seeds_are_not_dropped():
    """A textbook example (Bland & Altman 1998 style): 6+ 7 9+ 10 -> S(7) = .667, S(10) = 0."""
    seeds = [Reach(6, False), Reach(7, True), Reach(9, False), Reach(10, True)]
    assert censored_median(seeds) == 10  # dropping the censored ones would have said 7
    assert censored_median([Reach(1, True), Reach(9, False), Reach(9, False)]) is None


def test_the_share_of_paired_seeds():
    ours = [Reach(t, True) for t in (1, 2, 3)]
    theirs = [Reach(t * 20, True) for t in (1, 2, 3)]
    assert share_interval(ours, theirs) == Share(1 / 20, 1 / 20, 1 / 20)  # the same in every pair, so in every resample


def test_a_rival_that_never_arrives_gives_no_ratio_but_an_honest_bound():
    assert share_interval([Reach(1, True)] * 4, [Reach(50, False)] * 4) == Share(None, 1 / 50, 1 / 50)


def test_we_are_not_flattered_by_our_own_censored_seeds():
    ours = [Reach(1, True)] * 5 + [Reach(9, False)] * 5
    found = share_interval(ours, [Reach(100, True)] * 10)
    assert found.low == 0.01
    assert found.high is None
