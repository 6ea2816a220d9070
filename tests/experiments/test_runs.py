"""A run folder: made once, continued by the same command, closed to any other."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from experiments.config import Config, load_config
from experiments.errors import ROOT, UserError
from experiments.metrics import Metrics, Point
from experiments.runs import find_run, mark_finished, note_roster, open_finished, open_run
from experiments.stages import JSON, TENSORS, Stages
from personas.load import PersonaFileError

POPULATION = ROOT / "personas/populations/communities.yaml"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return Path(shutil.copy(POPULATION, tmp_path / "people.yaml"))


def config(people: Path, *words: str) -> Config:
    file = people.with_name("plain.yaml")
    file.write_text(f"society: {{name: income_tax}}\npopulation: {{people: {people}}}\n")
    return load_config(file, words)


def test_a_folder_says_what_made_it(tmp_path: Path, people: Path):
    with open_run(config(people, "seed=3"), tmp_path / "runs") as run:
        manifest = run.manifest()
        assert (run.folder / "people/people.yaml").read_text() == people.read_text()
    assert manifest["seed"] == 3
    assert {"commit", "versions", "hardware", "started"} == set(manifest["sessions"][0])
    assert manifest["sessions"][0]["versions"]["torch"] == torch.__version__


def test_a_folder_belongs_to_the_command_that_began_it(tmp_path: Path, people: Path):
    for refused in (False, True):
        with open_run(config(people), tmp_path / "runs", "transfer") as run:
            run.stages.get("costly", JSON, lambda: [1])
        if refused:
            with pytest.raises(UserError, match="this folder is of `solon transfer`"):
                open_run(config(people), tmp_path / "runs", "compare-populations")


def test_the_same_command_continues_and_is_noted(tmp_path: Path, people: Path):
    for _ in range(2):
        with open_run(config(people), tmp_path / "runs") as run:
            assert run.notes == ()
            run.stages.get("costly", JSON, lambda: [1])
    assert len(run.manifest()["sessions"]) == 2


def test_a_raised_budget_continues_the_run(tmp_path: Path, people: Path):
    with open_run(config(people, "budget.calls=10"), tmp_path / "runs"):
        pass
    with open_run(config(people, "budget.calls=20", "threads=2"), tmp_path / "runs") as run:
        assert run.config.budget.calls == 20


def test_a_stopped_run_may_allow_more_fallbacks_and_more_patience(tmp_path: Path, people: Path):
    with open_run(config(people, "population.model=vllm:x", "population.settings.patience=5"), tmp_path / "runs"):
        pass
    more = ("population.model=vllm:x", "population.settings.patience=50", "population.max_fallback_share=0.5")
    with open_run(config(people, *more), tmp_path / "runs") as run:
        run.stages.get("costly", JSON, lambda: [1])
    with open_run(config(people, "population.model=vllm:x"), tmp_path / "runs") as run:
        assert run.stages.get("costly", JSON, lambda: [2]) == [1]


def test_a_report_is_that_of_what_was_finished_last(tmp_path: Path, people: Path):
    def seeds(asked: int, finish: bool) -> int:
        with open_run(config(people, f"compare.seeds={asked}"), tmp_path / "runs") as run:
            run.stages.get("costly", JSON, lambda: [1])
            if finish:
                mark_finished(run)
        with open_finished("plain", tmp_path / "runs") as run:
            return run.config.compare.seeds

    assert seeds(2, finish=True) == 2
    assert seeds(5, finish=False) == 2  # broken off: those that are whole
    assert seeds(5, finish=True) == 5


def test_what_a_kill_left_half_written_does_not_block_a_folder(tmp_path: Path, people: Path):
    (tmp_path / "runs/plain").mkdir(parents=True)
    (tmp_path / "runs/plain/.config.yaml.99.part").touch()
    with open_run(config(people), tmp_path / "runs") as run:
        assert (run.folder / "manifest.json").exists()


def test_another_config_is_turned_away_with_the_keys_that_differ(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs") as run:
        run.stages.get("costly", JSON, lambda: [1])
    with pytest.raises(UserError) as caught:
        open_run(config(people, "seed=1", "method.settings.rounds=5"), tmp_path / "runs")
    message = str(caught.value)
    assert "2 keys differ" in message
    assert "seed: 1 here, 0 there" in message
    assert "method.settings.rounds: 5 here, 1 there" in message
    assert "name=plain-2" in message
    assert run.stages.get("costly", JSON, lambda: [2]) == [1]  # nothing was lost


def test_a_run_in_which_nothing_was_done_keeps_no_name(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs"):
        pass
    people.write_text(people.read_text().replace("mean: 38", "mean: 40"))
    with open_run(config(people, "seed=1"), tmp_path / "runs") as run:
        assert run.manifest()["seed"] == 1
        assert (run.folder / "people/people.yaml").read_text() == people.read_text()


SESSION = '{"started": "", "commit": "", "versions": {}, "hardware": ""}'


@pytest.mark.parametrize(
    "text",
    [
        *("", '{"format": ', "[]", "{}", "[" * 100_000, "\xff"),
        '{"sessions": [], "people": "", "rosters": {}}',
        '{"sessions": [{}], "people": "", "rosters": {}}',
        f'{{"sessions": [{SESSION}], "rosters": {{}}}}',
        f'{{"sessions": [{SESSION}], "people": "", "rosters": []}}',
    ],
)
def test_a_damaged_manifest_is_told_with_a_fix_that_loses_nothing(tmp_path: Path, people: Path, text: str):
    with open_run(config(people), tmp_path / "runs") as run:
        run.stages.get("costly", JSON, lambda: [1])
    (run.folder / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="manifest is damaged") as caught:
        open_run(config(people), tmp_path / "runs")
    assert "delete" not in str(caught.value)


def test_people_who_were_edited_meanwhile_are_noticed(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs") as run:
        run.stages.get("costly", JSON, lambda: [1])
    people.write_text(people.read_text().replace("mean: 38", "mean: 40"))
    with pytest.raises(UserError, match="was edited after this run began"):
        open_run(config(people), tmp_path / "runs")


def test_of_a_folder_of_people_only_their_files_are_kept(tmp_path: Path):
    home = tmp_path / "home"
    (home / "deep").mkdir(parents=True)
    shutil.copy(ROOT / "personas/village/maria-keller.yaml", home)
    (home / "deep" / "large.bin").write_bytes(b"0")
    (home / "notes.txt").write_text("not a person")
    with open_run(config(home), home / "runs") as run:  # the run itself lies among them
        run.stages.get("costly", JSON, lambda: [1])
        assert [p.name for p in (run.folder / "people").rglob("*")] == ["maria-keller.yaml"]
    (home / "notes.txt").write_text("edited")
    with open_run(config(home), home / "runs"):
        pass


def test_a_run_does_not_write_over_the_people_it_is_given(tmp_path: Path, people: Path):
    with open_run(config(people, "name=x"), tmp_path / "runs") as run:
        pass
    kept = run.folder / "people/people.yaml"
    again = config(people, "name=x", f"population.people={kept}")
    with pytest.raises(UserError, match="set another name="):
        open_run(again, tmp_path / "runs")
    assert kept.read_text() == people.read_text()


def test_a_folder_without_people_is_refused_before_anything_is_copied(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")
    with pytest.raises(PersonaFileError, match="nobody lives here"):
        open_run(config(tmp_path / "empty"), tmp_path / "runs")


def test_a_journal_that_is_gone_is_noted(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs") as run:
        run.episodes("learning")
    with open_run(config(people), tmp_path / "runs") as again:
        assert "its journal is gone" in again.notes[0]


def test_rosters_that_would_change_halfway_are_noticed(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs") as run:
        note_roster(run, "training", "abc")
        note_roster(run, "training", "abc")
        with pytest.raises(UserError, match="the training people are not those this run began with"):
            note_roster(run, "training", "xyz")


def test_two_processes_do_not_share_a_folder(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs"), pytest.raises(ValueError, match=f"process {os.getpid()}"):
        open_run(config(people), tmp_path / "runs")


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path, people: Path):
    (tmp_path / "runs/plain").mkdir(parents=True)
    (tmp_path / "runs/plain/thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"holds 'thesis.tex' but no manifest"):
        open_run(config(people), tmp_path / "runs")


def test_missing_people_are_told_with_the_fix(tmp_path: Path, people: Path):
    people.unlink()
    with pytest.raises(UserError, match="there are no people at"):
        open_run(config(people), tmp_path / "runs")


def test_an_unknown_run_names_those_there_are(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs") as run:
        run.stages.get("costly", JSON, lambda: [1])
        assert find_run("plain", tmp_path / "runs") == run.folder
    (tmp_path / "runs/refused").mkdir()
    (tmp_path / "runs/refused/manifest.json").touch()
    with pytest.raises(UserError, match="name one of: plain"):
        find_run("plane", tmp_path / "runs")


def test_only_a_finished_run_has_a_report_to_write_anew(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs") as run:
        with pytest.raises(UserError, match="not finished"):
            open_finished("plain", tmp_path / "runs")
        mark_finished(run)
    moved = run.folder.rename(tmp_path / "elsewhere")
    people.write_text("edited since")
    with open_finished(str(moved)) as again:
        assert (again.config, again.folder) == (run.config, moved)
        assert again.people.read_text() != "edited since"


def test_a_finished_run_keeps_a_folder_of_people_whatever_its_name(tmp_path: Path, people: Path):
    village = tmp_path / "village.v2"
    village.mkdir()
    shutil.copy(ROOT / "personas/village/maria-keller.yaml", village)
    with open_run(config(village), tmp_path / "runs") as run:
        mark_finished(run)
    shutil.rmtree(village)
    with open_finished("plain", tmp_path / "runs") as again:
        assert [p.name for p in again.people.iterdir()] == ["maria-keller.yaml"]


def test_a_run_of_another_version_is_neither_continued_nor_reported(tmp_path: Path, people: Path):
    with open_run(config(people), tmp_path / "runs") as run:
        run.stages.get("costly", JSON, lambda: [1])
        mark_finished(run)
    manifest = run.folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 0}))
    with pytest.raises(UserError, match="another version") as caught:
        open_finished("plain", tmp_path / "runs")
    assert "use the version that made it" in str(caught.value)
    with pytest.raises(UserError, match="set another name="):
        open_run(config(people), tmp_path / "runs")


def test_a_finished_stage_is_not_done_again(tmp_path: Path):
    done: list[int] = []

    def work() -> dict[str, torch.Tensor]:
        done.append(1)
        return {"w": torch.tensor([0.1, float("inf")])}

    first = Stages(tmp_path).get("evaluate-us", TENSORS, work)
    again = Stages(tmp_path).get("evaluate-us", TENSORS, work)
    assert torch.equal(first["w"], again["w"])
    assert done == [1]
    assert Stages(tmp_path).seconds()["evaluate-us"] >= 0


def test_a_stage_that_fails_leaves_nothing_and_is_done_again(tmp_path: Path):
    def broken() -> list[int]:
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        Stages(tmp_path).get("fit", JSON, broken)
    assert Stages(tmp_path).get("fit", JSON, lambda: [1]) == [1]
    with pytest.raises(ValueError, match="not JSON compliant"):
        Stages(tmp_path).get("figures", JSON, lambda: float("nan"))
    assert not Stages(tmp_path).finished("figures", JSON)
    assert not list(tmp_path.glob(".*.part"))


def test_a_damaged_stage_is_told_with_the_fix(tmp_path: Path):
    (tmp_path / "fit.safetensors").write_text("not tensors")
    with pytest.raises(UserError, match=r"put that file back .* or delete it"):
        Stages(tmp_path).get("fit", TENSORS, dict)


KILLED = """
import os, signal, sys
from pathlib import Path
from experiments.stages import JSON, Stages
stages = Stages(Path(sys.argv[1]))
stages.get("one", JSON, lambda: {"made by": os.getpid()})
stages.get("two", JSON, lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_kill_in_the_second_stage_keeps_the_first(tmp_path: Path):
    dead = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    assert dead.returncode == -signal.SIGKILL
    assert Stages(tmp_path).get("one", JSON, lambda: {"made by": 0}) != {"made by": 0}
    assert Stages(tmp_path).get("two", JSON, lambda: 2) == 2


def test_metrics_of_an_interrupted_part_are_replaced(tmp_path: Path):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    fitted, first, second = (
        Point(*point) for point in (("fit", "f", 1, 1.0), ("rules", "r", 1, 0.1), ("rules", "r", 1, 0.2))
    )
    metrics.begin("fit")
    metrics.add(fitted, 1)
    metrics.begin("rules")
    metrics.add(first, 1)
    with metrics.file.open("a") as out:
        out.write('{"part": "rules", "wh')  # cut short by a kill
    metrics.begin("rules")
    metrics.add(second, 1)
    assert metrics.points() == [fitted, second]


@pytest.mark.parametrize("of", [1, 7, 100, 101, 1000, 12345])
def test_of_long_curves_about_a_hundred_points_are_kept_and_both_ends(tmp_path: Path, of: int):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    for step in range(1, of + 1):
        metrics.add(Point("fit", "f", step, 0.5), of)
    steps = [point.step for point in metrics.points()]
    assert (steps[0], steps[-1]) == (1, of)
    assert min(of, 100) <= len(steps) <= 126


def test_lines_of_metrics_that_cannot_be_read_are_left_out(tmp_path: Path):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    good = Point("fit", "f", 1, 0.5)
    metrics.add(good, 1)
    with metrics.file.open("ab") as out:
        out.write(b'garbage\n{"part": "x"}\n[1]\n\xff\n' + b"[" * 100_000 + b"\n")
    metrics.add(good, 1)
    assert metrics.points() == [good, good]
