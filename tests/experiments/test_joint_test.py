"""One test of many quantities: exact where it can be counted, and of the size it says."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from experiments.joint_test import holm, joint_test, paired_p


def test_three_pairs_that_agree_are_found_in_two_of_eight_ways() -> None:
    found = joint_test(np.array([[1.0], [2.0], [1.5]]))
    assert found.p == pytest.approx(2 / 8)


def test_a_difference_in_one_of_many_is_found_and_named() -> None:
    values = np.random.default_rng(0).normal(size=(10, 40))
    values[:, 17] += 6
    found = joint_test(values)
    assert found.quantity == 17
    assert found.p == pytest.approx(2 / 1024)


def test_more_pairs_than_can_be_counted_are_drawn() -> None:
    values = np.random.default_rng(1).normal(size=(20, 5))
    assert joint_test(values).p > 0.01
    assert joint_test(values + 3).p < 0.001


def test_it_errs_as_often_as_it_says() -> None:
    """However the quantities hang together: here each is nearly the same as the next."""
    generator = np.random.default_rng(2)
    shared = generator.normal(size=(300, 8, 1))
    errs = [joint_test(one + 0.3 * generator.standard_t(3, size=(8, 12))).p <= 0.05 for one in shared]
    assert 0.02 <= np.mean(errs) <= 0.085


def test_the_same_difference_in_every_pair_is_the_strongest_there_can_be() -> None:
    values = np.random.default_rng(4).normal(size=(10, 5))
    values[:, 3] = 0.1  # of which ten do not add up to one exactly
    found = joint_test(values)
    assert (found.quantity, found.statistic) == (3, np.inf)
    assert found.p == pytest.approx(2 / 1024)


@pytest.mark.parametrize("values", [np.zeros((1, 3)), np.zeros((4, 0)), np.eye(4, 2) * [1, 0]])
def test_what_cannot_be_tested_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"two pairs|the same on both sides"):
        joint_test(values)


def test_p_of_one_quantity_is_students() -> None:
    a, b = np.random.default_rng(3).normal(size=(2, 9))
    assert paired_p(a - b) == pytest.approx(ttest_rel(a, b).pvalue)
    assert paired_p(np.zeros(4)) == 1.0
    assert paired_p(np.full(4, 2.0)) == 0.0


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
