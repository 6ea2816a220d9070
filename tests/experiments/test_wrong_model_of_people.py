"""The towns of odd people, and a small run of the claim on them."""

from pathlib import Path

import pytest
import torch

from experiments import wrong_model_of_people
from experiments.wrong_model_of_people import claim, place
from experiments.wrong_people import CHANGES, FORMS, REPEATS, Form
from learning.draws import draws
from mechanism.explore import RandomRules
from personas.people import People


def people(form: Form, worlds: int = 60) -> People:
    return place(form, 0, 1).training.rosters.people(draws(5, 0, worlds))


def test_kinds_are_as_told():
    third = people("three kinds").trait("roaming")
    assert [float((third == value).float().mean()) for value in (0, 0.5, 1)] == pytest.approx([1 / 3] * 3, abs=0.04)
    path = people("drifting").traits
    changed = (path[..., 1:] != path[..., :-1]).float().mean()
    assert float(changed) == pytest.approx(CHANGES, abs=0.02)
    assert torch.equal(path[..., 0], people("right").trait("roaming"))


def test_neighbours_are_alike_and_maps_differ():
    who = people("alike", 200)
    kind = who.trait("roaming")
    homes = torch.stack([who.attribute("home_x"), who.attribute("home_y")], -1)
    apart = (homes[:, :, None] - homes[:, None]).abs().sum(-1) + 9 * torch.eye(who.agents)
    same = (kind[:, :, None] == kind[:, None]).float()
    assert float(same[apart < 0.1].mean()) > 0.85
    assert float(same[(apart > 0.6) & (apart < 8)].mean()) < 0.6
    assert float(kind.mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("form", FORMS)
def test_chances_add_up_and_habits_hold(form: Form):
    stage = place(form, 0, 1).training
    played = stage.play_sealed(RandomRules(stage.society, draws(1, 0, 40)), 0, 40)
    choice = played.episode.choice
    assert torch.equal(choice.sum(-1), torch.ones(choice.shape[:3]))
    again = (choice[:, 1:] * choice[:, :-1]).sum(-1).mean()
    if form == "habits":
        assert float(again) > REPEATS


def test_a_small_run_asks_learns_and_compares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(wrong_model_of_people, "workplace", lambda name, smoke, tracked: tmp_path)
    found = claim(smoke=True)
    assert set(found.figures["forms"]) == {"right", "drifting"}
    assert "SWM-AP over trait-blind" in found.figure
    assert claim(smoke=True) == found
