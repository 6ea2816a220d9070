"""RL people in a run: trained once, kept, taken over by other runs, and never counted as decisions."""

import json
from pathlib import Path

import pytest

from experiments import rl_people
from experiments.commands.run import _plain
from experiments.conclusions import on_courses
from experiments.config import Config, load_config
from experiments.errors import UserError
from experiments.findings import methods, report_data
from experiments.learning_findings import courses
from experiments.live import Live
from experiments.metrics import Point
from experiments.pipeline import execute, plan
from experiments.quoted import claim_about
from experiments.report import render
from experiments.runs import open_run
from experiments.two_level import ALONE, TOGETHER
from societies.catalog import load
from societies.people_ppo import TRAINING
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


def test_people_of_another_society_are_refused(straight: tuple[Path, str], tmp_path: Path):
    kept = straight[0] / "tiny" / KEPT
    words = ("society.name=one_step", "baselines=[us_federal]", "population.settings={}")
    with pytest.raises(UserError, match="its people learned in income_tax"):
        table(made(tmp_path, *words, f"population.checkpoint={kept}"), tmp_path)
    with pytest.raises(UserError, match="there is no file"):
        table(made(tmp_path, *words, "population.checkpoint=nowhere.safetensors"), tmp_path)
    (tmp_path / "no.safetensors").write_text("nothing")
    with pytest.raises(UserError, match="holds no RL people"):
        table(made(tmp_path, *words, f"population.checkpoint={tmp_path / 'no.safetensors'}"), tmp_path)


def test_a_file_of_people_is_a_kind(straight: tuple[Path, str], tmp_path: Path):
    kept = straight[0] / "tiny" / KEPT
    short = made(tmp_path, "population.settings={}", f"population.kind=rl:{kept}")
    assert short == made(tmp_path, "population.settings={}", f"population.checkpoint={kept}")


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
