"""What a report tells of a town: maps and distances that can be counted by hand, and no word of taxes or years."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.scripted import ScriptedPopulation
from experiments import conclusions, town_report
from experiments.config import load_config
from experiments.errors import ROOT
from experiments.findings import report_data
from experiments.live import Live
from experiments.pipeline import execute, plan
from experiments.report import render
from experiments.report_data import Outings
from experiments.runs import open_run
from experiments.town_findings import _outings, places  # pyright: ignore[reportPrivateUsage]
from learning.draws import draws
from societies.base import Episode
from societies.facilities import Facilities
from societies.library.facility8 import society
from societies.library.income_tax import society as income_tax
from societies.play import Fixed, play
from tests.towns import town
from world_model.doubts import Doubt

TOWN = society()
HEADINGS = ("Where it is built", "How far people go", "Are people as the model assumes?", "Imagined against real")
PATH = (0, 9, 18, 27, 36)  # cells on the diagonal


def lived(worlds: int = 40) -> Episode:
    rules = Fixed(torch.eye(64)[list(PATH)])
    return play(TOWN, ScriptedPopulation(False), town(TOWN, 0, worlds), rules, draws(0, 0, worlds)).episode


def test_the_map_shows_what_was_built():
    (found,) = places(TOWN, "swm_ap", "SWM-AP", lived())
    assert found.share.shape == (8, 8)
    assert np.array_equal(found.share, np.diag([1.0] * 5 + [0.0] * 3))
    assert "row 1, column 1 (100%)" in town_report.on_map([found])
    assert places(income_tax(), "swm_ap", "SWM-AP", lived()) == ()


def test_outings_are_counted_by_distance():
    episode = lived()
    offered, gone = np.zeros((40, 15)), np.zeros((40, 15))
    cell = ((episode.features[:, 0, :, :2] * 2) + 3.5).round()  # column and row of every home
    for b in range(40):
        for n in range(8):
            for t in range(5):
                for slot, place in enumerate(PATH[: t + 1]):
                    away = int((cell[b, n] - torch.tensor([place % 8, place // 8])).abs().sum())
                    offered[b, away] += 1
                    gone[b, away] += float(episode.choice[b, t, n, slot + 1])
    found = _outings(TOWN, "lived", True, episode)
    known = found.blocks.astype(int)
    assert list(known) == list(np.flatnonzero(offered.sum(0) >= 20))
    expected = [np.mean([g / o for g, o in zip(gone[:, d], offered[:, d], strict=True) if o]) for d in known]
    assert found.share == pytest.approx(np.array(expected))


def test_sentences_follow_from_the_numbers():
    blocks = np.array([0.0, 1.0, 4.0])
    real = Outings("lived", True, blocks, np.array([0.8, 0.5, 0.1]), blocks, blocks)
    dreamt = Outings("imagined", False, blocks[:2], np.array([0.7, 0.5]), blocks[:2], blocks[:2])
    assert town_report.on_outings([real, dreamt]) == (
        "Of the open places 0 blocks away people go to 80%, of those 4 blocks away to 10%. "
        "The world model, fitted to these episodes, is off by 5.0 points on average."
    )
    assert "No richer model" in conclusions.on_doubts([Doubt("one more kind", 1.0, 0.9)])
    assert "allowing for one more kind:" in conclusions.on_doubts([Doubt("one more kind", 2.0, 0.9)])


def test_a_town_has_a_report_of_its_own(tmp_path: Path):
    over = ["method.settings.first_episodes=4", "evaluation.communities=4", "method.settings.fit.steps=20"]
    config = load_config(ROOT / "experiments/configs/facility32.yaml", over, smoke=True)
    with open_run(config, tmp_path) as run:
        with Live("town", plan(config)) as live:
            finished = execute(config, run, live)
        data = report_data(run, finished)
        assert report_data(run, finished).doubts == data.doubts
    page = render(data)
    assert isinstance(finished.cast.society, Facilities)
    assert len(data.places) == 4
    assert len(data.doubts) == 4
    for heading in HEADINGS:
        assert f"<h2>{heading}</h2>" in page
    words = re.sub(r"data:image[^\"]*", "", page[page.index("<body>") : page.index('<section id="made">')]).lower()
    assert not [word for word in ("bracket", "tax", "year", "hours a week", "schedule") if word in words]
