"""The claim about knowing people: its measure, and that an interrupted run goes on where it stopped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.scripted import ScriptedPopulation
from experiments import world_model_knows_people as claim
from experiments.stages import Stages

SMALL = replace(claim.SMOKE, samples=1)


def test_the_distance_is_the_divergence_from_the_truth():
    truth = torch.tensor([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]])  # [1, 2, 3]
    assert float(claim._distance(truth, truth)) == pytest.approx(0.0, abs=1e-6)
    other = torch.tensor([[[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]]])
    assert float(claim._distance(truth, other)) == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-6)


def test_finished_parts_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stages = Stages(tmp_path)
    first = claim._table(ScriptedPopulation(), "scripted", SMALL, stages)

    def refuse(*_: Any) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(claim, "learn_people", refuse)
    monkeypatch.setattr(claim, "_blind_gap", refuse)
    assert claim._table(ScriptedPopulation(), "scripted", SMALL, stages) == first


MET = claim.Row({"3": 0.8}, {}, {}, 0.02, 0.04, 0.9)


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        (MET, replace(MET, share={"3": 0.46}), True),
        (MET, replace(MET, share={"3": 0.44}), False),
        (replace(MET, share={"3": 0.74}), MET, False),
        (replace(MET, income_error_5=0.051), MET, False),
        (replace(MET, coverage=0.84), MET, False),
        (replace(MET, coverage=0.96), MET, False),
    ],
)
def test_every_bar_decides(soft: claim.Row, hard: claim.Row, expected: bool):
    assert claim.holds(claim.Table({}, soft, hard)) is expected
