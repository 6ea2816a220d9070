"""The claim about traits: the exact posterior, whose kind is whose, and what calibration means."""

from pathlib import Path

import pytest
import torch

from agents.scripted import ScriptedPopulation
from experiments import traits_are_right
from experiments.facility_oracles import Posterior
from experiments.traits_are_right import Town, calibration_error, claim, exact, matched
from learning.draws import draws
from mechanism.explore import RandomRules
from societies.base import PublicStep
from societies.catalog import load
from societies.facilities import Facilities
from societies.play import play
from tests.towns import town


def test_the_exact_posterior_is_the_one_that_plans():
    society = load("facility8")
    assert isinstance(society, Facilities)
    rules = RandomRules(society, draws(1, 0, 5))
    lived = play(society, ScriptedPopulation(False), town(society, 0, 5), rules, draws(1, 0, 5)).episode
    told, believes = exact(society, lived), Posterior(society)
    memory = believes.start(5)
    for t in range(1, society.steps):
        last = (lived.features[:, t - 1], lived.mechanism[:, t - 1], lived.response[:, t - 1], lived.choice[:, t - 1])
        memory, minds = believes.update(memory, PublicStep(t, lived.features[:, t], *last))
        torch.testing.assert_close(told[:, t - 1], minds.weight[..., 1])


def test_kinds_are_matched_whichever_comes_first():
    told = torch.tensor([[[0.1, 0.9, 0.8, 0.2]]])  # [C, T, N]
    kinds = torch.stack([told, 1 - told], -1)
    assert matched(kinds, told) == 0
    assert matched(kinds.flip(-1), told) == 1


def test_honest_chances_have_no_error_and_boasts_have():
    truth = torch.tensor([1.0] * 7 + [0.0] * 3)
    assert calibration_error(torch.full((10,), 0.7), truth) == pytest.approx(0.0, abs=1e-6)
    assert calibration_error(torch.full((10,), 0.95), truth) == pytest.approx(0.25, abs=1e-6)
    mixed = torch.tensor([0.95] * 7 + [0.05] * 3)
    assert calibration_error(mixed, truth) == pytest.approx(0.05, abs=1e-6)


def test_nothing_parts_a_belief_from_itself():
    chance = torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0))
    same = Town([{"chance": chance, "exact": chance, "truth": (chance[:, -1] > 0.5).float()}])
    assert same.divergence() == pytest.approx(torch.zeros(1, 5).numpy(), abs=1e-9)
    assert same.at_the_end("chance") == 1.0


def test_a_small_run_draws_who_was_taken_for_whom(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(traits_are_right, "workplace", lambda name, smoke: tmp_path)
    monkeypatch.setattr(traits_are_right, "result_file", lambda name, smoke: tmp_path / f"{name}.json")
    found = claim(smoke=True)
    assert set(found.figures) == {"facility8", "real_episodes", "settings"}
    assert (tmp_path / "traits_are_right-facility8.svg").exists()
    assert "calibration error" in found.figure
