"""Whole runs of people with minds: kept, gone on with, and refused where they cannot be."""

import json
import re
from pathlib import Path

import pytest
from click.testing import Result

from agents.llm.calls import Which, calls
from agents.llm.engine import Request
from agents.llm.mock import MOCKS, Answer
from agents.llm.wording import wording
from experiments import runs
from learning.draws import child_seed
from tests.experiments.tiny import solon, tiny_config

MIND = (
    "population.mind.last=2",
    "population.mind.note=60",
    "population.mind.reasoning=short",
    "society.talk=town_hall",
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return tiny_config(tmp_path, monkeypatch)


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
        (["population.model=embedded", "population.mind.note=9"], "the embedded model reads the society's own words"),
        (["population.model=embedded", "society.talk=town_hall"], "the embedded model reads the society's own words"),
        (["society.talk=market"], "society.talk"),
        (["population.kind=scripted", "population.mind.last=2"], "only language-model people have it"),
        (["population.mind.last=-1"], "population.mind.last: found -1"),
        (["population.mind.reasoning=deep"], "'off', 'short' or 'long'"),
        (["population.fallback=skip"], "people of income_tax cannot do nothing"),
        (["population.model=embedded", "population.mind.last=2"], "the embedded model reads the society's own words"),
        (["population.kind=scripted", "society.talk=town_hall"], "scripted people do not talk"),
        (
            ["budget.calls=400", "population.mind.reasoning=short"],
            "do not pay for one episode of income_tax, which takes 768",
        ),
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
        solon("prompt", "income_tax", "maria-keller", *MIND, "--step", 2, "--model", "openai:y", "--json").stdout
    )
    assert [one["asks_for"] for one in told] == ["note", "message", "thoughts", "hours"]
    assert [one["schema"] is None for one in told] == [True, True, True, False]
    assert "(note of the model's own)" in told[3]["messages"][1]["content"]
    first = json.loads(solon("prompt", "income_tax", "maria-keller", *MIND, "--model", "openai:y", "--json").stdout)
    assert [one["asks_for"] for one in first] == ["message", "thoughts", "hours"]


def test_a_finished_run_is_reported_without_the_files_it_was_made_of(config: Path) -> None:
    mine = config.with_name("mine.yaml")
    mine.write_text('note: "📝 {note}"\nask_short: "tab\\there, “quote”, #no: comment"', encoding="utf-8")
    words = ("population.mind.note=60", "population.mind.reasoning=short", f"population.words={mine}")
    first = solon("run", config, *words)
    assert first.exit_code == 0, first.output
    assert solon("run", config, *words).exit_code == 0  # what it kept can be read again
    assert wording(runs.RUNS / "tiny/words.yaml").texts == wording(mine).texts
    for broken in ('note: "nothing"', None):
        mine.write_text(broken) if broken else mine.unlink()
        told = solon("report", "tiny")
        assert told.exit_code == 0, told.output
        assert told.stdout.split("report:")[0] == first.stdout.split("report:")[0]


def test_silence_is_counted_the_same_however_often_a_run_goes_on(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def often_silent(request: Request) -> Answer:
        number = child_seed(0, request.question.user)
        if request.way == "words":
            return "" if number % 50 == 0 else "well"
        return number % len(request.question.choices)

    monkeypatch.setitem(MOCKS, "uniform", often_silent)
    words = ("population.mind.note=60", "population.mind.reasoning=short", "population.max_fallback_share=0.5")
    stopped = solon("run", config, *words, "budget.calls=4000")
    assert stopped.exit_code == 2
    assert solon("run", config, *words).exit_code == 0
    silences = re.findall(
        "([0-9,]+) of ([0-9,]+) notes, thoughts and messages", (runs.RUNS / "tiny/report.html").read_text()
    )
    assert len(silences) == 1
    assert int(silences[0][0].replace(",", "")) > 10
    assert solon("report", "tiny").exit_code == 0
    again = re.findall(
        "([0-9,]+) of ([0-9,]+) notes, thoughts and messages", (runs.RUNS / "tiny/report.html").read_text()
    )
    assert again == silences
    assert solon("run", config, *words, "name=whole").exit_code == 0
    assert silences[0][0] + " of " + silences[0][1] in (runs.RUNS / "whole/report.html").read_text()


def test_a_dry_run_tells_no_less_than_is_used(config: Path) -> None:
    foretold = json.loads(solon("run", config, "population.mind.note=20", "--dry-run", "--json").stdout)
    assert solon("run", config, "population.mind.note=20").exit_code == 0
    used = json.loads(solon("journal", runs.RUNS / "tiny", "--json").stdout)["ledgers"]["in all"]
    assert used["tokens_out"] <= foretold["tokens_out"]
    assert used["calls"] <= foretold["calls"]


def test_a_prompt_is_measured_under_the_models_own_name() -> None:
    assert "openai:x: about" in solon("prompt", "income_tax", "maria-keller", "population.model=openai:x").stderr
