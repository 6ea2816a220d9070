"""Equal effort: as many trials of everyone, and the tables run what won."""

from pathlib import Path

import pytest

from experiments import town_tuning
from experiments.town_scale import TownScale
from experiments.town_trials import WINNERS
from experiments.town_tuning import LISTS, Size, claim


def test_everyone_has_as_many_trials_all_different():
    assert {len(trials) for trials in LISTS.values()} == {Size().trials}
    for trials in LISTS.values():
        assert all(trial not in trials[:i] for i, trial in enumerate(trials))


def test_the_tables_run_the_winners():
    scale = TownScale()
    assert set(WINNERS) == set(LISTS)
    for name, trials in LISTS.items():
        field = {"swm_ap": "swm"}.get(name, name)
        assert getattr(scale, field) == trials[WINNERS[name]]


def test_a_small_run_scores_every_trial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(town_tuning, "workplace", lambda name, smoke, tracked: tmp_path)
    found = claim(smoke=True)
    assert {name: len(own) for name, own in found.figures["scores"].items()} == dict.fromkeys(LISTS, 2)
    for own in found.figures["scores"].values():
        assert own[0] == own[1]  # the same settings twice
    assert found.passed
