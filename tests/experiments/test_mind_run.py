"""Whole runs of people with minds: kept, gone on with, and refused where they cannot be."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from agents.llm.calls import Which, calls
from experiments import runs
from experiments.cli import app
from tests.experiments.tiny import TINY

MIND = (
    "population.mind.last=2",
    "population.mind.note=60",
    "population.mind.reasoning=short",
    "society.talk=town_hall",
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    return file


def solon(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})


def table(result: Result) -> object:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_run_with_minds_is_foretold_kept_whole_and_played_again_from_its_journal(config: Path) -> None:
    foretold = json.loads(solon("run", config, *MIND, "--dry-run", "--json").stdout)
    first = table(solon("run", config, *MIND, "--json"))
    run = runs.RUNS / "tiny"
    found = list(calls(run, Which("learning", 0, 3, 5)))
    assert [(row["answer_key"], row["way"]) for row in found] == [
        *(("note", "words"), ("message", "words"), ("thoughts", "words"), ("hours", "distribution")),
    ]
    assert "What others said in the last period:" in found[3]["user"]
    made = sum(1 for _ in calls(run))
    assert 0.9 * foretold["calls"] < made <= foretold["calls"]
    assert foretold["calls"] > 3.8 * sum(foretold["decisions"].values())
    tape = table(solon("run", config, *MIND, f"population.model=recorded:{run}", "name=again", "--json"))
    assert isinstance(first, dict)
    assert isinstance(tape, dict)
    assert tape["methods"] == first["methods"]
    assert solon("report", "tiny").exit_code == 0
    assert sum(1 for _ in calls(run)) == made


def test_words_that_changed_halfway_are_refused(config: Path) -> None:
    mine = config.with_name("mine.yaml")
    mine.write_text('ask_short: "What do you think?"')
    words = ("population.mind.reasoning=short", f"population.words={mine}")
    assert solon("run", config, *words).exit_code == 0
    assert "What do you think?" in (runs.RUNS / "tiny/words.yaml").read_text()
    assert solon("run", config, *words).exit_code == 0
    mine.write_text('ask_short: "What do you say?"')
    again = solon("run", config, *words)
    assert again.exit_code == 2
    assert "were edited after this run began" in again.stderr
    assert solon("report", "tiny").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["population.model=embedded", "population.mind.note=9"], "embedded writes no words of its own"),
        (["population.model=embedded", "society.talk=town_hall"], "embedded writes no words of its own"),
        (["society.talk=market"], "society.talk"),
        (["population.kind=scripted", "population.mind.last=2"], "only language-model people have it"),
        (["population.mind.last=-1"], "population.mind.last: found -1"),
        (["population.mind.reasoning=deep"], "'off', 'short' or 'long'"),
        (["population.fallback=skip"], "people of income_tax cannot do nothing"),
        (["population.words=none.yaml"], "there is no file of words at none.yaml"),
    ],
)
def test_minds_that_cannot_be_are_refused(config: Path, words: list[str], message: str) -> None:
    done = solon("run", config, *words)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert not (runs.RUNS / "tiny/journal.sqlite").exists()


def test_best_periods_need_a_society_that_tells_how_they_went(config: Path) -> None:
    town = ("society.name=facility8", "baselines=[]", "population.people=personas/populations/visitors.yaml")
    done = solon("run", config, *town, "population.mind.best=1", "--dry-run")
    assert done.exit_code == 2
    assert "people of facility8 are not told how a period went for them" in done.stderr


def test_a_prompt_with_a_mind_shows_every_question_of_that_step(config: Path) -> None:
    told = json.loads(
        solon("prompt", "income_tax", "maria-keller", *MIND, "--step", 2, "--model", "x:y", "--json").stdout
    )
    assert [one["asks_for"] for one in told] == ["note", "message", "thoughts", "hours"]
    assert [one["schema"] is None for one in told] == [True, True, True, False]
    assert "(note of the model's own)" in told[3]["messages"][1]["content"]
    first = json.loads(solon("prompt", "income_tax", "maria-keller", *MIND, "--model", "x:y", "--json").stdout)
    assert [one["asks_for"] for one in first] == ["message", "thoughts", "hours"]
