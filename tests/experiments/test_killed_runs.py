"""A run, killed at random moments and started again by the same command: it goes on, and ends the same."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmarks.killed_run import PHASES, Moment, Town, moments, order_of
from experiments.kills_lose_nothing import Found, Kill, embedded, numbers, served

WHOLE = [
    *((0.0, "start"), (5.0, "learning"), (6.0, "64 calls"), (9.0, "people-0"), (12.0, "rules-0")),
    *((15.0, "rules-0 is made"), (16.0, "128 calls"), (20.0, "evaluation: swm_ap"), (25.0, "report"), (26.0, "end")),
]


@pytest.mark.parametrize("play", [embedded, served])
def test_a_small_run_killed_in_three_phases_ends_the_same(play: Callable[..., Found], tmp_path: Path):
    found = play(tmp_path, 3, small=True, fresh=False)
    assert found.good, found.plain()
    assert len({kill.phase for kill in found.kills}) == 3
    assert found.calls > 1_000
    assert any(kill.kept for kill in found.kills)
    assert found.asked_again <= found.lost <= 3 * found.limit


def test_an_episode_that_differs_is_another_end(tmp_path: Path):
    town = Town(tmp_path, ())
    file = tmp_path / "run/episodes/learning/episodes-00000.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"one")
    before = numbers(town)
    assert list(before) == ["run/episodes/learning/episodes-00000.parquet"]
    file.write_bytes(b"other")
    assert numbers(town) != before


@pytest.mark.parametrize(
    "wrong",
    [
        *({"asked_again": 70, "lost": 69}, {"kept_asked_again": 1}, {"kept_lost": 1}, {"most_lost": 65}),
        *({"whole": False}, {"same": False}, {"kills": [Kill("starting", False, 0, frozenset(), 0)]}),
    ],
)
def test_whatever_is_lost_or_asked_again_fails(wrong: dict[str, Any]):
    good = Found(
        decisions=10,
        calls=10,
        kills=[Kill("playing", True, 3, frozenset("a"), 64)],
        asked_again=60,
        kept_asked_again=0,
        kept_lost=0,
        lost=64,
        most_lost=64,
        limit=64,
        whole=True,
        same=True,
    )
    assert good.good
    assert not replace(good, **wrong).good


def test_moments_are_spread_over_all_phases_and_ordered():
    found = moments(WHOLE, 200, random.Random(1))
    assert {moment.phase for moment in found} == set(PHASES)
    times = [WHOLE[moment.after][0] + moment.seconds for moment in found]
    assert times == sorted(times)
    assert all(0 <= time <= 26 for time in times)
    assert sum(moment.phase == "starting" for moment in found) / 200 == pytest.approx(5 / 26, abs=0.1)


def test_a_moment_is_reached_when_a_later_mark_has_been_passed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    moment, order = Moment("playing", 2, 3.0), order_of(WHOLE)
    assert not moment.reached([(90.0, "start")], order)
    assert not moment.reached([(90.0, "start"), (98.0, "64 calls")], order)
    assert moment.reached([(90.0, "start"), (96.0, "64 calls")], order)
    assert moment.reached([(99.0, "start"), (99.9, "people-0")], order)
