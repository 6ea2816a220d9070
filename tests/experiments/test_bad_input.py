"""Every mistake of the issue's list, through the command line: one screen, the place, the fix, exit code 2."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.llm.mock import MockEngine
from experiments import runs
from experiments.cli import app
from experiments.errors import ROOT
from tests.experiments.tiny import TINY

VILLAGE = ROOT / "personas/village"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    return file


def refused(*arguments: str | Path) -> str:
    """What is said to a command that cannot be done."""
    done = CliRunner().invoke(app, ["run", *map(str, arguments)])
    assert done.exit_code == 2, (done.output, done.exception)
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    message = "\n".join(lines[next(i for i, line in enumerate(lines) if line.startswith("error: ")) :])
    assert len(message.splitlines()) <= 31
    return message


def village(folder: Path, **edits: tuple[str, str]) -> Path:
    """The village with some of its files edited: name of the file -> (old, new)."""
    shutil.copytree(VILLAGE, folder)
    for name, (old, new) in edits.items():
        file = folder / f"{name.replace('_', '-')}.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
    return folder


def test_an_unknown_key(config: Path):
    config.write_text(TINY + "evaluatoin: {communities: 2}\n")
    line = len(TINY.splitlines()) + 1
    assert f"{config}:{line}: unknown key 'evaluatoin' (did you mean 'evaluation'?)" in refused(config)


def test_an_impossible_budget(config: Path):
    assert "budget.calls: found 0" in refused(config, "budget.calls=0")
    assert "do not pay for one episode" in refused(config, "--budget-calls", "100")


def test_an_empty_roster(config: Path, tmp_path: Path):
    (tmp_path / "nobody").mkdir()
    assert "nobody lives here" in refused(config, f"population.people={tmp_path / 'nobody'}")


def test_a_village_that_is_too_small(config: Path, tmp_path: Path):
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(VILLAGE / "maria-keller.yaml", few)
    assert "a roster of 32 was asked for; as many people as live here can be in it: 1 to 1" in refused(
        config, f"population.people={few}"
    )


def test_two_people_with_one_id(config: Path, tmp_path: Path):
    folder = village(tmp_path / "village", ahmet_yildiz=("id: ahmet-yildiz", "id: maria-keller"))
    message = refused(config, f"population.people={folder}")
    assert "'maria-keller' is already the id of" in message
    assert ".yaml:1: id" in message


def test_a_wage_of_nothing(config: Path, tmp_path: Path):
    folder = village(tmp_path / "village", maria_keller=("value: 38", "value: 0"))
    message = refused(config, f"population.people={folder}")
    assert "maria-keller.yaml:" in message
    assert "wage" in message
    assert "above 0" in message


def test_a_missing_model_folder(config: Path):
    assert "no model folder /no/such/folder" in refused(config, "population.model=embedded:/no/such/folder")


def test_an_unknown_model(config: Path):
    assert "choose one of" in refused(config, "population.model=embeded")


def test_a_server_that_is_not_there(config: Path):
    words = ("population.model=openai:some-model", "population.base_url=http://127.0.0.1:9/v1")
    message = refused(config, *words)
    assert "http://127.0.0.1:9/v1" in message


def test_a_model_that_never_answers_in_format(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    never = MockEngine(lambda _: "I would rather not say.")
    monkeypatch.setattr("experiments.models.engine_for", lambda *_, **__: never)
    message = refused(config)
    assert "gave no usable answer" in message
    assert "I would rather not say." in message
    with sqlite3.connect(tmp_path / "runs/tiny/journal.sqlite") as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone()[0] > 0


def test_a_refused_config_may_be_corrected_under_the_same_name(config: Path):
    refused(config, "population.model=embedded:/no/such/folder")
    assert "nobody" in refused(config, "population.model=nobody:there")


def test_a_run_folder_of_another_config(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("experiments.models.engine_for", lambda *_, **__: MockEngine(lambda _: "no"))
    refused(config)  # it asked, in vain
    message = refused(config, "seed=5")
    assert "seed: 5 here, 0 there" in message
    assert "name=tiny-2" in message


def test_a_base_url_for_a_model_that_has_none(config: Path):
    message = refused(config, "population.base_url=http://127.0.0.1:9/v1")
    assert "remove: base_url; or name the model" in message


def kept(journal: Path) -> list[tuple[object, ...]]:
    """All calls of a journal, whole."""
    with closing(sqlite3.connect(journal)) as db:
        return db.execute("SELECT * FROM calls ORDER BY id").fetchall()


def test_nothing_that_was_journalled_is_lost(config: Path, tmp_path: Path):
    journal = tmp_path / "runs/tiny/journal.sqlite"
    assert "budget of 500 calls is spent" in refused(config, "--budget-calls", "500")
    before = kept(journal)
    assert 0 < len(before) <= 500
    (tmp_path / "nobody").mkdir()
    twins = village(tmp_path / "twins", ahmet_yildiz=("id: ahmet-yildiz", "id: maria-keller"))
    poor = village(tmp_path / "poor", maria_keller=("value: 38", "value: -3"))
    for word in (
        "evaluatoin.communities=2",
        "budget.calls=0",
        "budget.calls=100",
        *(f"population.people={people}" for people in (tmp_path / "nobody", twins, poor)),
        "population.model=embedded:/no/such/folder",
        "population.base_url=http://127.0.0.1:9/v1",
        "seed=5",
    ):
        refused(config, word)
        assert kept(journal) == before, word
    assert "budget of 900 calls is spent" in refused(config, "--budget-calls", "900")  # it goes on
    assert len(kept(journal)) > len(before)
    assert kept(journal)[: len(before)] == before


def test_an_unknown_society_objective_and_baseline(config: Path):
    assert "there is no society 'income_taxes'" in refused(config, "name=a", "society.name=income_taxes")
    assert "choose one of: equality_productivity" in refused(config, "name=b", "society.objective=happiness")
    assert "choose from: us_federal" in refused(config, "name=c", "baselines=[nobody]")


def test_no_such_config():
    assert "no such config file" in refused("nowhere.yaml")


def test_a_baseline_of_another_society(config: Path):
    message = refused(config, "society.name=llm_economist_v1", "population.kind=scripted")
    assert "saez: known for society income_tax only, this is llm_economist_v1" in message


def test_what_the_disk_refuses(config: Path, tmp_path: Path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/tiny").write_text("a file")
    message = refused(config)
    assert "File exists" in message
    assert str(tmp_path / "runs/tiny") in message


def test_what_would_colour_the_terminal_is_not_shown(config: Path):
    assert "\x1b" not in refused(config, 'baselines=["\\e[31mred\\u202e"]')
