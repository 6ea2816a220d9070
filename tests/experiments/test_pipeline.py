"""A whole run in miniature: it ends with the same table however often it is killed, and asks nothing twice."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from agents.llm.mock import MockEngine
from experiments import pipeline, runs
from experiments.commands.run import _plain
from experiments.config import Config, load_config
from experiments.errors import UserError
from experiments.findings import methods, report_data
from experiments.live import Live
from experiments.pipeline import execute, plan
from experiments.report import render
from experiments.runs import mark_finished, open_finished, open_run
from tests.experiments.tiny import TINY


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    file = tmp_path_factory.mktemp("config") / "tiny.yaml"
    file.write_text(TINY)
    return load_config(file)


def table(config: Config, runs: Path) -> str:
    """Runs (or continues) and gives the final table."""
    with open_run(config, runs) as opened, Live("tiny", plan(config)) as live:
        finished = execute(config, opened, live)
        return json.dumps(_plain(config.name, methods(finished)))


def calls(runs: Path) -> tuple[int, int]:
    """Answered calls, and those that were lost in flight."""
    with sqlite3.connect(runs / "tiny" / "journal.sqlite") as db:
        lost = db.execute("SELECT coalesce(sum(calls), 0) FROM in_flight").fetchone()[0]
        return db.execute("SELECT count(*) FROM calls").fetchone()[0], lost


def child(config: Config, runs: Path) -> None:
    """A run in a process of its own. Every question that reaches the model is noted first."""
    torch.set_num_threads(1)
    asked = os.open(runs / "asked", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    complete = MockEngine.complete

    def noted(self: MockEngine, requests):
        os.write(asked, b"." * len(requests))
        return complete(self, requests)

    MockEngine.complete = noted
    (runs / "table").write_text(table(config, runs))


def killed_after(seconds: float | None, config: Config, runs: Path) -> int:
    """Forks a run and kills it; its exit code. Forking spares the child the imports."""
    process = multiprocessing.get_context("fork").Process(target=child, args=(config, runs))
    process.start()
    process.join(seconds)
    if process.is_alive():
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    return process.exitcode or 0


@dataclass(frozen=True)
class Straight:
    """A run that nothing disturbed."""

    runs: Path
    table: str
    seconds: float


@pytest.fixture(scope="module")
def straight(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    runs, began = tmp_path_factory.mktemp("straight"), time.monotonic()
    return Straight(runs, table(config, runs), time.monotonic() - began)


def kill_at_random(config: Config, runs: Path, straight: Straight, kills: int) -> None:
    moments, died = random.Random(0), 0
    while died < kills:
        died += killed_after(moments.uniform(0.02, 0.6) * straight.seconds, config, runs) == -signal.SIGKILL
        (runs / "table").unlink(missing_ok=True)  # where it got through
    assert killed_after(None, config, runs) == 0
    assert (runs / "table").read_text() == straight.table
    answered, lost = calls(runs)
    assert answered == calls(straight.runs)[0]
    assert len((runs / "asked").read_bytes()) <= answered + lost  # nothing that was kept was asked again


def test_killed_twice_it_ends_with_the_same_table(config: Config, straight: Straight, tmp_path: Path):
    kill_at_random(config, tmp_path, straight, kills=2)


@pytest.mark.slow
def test_killed_twenty_times_it_ends_with_the_same_table(config: Config, straight: Straight, tmp_path: Path):
    kill_at_random(config, tmp_path, straight, kills=20)


def test_a_roster_file_that_was_cut_is_written_anew(config: Config, straight: Straight):
    file = straight.runs / "tiny" / "rosters" / "training.jsonl"
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])
    assert table(config, straight.runs) == straight.table
    assert file.read_text() == whole


def test_an_answer_key_that_is_gone_is_made_anew_without_asking(
    config: Config, straight: Straight, monkeypatch: pytest.MonkeyPatch
):
    shutil.rmtree(straight.runs / "tiny" / "episodes" / "swm_ap" / "sealed")
    monkeypatch.setattr(MockEngine, "complete", lambda *_: pytest.fail("the model was asked again"))
    assert table(config, straight.runs) == straight.table


@pytest.mark.parametrize(("part", "key"), [("people-0", "fit"), ("rules-1", "improve")])
def test_learning_that_diverged_is_told_and_nothing_of_it_is_kept(config: Config, tmp_path: Path, part: str, key: str):
    def fails() -> dict[str, torch.Tensor]:
        raise torch.linalg.LinAlgError

    with open_run(config, tmp_path) as run, Live("tiny", plan(config)) as live:
        learning = pipeline._Learning(run, live)
        for made in (lambda: {"steps": torch.tensor(3), "weight": torch.tensor([1.0, torch.nan])}, fails):
            with pytest.raises(UserError, match="diverged") as caught:
                learning.keep(part, made)
            assert f"method.settings.{key}" in str(caught.value)
        kept = learning.keep(part, lambda: {"steps": torch.tensor(3), "weight": torch.tensor([1.0])})
    assert kept["weight"].tolist() == [1.0]


def test_a_finished_run_is_not_played_again(config: Config, straight: Straight, monkeypatch: pytest.MonkeyPatch):
    made = calls(straight.runs)
    monkeypatch.setattr(MockEngine, "complete", lambda *_: pytest.fail("the model was asked again"))
    assert table(config, straight.runs) == straight.table
    assert calls(straight.runs) == made


def test_a_finished_run_is_looked_at_without_its_model_and_without_its_people(
    config: Config, straight: Straight, monkeypatch: pytest.MonkeyPatch
):
    with open_run(config, straight.runs) as run:
        mark_finished(run)

    def gone(*_: object, **__: object) -> None:
        raise AssertionError("the model was asked for")

    monkeypatch.setattr("experiments.models.engine_for", gone)
    monkeypatch.setattr(runs, "people_file", gone)
    with open_finished(str(straight.runs / "tiny")) as again, Live("tiny", plan(config)) as live:
        finished = execute(again.config, again, live)
        assert json.dumps(_plain("tiny", methods(finished))) == straight.table


def test_the_report_shows_the_run(config: Config, straight: Straight):
    with open_run(config, straight.runs) as opened, Live("tiny", plan(config)) as live:
        finished = execute(config, opened, live)
        data = report_data(opened, finished)
    spent = finished.outcome.real_episodes * 12 * 32
    assert [m.name for m in data.methods[:3]] == ["swm_ap", "us_federal", "saez"]
    assert data.methods[0].decisions == spent == (2 + 2 + 2) * 12 * 32  # seen, mixed into PPO's batch, checked
    assert {a.purpose: a.real + a.cached for a in data.ledger if a.purpose != "imagination"} == {
        "learning": spent - 12 * 32,
        "learning, again": 12 * 32,  # the average rules in the same town
        **{f"evaluation: {name}": 2 * 12 * 32 for name in ("swm_ap", "us_federal", "saez")},
    }
    assert data.asked
    assert not data.stand_in
    page = render(data)
    assert "US federal" in page
    assert "mock:uniform" in page


def test_the_config_in_the_folder_is_the_one_that_ran(config: Config, straight: Straight):
    assert load_config(straight.runs / "tiny" / "config.yaml") == config


def test_another_seed_is_another_run(config: Config, straight: Straight, tmp_path: Path):
    assert table(config.model_copy(update={"seed": 1}), tmp_path) != straight.table


def test_a_spent_budget_loses_nothing_and_a_larger_one_goes_on(config: Config, straight: Straight, tmp_path: Path):
    small = config.model_copy(update={"budget": config.budget.model_copy(update={"calls": 1000})})
    with pytest.raises(ValueError, match=r"budget of 1,000 calls is spent"):
        table(small, tmp_path)
    kept, _ = calls(tmp_path)
    assert 0 < kept <= 1000
    assert table(config, tmp_path) == straight.table
    assert calls(tmp_path) == calls(straight.runs)


def test_an_impossible_budget_is_refused_before_anything_is_asked(config: Config, tmp_path: Path):
    none = config.model_copy(update={"budget": config.budget.model_copy(update={"calls": 100})})
    with pytest.raises(UserError, match="do not pay for one episode"):
        table(none, tmp_path)


def test_an_unknown_society_is_told_with_its_place(config: Config, tmp_path: Path):
    other = config.society.model_copy(update={"name": "utopia"})
    with pytest.raises(UserError, match=r"there is no society 'utopia'.*\n  at: society"):
        table(config.model_copy(update={"society": other}), tmp_path)


def test_an_unknown_baseline_is_refused(config: Config, tmp_path: Path):
    with pytest.raises(UserError, match="no baseline 'us_fedral'"):
        table(config.model_copy(update={"baselines": ["us_fedral"]}), tmp_path)


def test_people_who_never_answer_stop_the_run(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    never = MockEngine(lambda _: "I would rather not say.")
    monkeypatch.setattr("experiments.models.engine_for", lambda *_, **__: never)
    with pytest.raises(ValueError, match="gave no usable answer"):
        table(config, tmp_path)
    assert calls(tmp_path)[0] > 0  # what it said instead is kept


def test_scripted_people_need_no_journal(config: Config, tmp_path: Path):
    scripted = config.model_copy(update={"population": config.population.model_copy(update={"kind": "scripted"})})
    assert json.loads(table(scripted, tmp_path))["methods"]
    assert not (tmp_path / "tiny" / "journal.sqlite").exists()


@pytest.mark.parametrize("society", ["llm_economist_v1", "one_step"])
def test_other_tax_societies_come_to_their_report(society: str, tmp_path: Path):
    file = tmp_path / "other.yaml"
    file.write_text(TINY.replace("saez", "flat_50"))
    there = load_config(file, (f"society.name={society}", "population.kind=scripted"))
    with open_run(there, tmp_path) as opened, Live("other", plan(there)) as live:
        data = report_data(opened, execute(there, opened, live))
        assert society in render(data)
    assert len(data.brackets) == len(data.schedules[0].rates)
