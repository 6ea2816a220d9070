"""RL people in a run: trained once, kept, taken over by other runs, and never counted as decisions."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.rl import Policy, load_policy, save_policy
from agents.tabular import Table, save_table
from experiments import rl_people
from experiments.cast import society_of
from experiments.commands.run import _plain
from experiments.conclusions import on_courses
from experiments.config import Config, load_config
from experiments.errors import ROOT, UserError
from experiments.findings import methods, report_data
from experiments.learning_findings import courses
from experiments.live import Live
from experiments.metrics import Point
from experiments.people_files import people_file
from experiments.pipeline import execute, plan
from experiments.quoted import claim_about
from experiments.report import render
from experiments.rl_people import LEARNERS, checkpoint_of, learner_of
from experiments.runs import open_run
from experiments.two_level import ALONE, TOGETHER, TwoLevel, two_level
from personas.rosters import open_rosters
from societies.catalog import load
from societies.people_ppo import TRAINING
from societies.tabular import form_of
from tests.experiments.tiny import TINY, solon

KEPT = "stages/rl-people.safetensors"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return made(tmp_path_factory.mktemp("config"))


def made(folder: Path, *words: str) -> Config:
    file = folder / "tiny.yaml"
    file.write_text(TINY)
    small = "population.settings={iterations: 2, decisions: 800, hidden: 8}"
    return load_config(file, ["population.kind=rl", small, *words])


def table(config: Config, runs: Path) -> str:
    """Runs (or continues) and gives the final table."""
    with open_run(config, runs) as opened, Live("tiny", plan(config)) as live:
        return json.dumps(_plain(config.name, methods(execute(config, opened, live))))


@pytest.fixture(scope="module")
def straight(config: Config, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The runs' folder, and the table of the one run in it."""
    runs = tmp_path_factory.mktemp("straight")
    return runs, table(config, runs)


def test_they_are_trained_once(config: Config, straight: tuple[Path, str], monkeypatch: pytest.MonkeyPatch):
    runs, before = straight
    assert (runs / "tiny" / KEPT).is_file()
    assert not (runs / "tiny" / "journal.sqlite").exists()
    assert '"part": "rl-people"' in (runs / "tiny" / "metrics.jsonl").read_text()
    monkeypatch.setattr(rl_people, "train", lambda *_: pytest.fail("they were trained again"))
    assert table(config, runs) == before


def test_their_training_is_no_decision_of_the_run(config: Config, straight: tuple[Path, str]):
    with open_run(config, straight[0]) as opened, Live("tiny", plan(config)) as live:
        finished = execute(config, opened, live)
        data = report_data(opened, finished)
    assert data.methods[0].decisions == (2 + 2 + 2) * 12 * 32  # seen, mixed into PPO's batch, checked
    training = next(course for course in data.courses if course.label == TRAINING)
    told = [point.value for point in opened.metrics.points() if point.what == TRAINING]
    assert (training.value, training.values.tolist()) == ("mean payoff of a decision", told)  # as they were lived
    assert "Training RL people: mean payoff of a decision from" in on_courses(data.courses)
    assert "RL agents" in data.population
    assert "RL agents" in render(data)
    assert claim_about(config) is None  # the quoted figures are about other people


def test_a_run_that_was_broken_off_in_the_training_ends_the_same(
    config: Config, straight: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as broken:
        broken.setattr(rl_people, "save_policy", _out_of_disk)
        with pytest.raises(OSError, match="no space"):
            table(config, tmp_path)
    assert not (tmp_path / "tiny" / KEPT).exists()
    assert table(config, tmp_path) == straight[1]


def _out_of_disk(*_: object) -> None:
    raise OSError("no space left on device")


def test_another_run_takes_them_over(straight: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = straight[0] / "tiny" / KEPT
    other = made(tmp_path, "population.settings={}", f"population.checkpoint={kept}")
    monkeypatch.setattr(rl_people, "train", lambda *_: pytest.fail("they were trained again"))
    assert table(other, tmp_path) == straight[1]
    assert (tmp_path / "tiny" / KEPT).read_bytes() == kept.read_bytes()


def test_those_taken_over_stay_who_they_are(straight: tuple[Path, str], tmp_path: Path):
    file = tmp_path / "people.safetensors"
    file.write_bytes((straight[0] / "tiny" / KEPT).read_bytes())
    config = made(tmp_path, "population.settings={}", f"population.checkpoint={file}")
    first = table(config, tmp_path)
    others = load_policy(file)
    with torch.no_grad():
        next(others.parameters()).add_(1)
    save_policy(others, file)
    with pytest.raises(UserError, match="holds other people than when this run began"):
        table(config, tmp_path)
    file.unlink()  # they are in the run
    assert table(config, tmp_path) == first


def test_people_of_another_society_are_refused(straight: tuple[Path, str], tmp_path: Path):
    kept = straight[0] / "tiny" / KEPT
    words = ("society.name=one_step", "baselines=[us_federal]", "population.settings={}")
    with pytest.raises(UserError, match="its people learned in income_tax"):
        table(made(tmp_path, *words, f"population.checkpoint={kept}"), tmp_path)
    with pytest.raises(UserError, match="there is no file"):
        table(made(tmp_path, *words, "population.checkpoint=nowhere.safetensors"), tmp_path)
    blind = replace(load_policy(kept).sizes, attributes=())
    save_policy(Policy(blind, 0), tmp_path / "blind.safetensors")
    config = made(tmp_path, "population.settings={}", f"population.checkpoint={tmp_path / 'blind.safetensors'}")
    with pytest.raises(UserError, match="with the public attributes none; this one has the public attributes wage"):
        table(config, tmp_path)
    (tmp_path / "no.safetensors").write_text("nothing")
    with pytest.raises(UserError, match="holds no RL people"):
        table(made(tmp_path, *words, f"population.checkpoint={tmp_path / 'no.safetensors'}"), tmp_path)


def test_a_file_of_people_is_a_kind(straight: tuple[Path, str], tmp_path: Path):
    kept = straight[0] / "tiny" / KEPT
    short = made(tmp_path, "population.settings={}", f"population.kind=rl:{kept}")
    assert short == made(tmp_path, "population.settings={}", f"population.checkpoint={kept}")


PAGE = (ROOT / "docs" / "rl-people.md").read_text(encoding="utf-8")
COMMANDS: list[str] = re.findall(r"^    solon (?:run|compare-populations) \S+ \S.*$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("smoke", [False, True])
def test_commands_of_the_page_load(command: str, smoke: bool):
    _, _, file, *words = shlex.split(command)
    load_config(ROOT / file, words, smoke)


def test_the_page_has_a_command_for_every_learner_and_for_people_of_a_file():
    named = {learner_of(load_config(ROOT / f, w).population.settings) for _, _, f, *w in map(shlex.split, COMMANDS)}
    assert named == set(LEARNERS)
    assert any("kind=rl:" in command for command in COMMANDS)


SMALL = {
    "independent_ppo": "{learner: independent_ppo, iterations: 1, decisions: 100, hidden: 4}",
    "tabular_q": "{learner: tabular_q, iterations: 2, worlds: 2, own_table: true}",
    "mirror_descent": "{learner: mirror_descent, temperature: 0.5}",
}
ROADS = ("society.name=congestion_game", "population.people=personas/populations/drivers.yaml", "baselines=[no_toll]")


@pytest.mark.parametrize("learner", SMALL)
def test_every_way_to_learn_plays_a_run_and_goes_on_with_it(learner: str, tmp_path: Path):
    config = made(tmp_path, f"population.settings={SMALL[learner]}", *ROADS)
    first = table(config, tmp_path)
    assert (tmp_path / "tiny" / KEPT).exists() == (learner != "mirror_descent")
    assert table(config, tmp_path) == first


def test_a_table_of_another_size_is_refused_before_anybody_is_asked(tmp_path: Path):
    society = load("congestion_game")
    people = open_rosters(ROOT / "personas/populations/drivers.yaml", society.agents, traits=society.traits_used)
    form = form_of(society, own_table=True, parts=16)
    for other, said in (
        (replace(form, seats=3), "3 seats that learn apart; this one has"),
        (replace(form, choices=4), "4 choices; this one has"),
        (replace(form, steps=5), "5 steps; this one has"),
        (replace(form, situations=7), "7 situations; this one has"),
        (replace(form, traits=()), "the traits none; this one has the traits"),
    ):
        save_table(Table(other, torch.zeros(other.seats, other.rows, other.choices)), tmp_path / "others.safetensors")
        with pytest.raises(UserError, match=said) as refused:
            checkpoint_of(str(tmp_path / "others.safetensors"), society, people)
        assert (refused.value.where, bool(refused.value.fix)) == ("population.checkpoint", True)
    save_table(Table(form, torch.zeros(form.seats, form.rows, form.choices)), tmp_path / "ours.safetensors")
    checkpoint_of(str(tmp_path / "ours.safetensors"), society, people)


def test_a_table_is_refused_where_there_are_too_many_situations(tmp_path: Path):
    with pytest.raises(UserError, match="income_tax has too many situations for a table"):
        table(made(tmp_path, f"population.settings={SMALL['tabular_q']}"), tmp_path)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["population.settings.iteratons=5"], "did you mean 'iterations'?"),
        (["population.settings.iterations=1.5"], "iterations is 1.5; it should be a whole number"),
        (["population.settings.care=2"], "care is 2; it must lie between 0 and 1"),
        (["population.settings.hidden=0"], "hidden is 0; it must be at least 1"),
        (["population.settings.care=much"], "care is 'much'; it should be a number"),
        (["population.checkpoint=x"], "take the settings or checkpoint out"),
        (["population.kind=rl:x"], "take the settings or checkpoint out"),
        (["population.kind=scripted", "population.checkpoint=x"], "write kind: rl"),
        (["population.settings.learner=tabular"], "did you mean 'tabular_q'?"),
        (["population.settings={learner: tabular_q, hidden: 3}"], "'hidden' is no setting of tabular_q"),
        (["population.settings={learner: tabular_q, own_table: 1}"], "own_table is 1; it should be true or false"),
        (["population.settings={learner: mirror_descent, step: 0}"], "must be above 0 and finite"),
        (["population.kind=rll"], "'llm', 'scripted' or 'rl'"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, words: list[str], part: str):
    with pytest.raises(UserError) as caught:
        made(tmp_path, *words)
    assert part in str(caught.value)
    assert "the command line" in str(caught.value)


TWO_LEVEL = "{learner: two_level, iterations: 4, alone: 1, lag: 1, worlds: 2, decisions: 800, hidden: 8}"


def test_the_principal_beside_whom_people_learned_is_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = made(tmp_path, f"population.settings={TWO_LEVEL}", "baselines=[us_federal, two_level]")
    found = json.loads(table(config, tmp_path))
    (beside,) = [method for method in found["methods"] if method["name"] == "two_level"]
    assert (beside["label"], beside["decisions"], beside["uncounted"]) == ("two-level PPO", None, "not counted")
    assert list(found["footnotes"]) == ["not counted"]
    assert (tmp_path / "tiny" / "stages" / "two-level-rules.safetensors").is_file()
    monkeypatch.setattr(rl_people, "two_level", lambda *_: pytest.fail("they learned again"))
    assert json.loads(table(config, tmp_path)) == found
    estimated = solon("evaluate", "two_level", "--run", tmp_path / "tiny", "--calls", 40)
    assert estimated.exit_code == 0, estimated.output


@pytest.mark.parametrize("part", ["people", "principal"])
def test_rules_are_kept_only_beside_people_who_came_to_something(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def diverged(*given: Any) -> TwoLevel:
        found = two_level(*given)
        learned = found.people if part == "people" else found.principal.policy
        with torch.no_grad():
            next(learned.parameters()).fill_(torch.nan)
        return found

    monkeypatch.setattr(rl_people, "two_level", diverged)
    config = made(tmp_path, f"population.settings={TWO_LEVEL}", "baselines=[us_federal, two_level]")
    with pytest.raises(UserError, match="diverged"):
        table(config, tmp_path)
    assert not list((tmp_path / "tiny").glob("stages/*.safetensors"))


def test_rules_that_nobody_asks_for_are_not_kept(tmp_path: Path):
    config = made(tmp_path, f"population.settings={TWO_LEVEL}")
    society = society_of(config)
    rosters = open_rosters(people_file(config), society.agents, "all", society.attributes_used, society.traits_used)
    with open_run(config, tmp_path) as run, Live("tiny", ()) as live:
        rl_people.rl_people(config, run, live, society, rosters, "rl-people-0")
    assert [file.stem for file in (tmp_path / "tiny/stages").glob("*.safetensors")] == ["rl-people-0"]


def test_what_learned_beside_each_other_is_told_in_its_own_measure():
    points = [Point("rl-people", what, step, 0.5) for what in (ALONE, TOGETHER) for step in (1, 2)]
    alone, together = courses(points, load("income_tax"))
    assert (alone.value, alone.values.tolist()) == ("mean payoff of a decision", [0.5, 0.5])
    assert (together.value, together.values.tolist()) == ("welfare", [0.6, 0.6])  # ten of twelve years count
    assert "Welfare that is not called so" in on_courses((together,))
    assert "magined welfare" not in on_courses((alone, together))


def test_that_baseline_needs_people_who_learned_so(tmp_path: Path):
    with pytest.raises(UserError, match="nobody learns so here"):
        table(made(tmp_path, "baselines=[two_level]"), tmp_path)
