"""`solon doctor` and `solon journal`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.llm.journal import Journal
from agents.llm.mock import mock
from agents.llm.population import LanguagePopulation
from experiments import doctor
from experiments.cli import app
from experiments.errors import ROOT
from learning.draws import draws
from personas.rosters import open_rosters
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, play


def run(*arguments: str | Path):
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})


def test_the_doctor_names_what_it_found():
    done = run("doctor", "--json")
    found = {one["about"]: one for one in json.loads(done.stdout)}
    assert {"machine", "python", "packages", "torch", "small model", "vLLM", "API keys", "disk", "journal"} <= set(
        found
    )
    assert done.exit_code == int(any(one["state"] == "bad" for one in found.values()))
    assert all(one["fix"] for one in found.values() if one["state"] == "bad")


def test_the_doctor_never_shows_a_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MADEUP_API_KEY", "sk-very-secret")
    said = run("doctor").stdout
    assert "MADEUP_API_KEY" in said
    assert "sk-very-secret" not in said


def test_a_package_at_another_version_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "constraints.txt").write_text("numpy==0.0.1\nno-such-package==1.0\n")
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    told = [finding.found for finding in doctor._packages()]
    assert any("numpy" in text and "pinned 0.0.1" in text for text in told)
    assert any("not installed: no-such-package" in text for text in told)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of one episode with a stand-in for a model."""
    file, society = tmp_path_factory.mktemp("run") / "journal.sqlite", IncomeTax()
    people = open_rosters(ROOT / "personas/populations/communities.yaml").people(draws(0, 0, 1))
    with Journal(file) as opened:
        population = LanguagePopulation(mock("uniform"), opened).under("learning")
        play(society, population, people, Fixed(society.default_mechanism()), draws(0, 0, 1))
    return file


def test_a_journal_is_summed_up_by_purpose(journal: Path):
    ledgers = json.loads(run("journal", journal, "--json").stdout)["ledgers"]
    assert ledgers["learning"]["decisions"] == 12 * 32
    assert ledgers["in all"] == ledgers["learning"]
    assert ledgers["learning"]["real"] + ledgers["learning"]["cached"] == 12 * 32
    table = run("journal", journal).stdout
    assert "mock:uniform" in table
    assert "384" in table


def test_a_missing_journal_is_one_message(tmp_path: Path):
    done = run("journal", "no-such-run")
    assert done.exit_code == 2
    assert "there is no run 'no-such-run'" in done.stderr
