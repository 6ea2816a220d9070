"""A claim's run: what it writes, where, and how it ends."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import experiments
from agents.llm.storage import Lock
from experiments import claims, cli
from experiments.errors import UserError

MADE_UP = """
from experiments.claims import Outcome

def claim(smoke: bool) -> Outcome:
    share = {share}
    return Outcome("two is enough", share <= 0.5, f"{{share}} of it", ".5", {{"share": share}}, (0, 1), smoke)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose experiments/ may be written to."""
    (tmp_path / "experiments").mkdir()
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(tmp_path / "experiments")])
    monkeypatch.delitem(sys.modules, "experiments.made_up", raising=False)
    return tmp_path


def write(place: Path, share: str) -> None:
    (place / "experiments" / "made_up.py").write_text(MADE_UP.format(share=share))


def run(*arguments: str):
    return CliRunner().invoke(cli.app, list(arguments))


def test_a_claim_that_holds_is_recorded_with_what_made_it(place: Path):
    write(place, "0.25")
    done = run("claim", "made_up")
    assert done.output.splitlines()[-1] == "made_up: 0.25 of it (bar .5) pass"
    assert done.exit_code == 0
    result = json.loads((place / "results/made_up.json").read_text())
    assert list(result) == [
        *("claim", "passed", "figure", "bar", "figures", "seeds", "commit", "commits", "hardware", "minutes", "smoke")
    ]
    assert result["passed"] is True
    assert result["smoke"] is False
    assert result["figures"] == {"share": 0.25}
    assert result["seeds"] == [0, 1]


def test_a_claim_that_misses_its_bar_is_recorded_too_and_exits_with_1(place: Path):
    write(place, "0.75")
    done = run("claim", "made_up")
    assert (done.output.splitlines()[-1], done.exit_code) == ("made_up: 0.75 of it (bar .5) FAIL", 1)
    assert json.loads((place / "results/made_up.json").read_text())["passed"] is False


def test_a_smoke_run_never_touches_results(place: Path):
    write(place, "0.75")
    done = run("claim", "made_up", "--smoke")
    assert done.exit_code == 0  # it works; whether the bar is met a small run cannot tell
    said = "made_up: 0.75 of it (bar .5) smoke run: it works, its figures mean nothing"
    assert done.output.splitlines()[-1] == said
    assert not (place / "results").exists()
    assert json.loads((place / "runs/claims/made_up.json").read_text())["smoke"] is True


def test_a_figure_that_is_not_a_number_is_refused_and_writes_nothing(place: Path):
    write(place, "float('nan')")
    assert isinstance(run("claim", "made_up").exception, ValueError)
    assert not (place / "results/made_up.json").exists()


def test_a_claim_that_is_told_to_stop_keeps_its_minutes(tmp_path: Path):
    def told_to_stop() -> None:
        with claims._clock(tmp_path / "minutes.json"):
            time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        told_to_stop()
    assert json.loads((tmp_path / "minutes.json").read_text()) >= 0.02 / 60
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_minutes_are_written_while_a_claim_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(claims, "BEAT", 0.001)
    file = tmp_path / "minutes.json"
    file.write_text("60.0")
    with claims._clock(file):
        for _ in range(10_000):  # ten seconds at most
            if json.loads(file.read_text()) != 60.0:
                break
            time.sleep(0.001)
        assert 60 < json.loads(file.read_text()) < 61


def test_minutes_add_up_over_sessions(place: Path):
    write(place, "0.25")
    run("claim", "made_up")
    (claims.workplace("made_up", smoke=False) / "minutes.json").write_text("60.0")
    run("claim", "made_up")
    assert json.loads((place / "results/made_up.json").read_text())["minutes"] >= 60


def test_the_commits_of_all_its_sessions_are_told(place: Path, monkeypatch: pytest.MonkeyPatch):
    write(place, "0.25")
    for commit in ("aaa", "bbb", "aaa"):
        monkeypatch.setattr(claims, "commit", lambda now=commit: now)
        run("claim", "made_up")
    found = json.loads((place / "results/made_up.json").read_text())
    assert (found["commit"], found["commits"]) == ("aaa", ["bbb", "aaa"])


def test_an_unknown_claim_names_the_near_one(place: Path):
    write(place, "0.25")
    done = run("claim", "made_upp")
    assert done.exit_code == 2
    assert "did you mean 'made_up'?" in done.stderr


def test_the_table_lists_claims_with_and_without_results(place: Path):
    write(place, "0.25")
    assert json.loads(run("claims", "--json").stdout) == {"made_up": None}
    run("claim", "made_up")
    assert json.loads(run("claims", "--json").stdout)["made_up"]["figure"] == "0.25 of it"
    assert "0.25 of it" in run("claims").stdout


def test_parts_whose_settings_are_lost_are_not_taken_for_ones_own(tmp_path: Path):
    claims.same_settings(tmp_path, {"seeds": 1})
    (tmp_path / "stages/ppo-1").mkdir(parents=True)
    claims.same_settings(tmp_path, {"seeds": 1})
    with pytest.raises(UserError, match="other settings"):
        claims.same_settings(tmp_path, {"seeds": 2})
    for lose in (lambda: (tmp_path / "settings.json").write_text(""), (tmp_path / "settings.json").unlink):
        lose()
        with pytest.raises(UserError, match="no telling with which settings"):
            claims.same_settings(tmp_path, {"seeds": 1})


def test_a_claim_is_run_once_at_a_time(place: Path):
    write(place, "0.25")
    folder = place / "runs/claims/made_up"
    folder.mkdir(parents=True)
    lock = Lock(folder / "claim")
    found = run("claim", "made_up")
    assert (found.exit_code, "another run of this claim is at work" in found.output) == (2, True)
    lock.release()
    assert run("claim", "made_up").exit_code == 0


@pytest.mark.parametrize(("file", "content"), [("commits.json", "5"), ("minutes.json", "[1]"), ("minutes.json", "")])
def test_what_is_known_of_earlier_sessions_is_read_before_the_work(place: Path, file: str, content: str):
    write(place, "1 / 0")
    (place / "runs/claims/made_up").mkdir(parents=True)
    (place / "runs/claims/made_up" / file).write_text(content)
    found = run("claim", "made_up")
    assert (found.exit_code, file in found.output) == (2, True)
