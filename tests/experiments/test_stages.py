"""Finished parts of costly work: those of other settings, or of another model, are never taken for one's own."""

from pathlib import Path

import pytest

from experiments import provenance
from experiments.stages import stages_of


def test_parts_of_other_settings_or_of_another_model_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(provenance, "MODEL_FOLDER", tmp_path)
    folder = stages_of({"seed": 1}, tmp_path).folder
    assert stages_of({"seed": 1}, tmp_path).folder == folder
    assert stages_of({"seed": 2}, tmp_path).folder != folder
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert stages_of({"seed": 1}, tmp_path).folder != folder
