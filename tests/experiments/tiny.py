"""A config whose whole run takes seconds, and the command line."""

import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from experiments import figures, runs
from experiments.cli import app

TINY = """
population: {people: personas/populations/communities.yaml, model: "mock:uniform"}
society: {name: income_tax}
baselines: [us_federal, saez]
evaluation: {communities: 2}
method:
  settings:
    first_episodes: 2
    check_episodes: 1
    base_worlds: 2
    tracker_worlds: 2
    base_search: {generations: 1, candidates: 4}
    fit: {steps: 2, tracker_steps: 2}
    improve: {iterations: 1, worlds: 2}
    model: {members: 2}
"""


def tiny_config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config as a file in a folder, where its runs are made too. Figures are left out of their reports: drawing
    them takes half of the time.
    """
    monkeypatch.setattr(runs, "RUNS", folder / "runs")
    monkeypatch.setattr(figures, "svg", lambda _: b"<svg/>")
    file = folder / "tiny.yaml"
    file.write_text(TINY)
    return file


def small_copy(run: Path, copy: Path) -> None:
    """The same run under a name of a small one."""
    shutil.copytree(run, copy)
    told = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(told.replace(f"name: {run.name}\n", f"name: {copy.name}\n", 1))


def solon(*words: object) -> Result:
    """What a command of the command line did."""
    return CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})
