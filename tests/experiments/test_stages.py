"""Finished parts of costly work: those of other settings, or of another model, are never taken for one's own."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from experiments import provenance
from experiments.errors import UserError
from experiments.saving_work import done
from experiments.stages import LEVELS, Stages, stages_of


def test_parts_of_other_settings_or_of_another_model_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(provenance, "MODEL_FOLDER", tmp_path)
    folder = stages_of({"seed": 1}, tmp_path).folder
    assert stages_of({"seed": 1}, tmp_path).folder == folder
    assert stages_of({"seed": 2}, tmp_path).folder != folder
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert stages_of({"seed": 1}, tmp_path).folder != folder


def never() -> dict[str, Tensor]:
    raise AssertionError("it is finished, or must not be begun")


@pytest.mark.parametrize("damage", [b"", b"half of a file", None])
def test_a_damaged_part_is_refused_by_name(tmp_path: Path, damage: bytes | None):
    file = tmp_path / "stages/ppo-1/curve.safetensors"
    file.parent.mkdir(parents=True)
    if damage is None:
        save_file({"welfare": torch.tensor([1.0, torch.nan])}, file)
    else:
        file.write_bytes(damage)
    for read in (lambda: done(tmp_path, "ppo-1", "curve"), lambda: Stages(file.parent).get("curve", LEVELS, never)):
        with pytest.raises(UserError) as told:
            read()
        assert str(file) in str(told.value)
        assert "git checkout" in str(told.value)


def test_what_is_not_finite_is_not_kept(tmp_path: Path):
    with pytest.raises(ValueError, match="1 of 2 numbers of 'welfare' are not finite"):
        Stages(tmp_path).get("curve", LEVELS, lambda: {"welfare": torch.tensor([1.0, torch.inf])})
    assert not Stages(tmp_path).finished("curve", LEVELS)


@pytest.mark.parametrize("damage", ["", "[1]"])
def test_seconds_that_cannot_be_read_are_told_before_the_work(tmp_path: Path, damage: str):
    (tmp_path / "seconds.json").write_text(damage)
    with pytest.raises(ValueError, match=r"seconds\.json"):
        Stages(tmp_path).get("curve", LEVELS, never)
