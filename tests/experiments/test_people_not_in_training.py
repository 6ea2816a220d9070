"""The claim on people who were not in training: a small run, and shares of what training there would gain."""

from pathlib import Path

import numpy as np
import pytest

from experiments import people_not_in_training
from experiments.people_not_in_training import claim
from experiments.statistics import way_share


def test_a_small_run_compares_every_way_to_a_larger_town(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(people_not_in_training, "workplace", lambda name, smoke, tracked: tmp_path)
    found = claim(smoke=True)
    assert set(found.figures["kept"]) == {"4 to 8", "8 to 4", "4 to 8 anew"}
    assert found.passed == (min(found.figures["kept"][way][0] for way in ("4 to 8", "4 to 8 anew")) >= 0.9)
    assert claim(smoke=True) == found


def test_the_share_of_a_way_that_was_measured_with_the_same_seeds():
    low, high = np.zeros(3), np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    share = way_share(high / 2, low, high)
    assert (share.value, share.low, share.high) == pytest.approx((0.5, 0.5, 0.5))
    assert way_share(high, low, high / 2).value == pytest.approx(2.0)
    with pytest.raises(ValueError, match="the same"):
        way_share(high, np.full(3, 3.0), high)
