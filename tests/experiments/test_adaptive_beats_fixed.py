"""The claim about adapting: each of its three bars decides."""

import pytest

from experiments.adaptive_beats_fixed import Found, holds
from experiments.statistics import Interval

CLEAR, GONE = Interval(0.04, 0.03, 0.05), Interval(-0.01, -0.03, 0.01)


@pytest.mark.parametrize(
    ("gain", "misled", "share", "expected"),
    [
        (CLEAR, GONE, 0.8, True),
        (Interval(0.04, -0.01, 0.09), GONE, 0.8, False),
        (CLEAR, GONE, 0.5, False),
        (CLEAR, Interval(0.02, 0.01, 0.025), 0.8, False),  # half of it stays: it was not about people
        (CLEAR, Interval(0.01, -0.02, 0.04), 0.8, False),  # nobody can tell whether it is gone
    ],
)
def test_every_bar_decides(gain: Interval, misled: Interval, share: float, expected: bool):
    assert holds(Found(gain, misled, []), share) is expected
