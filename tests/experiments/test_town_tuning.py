"""Equal effort: as many trials of everyone, and the tables run what won."""

import time
from functools import partial
from operator import methodcaller
from pathlib import Path

import pytest

from experiments import team_scale, team_tuning, tuning
from experiments.saving_work import Bench, Unit, do_all
from experiments.town_scale import TownScale
from experiments.town_trials import WINNERS, ppo_trials
from experiments.town_tuning import Size, claim, learners

LISTS = {name: learner.trials for name, learner in learners(Size()).items()}


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
    monkeypatch.setattr(tuning, "workplace", lambda name, smoke, tracked: tmp_path)
    found = claim(smoke=True)
    assert {name: len(own) for name, own in found.figures["scores"].items()} == dict.fromkeys(LISTS, 2)
    for own in found.figures["scores"].values():
        assert own[0] == own[1]  # the same settings twice
    missed = [name for name, winner in WINNERS.items() if winner != 0]
    assert found.passed == (not missed)  # the first of equals wins
    assert all(name in found.figure.partition("not what")[2] for name in missed)


def test_teams_are_tuned_for_by_the_same_trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tuning, "workplace", lambda name, smoke, tracked: tmp_path)
    found = team_tuning.claim(smoke=True)
    assert set(found.figures["scores"]) == {"ppo", "recurrent"} == set(team_scale.WINNERS)
    scale = team_scale.TeamScale()
    assert (scale.ppo, scale.recurrent) == tuple(ppo_trials()[team_scale.WINNERS[n]] for n in ("ppo", "recurrent"))


def test_an_error_breaks_off_what_is_under_way(tmp_path: Path):
    began = time.monotonic()
    units = [Unit("broken", methodcaller("part", "all", partial(int, "no number"))), Unit("long", partial(_sleep, 60))]
    with pytest.raises(ValueError, match="no number"):
        do_all(units, tmp_path, 2, 0.0)
    assert time.monotonic() - began < 40


def _sleep(seconds: float, bench: Bench) -> None:
    time.sleep(seconds)
