"""`solon doctor` and `solon journal`."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from agents.llm.journal import Journal
from agents.llm.mock import mock
from agents.llm.population import LanguagePopulation
from experiments import doctor
from experiments.cli import app
from experiments.errors import ROOT
from experiments.journal_export import SCHEMA
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


def test_calls_are_written_alike_as_parquet_and_as_lines(journal: Path, tmp_path: Path):
    files = [tmp_path / f"calls.{form}" for form in ("parquet", "jsonl")]
    for file in files:
        assert run("journal", journal, "--export", file).exit_code == 0
    rows = [json.loads(line) for line in files[1].read_text().splitlines()]
    assert [{**row} for row in pq.read_table(files[0]).to_pylist()] == [
        {n: row[n] for n in SCHEMA.names} for row in rows
    ]
    ledger = json.loads(run("journal", journal, "--json").stdout)["ledgers"]["in all"]
    assert len(rows) == ledger["calls"]
    assert sum(row["tokens_in"] for row in rows) == ledger["tokens_in"]
    assert all(len(row["log_probs"]) == len(row["choices"]) for row in rows)


def test_calls_are_chosen_by_what_they_were_for(journal: Path, tmp_path: Path):
    file = tmp_path / "calls.jsonl"
    said = run("journal", journal, "step=3", "agent=5", "--export", file).stdout
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {(row["step"], row["agent"], row["purpose"]) for row in rows} == {(3, 5, "learning")}
    assert said.startswith("1 call written to")
    assert "0 calls" in run("journal", journal, "unusable=yes", "--export", file).stdout
    assert file.read_text() == ""


def test_an_export_that_cannot_be_is_refused(journal: Path, tmp_path: Path):
    assert "end it in .parquet or .jsonl" in run("journal", journal, "--export", tmp_path / "calls.xlsx").stderr
    unknown = run("journal", journal, "purpose=nope", "--export", tmp_path / "c.jsonl").stderr
    assert "nothing was asked for 'nope'" in unknown
    assert "fix: name one of: " in unknown
    assert "add --export calls.jsonl" in run("journal", journal, "agent=5").stderr
    for word in ("agent=me", "agent", "trait=1", "unusable=no", "step="):
        assert f"{word!r} chooses no calls" in run("journal", journal, word, "--export", tmp_path / "c.jsonl").stderr


def test_a_missing_journal_is_one_message(tmp_path: Path):
    done = run("journal", "no-such-run")
    assert done.exit_code == 2
    assert "there is no run 'no-such-run'" in done.stderr
