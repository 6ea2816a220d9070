"""The world model as one thing: what it reads, what it says, and its weights on disk."""

from pathlib import Path

import pytest
import torch

from societies.catalog import load
from tests.world_model.island import Island
from world_model.model import ModelSettings, WorldModel

SETTINGS = ModelSettings(members=3, traits=2, community=2)


def situation() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(3, 4, 6, *s, generator=generator) for s in ((5, 2), (3,), (2,))]


def test_the_doubting_member_is_the_next_one():
    made, facts = WorldModel(Island(), SETTINGS, 0), situation()
    with torch.no_grad():
        doubt = made.doubt(*facts, torch.ones(facts[0].shape[:-1], dtype=torch.bool))
        for s in range(3):
            same = [x[s].expand(3, *x.shape[1:]) for x in facts]  # every member on the worlds of member s
            torch.testing.assert_close(doubt[s], made.log_probs(*same)[(s + 1) % 3])


def test_the_seed_makes_the_model():
    one, same, other = (WorldModel(Island(), SETTINGS, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_evidence_holds_prospects_reply_and_state():
    made, (prospects, features, _) = WorldModel(Island(), SETTINGS, 0), situation()
    choice = torch.rand(3, 4, 6, 5, generator=torch.Generator().manual_seed(2))
    evidence = made.evidence(prospects, features, choice, choice > -1)
    assert evidence.shape == (3, 4, 6, 5 * 2 + 5 + 3 + 2 * 2)
    torch.testing.assert_close(evidence[..., 10:15], choice)
    torch.testing.assert_close(evidence[..., :10], prospects.flatten(-2))  # before any fit, standardising is identity
    torch.testing.assert_close(evidence[..., 15:18], features)
    expected = (choice[..., None] * prospects).sum(-2)  # [3, 4, 6, 2] of what the reply would bring
    torch.testing.assert_close(evidence[..., 18:20], expected)


def test_weights_come_back_from_disk(tmp_path: Path):
    made, other = WorldModel(Island(), SETTINGS, 1), WorldModel(Island(), SETTINGS, 2)
    made.scaler.read(torch.rand(9, 5, 2), torch.rand(9, 3))
    made.save(tmp_path / "people.safetensors")
    other.restore(tmp_path / "people.safetensors")
    assert all(torch.equal(made.state_dict()[name], other.state_dict()[name]) for name in made.state_dict())
    assert torch.equal(made.log_probs(*situation()), other.log_probs(*situation()))


def test_weights_of_other_sizes_are_refused(tmp_path: Path):
    WorldModel(Island(), SETTINGS, 1).save(tmp_path / "people.safetensors")
    with pytest.raises(RuntimeError, match="size mismatch"):
        WorldModel(Island(), ModelSettings(members=3, traits=4), 1).restore(tmp_path / "people.safetensors")


def test_a_society_whose_response_is_more_than_choices_is_refused():
    with pytest.raises(ValueError, match=r"team_formation: .* does not follow from their choices alone"):
        WorldModel(load("team_formation"), SETTINGS, 0)
