"""The table of team formation: everything in it is measured, the way counts from yardstick to yardstick, parts stay."""

from pathlib import Path

import pytest

from experiments import team_table
from experiments.saving_work import done
from experiments.team_scale import TeamScale
from societies.teams import AGENTS, STEPS


def test_a_small_run_measures_every_row_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(team_table, "workplace", lambda name, smoke, tracked: tmp_path)
    monkeypatch.setattr(team_table, "result_file", lambda name, smoke: tmp_path / "out.json")
    found = team_table.claim(smoke=True)
    rows = {(row["method"], row["episodes"]): row for row in found.figures["table"]}
    assert {method for method, _ in rows} == set(team_table.LABELS)
    assert rows["bayes", None]["way"][0] == pytest.approx(1.0)
    assert rows["best_fixed", None]["way"][0] == pytest.approx(0.0)
    assert rows["bayes_best_first", None]["way_to_best_first"][0] == pytest.approx(1.0)
    assert rows["swm_ap", 2]["seeds"] == 2
    assert found.figures["way_to_bayes"] == rows["swm_ap", 2]["way"]
    assert set(found.figures["savings"]) == {"ppo", "recurrent"}
    assert set(found.figures["bars"]) == {"way", "saving", "not_below_ppo", "ppo_levelled_off"}
    assert sum(found.figures["first_partitions"]["2"].values()) == 2
    less, whole = (STEPS * done(tmp_path, "swm_ap-0", part)["welfare"].mean() for part in ("six_kinds", "2"))
    assert rows["six_kinds", 2]["over"]["swm_ap"][0] == pytest.approx(float(less - whole), abs=1e-4)
    assert b"<svg" in (tmp_path / "out.svg").read_bytes()
    parts = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    assert team_table.claim(smoke=True).figures == found.figures
    assert {file: file.stat().st_mtime_ns for file in parts} == parts


def test_what_is_compared_is_counted_alike():
    scale = TeamScale()
    assert scale.ablation in scale.budgets
    assert scale.ablation_seeds <= scale.seeds
    assert STEPS * AGENTS == team_table.PER_EPISODE
