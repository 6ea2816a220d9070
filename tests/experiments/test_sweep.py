"""Many runs: what they are called, refused before any begins, gone on with, and put together by seed."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from threading import Thread

import pytest
from click.testing import Result
from typer.testing import CliRunner

from experiments import runs, sweep
from experiments.cli import app
from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.estimate import estimate
from experiments.sweep import Cell, Done, cells, here, rows, run_cell
from tests.experiments.tiny import TINY, tiny_config


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tiny_config(tmp_path, monkeypatch)
    file.write_text(TINY.replace("[us_federal, saez]", "[us_federal]"))
    return file


def solon(*words: object) -> Result:
    return CliRunner().invoke(app, ["sweep", *map(str, words)], env={"COLUMNS": "200"})


def test_every_config_value_and_seed_is_a_run_with_a_name_of_its_own(config: Path):
    over = ["population.model=mock:uniform,mock:middle", "method.settings.penalty=0,0.5"]
    found = cells([config], ["evaluation.communities=3"], over, 2, smoke=False)
    assert len(found) == 8
    names = [cell.words[-1] for cell in found]
    assert len(set(names)) == 8
    assert names[0].startswith("name=tiny-model-mock-uniform-penalty-0-")  # and a hash, for the signs that it lacks
    assert found[1].words[:-1] == (
        *("evaluation.communities=3", "population.model=mock:uniform", "method.settings.penalty=0", "seed=1"),
    )
    assert cells([config], [], ["population.retries=1,2"], 1, smoke=False)[0].words[-1] == "name=tiny-retries-1-seed0"
    assert len({cell.group for cell in found}) == 4


def test_values_that_are_lists_are_split_at_the_commas_between_them(config: Path):
    over = ["baselines=[us_federal],[us_federal, saez]", 'population.model="mock:uniform",mock:middle']
    words = [cell.words[:2] for cell in cells([config], [], over, 1, smoke=False)]
    assert words == [
        ("baselines=[us_federal]", 'population.model="mock:uniform"'),
        ("baselines=[us_federal]", "population.model=mock:middle"),
        ("baselines=[us_federal, saez]", 'population.model="mock:uniform"'),
        ("baselines=[us_federal, saez]", "population.model=mock:middle"),
    ]


def test_no_two_runs_share_a_name(config: Path):
    other = config.parent / "other" / "tiny.yaml"
    other.parent.mkdir()
    other.write_text(config.read_text())
    over = ["method.settings.penalty=0.1,1.1,2.1", "population.model=openai:gpt-4.1,openai:gpt-5.1"]
    found = cells([config, other], [], over, 2, smoke=False)
    assert len({cell.words[-1] for cell in found}) == len(found) == 24
    assert len({cell.group for cell in found}) == 12


def test_another_sweep_of_the_same_config_gets_a_name_of_its_own(config: Path):
    first = cells([config], ["population.model=mock:uniform"], [], 1, smoke=False)
    assert CliRunner().invoke(app, ["run", str(config), *first[0].words]).exit_code == 0
    with pytest.raises(UserError, match=r"1 key differs\n.*population.model: 'mock:middle' here") as refused:
        cells([config], ["population.model=mock:middle"], [], 1, smoke=False)
    assert "name=tiny-seed0-2" in str(refused.value)
    (named,) = cells([config], ["population.model=mock:middle", "name=middle"], [], 1, smoke=False)
    assert named.words[-1] == "name=middle-seed0"


def test_one_config_is_not_taken_for_two(config: Path):
    with pytest.raises(UserError, match="is named twice"):
        cells([config, config.parent / "." / config.name], [], [], 1, smoke=False)


def test_relative_paths_are_told_from_where_the_user_is(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(config.parent)
    monkeypatch.setattr(runs, "RUNS", Path("mine"))
    people = config.with_name("people.yaml")
    people.write_text((ROOT / "personas/populations/communities.yaml").read_text())
    (cell,) = cells([Path("tiny.yaml")], ["population.people=people.yaml"], [], 1, smoke=False)
    done = run_cell(cell)
    assert done.error == ""
    assert (config.parent / "mine/tiny-seed0/report.html").exists()


def test_a_run_that_was_killed_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def killed(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], -9, "")

    monkeypatch.setattr(sweep.subprocess, "run", killed)
    done = run_cell(Cell("x.yaml", ("name=x",), "g", 0, False, str(tmp_path), "."))
    assert done.error.startswith("it ended with -9; see ")


def test_long_names_end_with_a_hash(config: Path):
    over = [f"population.model={'a' * 60}:x,{'a' * 60}:y"]
    one, two = cells([config], [], over, 1, smoke=False)
    assert one.words[-1] != two.words[-1]
    assert all(len(cell.words[-1]) <= len("name=") + 64 for cell in (one, two))


@pytest.mark.parametrize(
    ("words", "over", "message"),
    [
        ([], ["threads"], "'threads' is not KEY=VALUE,VALUE"),
        ([], ["population.retries=1,,2"], "is not KEY=VALUE,VALUE"),
        ([], ["baselines=[us_federal,saez"], "is not KEY=VALUE,VALUE"),
        ([], ["population.retries=1] #,2"], "is not KEY=VALUE,VALUE"),
        ([], ["population.retries=1,2,1"], "1 is named twice"),
        (["evaluation.comunities=2"], [], "did you mean 'communities'"),
        ([], ["population.retries=1,-1"], "population.retries: found -1"),
        ([], ["population.fallback=uniform,skip"], "people of income_tax cannot do nothing"),
        (["population.people=nowhere.yaml"], [], "there are no people at nowhere.yaml"),
        (["seed=7"], [], "a sweep gives its runs their seeds"),
        ([], ["name=a,b"], "give name=... without --over"),
        ([], ["seed=5,6"], "a sweep gives its runs their seeds"),
    ],
)
def test_what_one_run_would_refuse_is_refused_before_any_begins(
    config: Path, words: list[str], over: list[str], message: str
):
    with pytest.raises(UserError, match=message):
        cells([config], words, over, 2, smoke=False)
    assert not runs.RUNS.exists()


def test_a_sweep_runs_goes_on_and_tells_what_failed(config: Path, monkeypatch: pytest.MonkeyPatch):
    words = (config, "--over", "population.model=mock:uniform,mock:broken", "--json")
    done = solon(*words)
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [(row["method"], row["seeds"]) for row in told["rows"]] == [("swm_ap", 1), ("us_federal", 1)]
    (failed,) = told["failed"]
    assert "mock:broken seed=0 failed: mock:broken gave no usable answer" in failed
    assert {row["over"] for row in told["rows"]} == {"US federal"}
    (report,) = runs.RUNS.glob("tiny-model-mock-uniform-*-seed0/report.html")
    assert "evaluation: us_federal" in report.parent.with_suffix(".log").read_text()
    again = json.loads(solon(*words).stdout)
    assert again["rows"] == told["rows"]


def test_a_dry_run_foretells_every_run_and_begins_none(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep, "run_cell", lambda *_: pytest.fail("a run was begun"))
    words = (config, "--over", "population.kind=llm,scripted", "--seeds", 2, "--dry-run")
    told = json.loads(solon(*words, "--json").stdout)["runs"]
    assert [one["run"] for one in told] == [
        f"tiny-kind-{kind}-seed{seed}" for kind in ("llm", "scripted") for seed in (0, 1)
    ]
    alone = estimate(load_config(config))
    assert [one["decisions"] for one in told] == [sum(alone.decisions.values())] * 4
    assert [one["calls"] for one in told] == [alone.calls, alone.calls, 0, 0]
    shown = solon(*words).stdout
    assert "tiny-kind-scripted-seed1" in shown
    assert f"{2 * alone.calls:,}" in shown
    assert not runs.RUNS.exists()


def test_rows_that_are_quoted_are_not_of_the_sweep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def printed(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        rows = [{"name": "swm_ap", "quoted": None}, {"name": "ppo", "quoted": "imagination_saves_calls"}]
        return subprocess.CompletedProcess([], 0, json.dumps({"methods": rows, "reference": "US federal"}))

    monkeypatch.setattr(sweep.subprocess, "run", printed)
    done = run_cell(Cell("x.yaml", ("name=x",), "g", 0, True, str(tmp_path), "."))
    assert [method["name"] for method in done.methods] == ["swm_ap"]
    assert (tmp_path / "x-smoke.log").exists()


def test_methods_are_matched_by_name():
    def done(seed: int, **levels: float) -> Done:
        methods = [{"name": name, "label": name, "welfare": [level], "gain": [0.0]} for name, level in levels.items()]
        return Done(Cell("x", (), "a", seed, False, "runs", "."), methods)

    found = {row.method: (row.welfare.value, row.seeds) for row in rows([done(0, a=1.0, b=2.0), done(1, b=4.0, a=3.0)])}
    assert found == {"a": (2.0, 2), "b": (3.0, 2)}


def test_seeds_are_put_together_by_group_and_method():
    def cell(group: str, seed: int) -> Cell:
        return Cell("x.yaml", (), group, seed, False, "runs", ".")

    def methods(level: float) -> list[dict[str, object]]:
        return [{"name": "swm_ap", "label": "SWM-AP", "welfare": [level, 0, 9], "gain": [level - 1, 0, 0]}]

    done = [Done(cell("a", seed), methods(float(seed))) for seed in (1, 2, 3)]
    found = rows([*done, Done(cell("a", 4), [], "broken"), Done(cell("b", 1), [], "broken")])
    (row,) = found
    assert (row.group, row.method, row.seeds) == ("a", "swm_ap", 3)
    assert (row.welfare.value, row.gain.value) == (2.0, 1.0)
    assert row.welfare.low == pytest.approx(2 - 4.303 * 1 / 3**0.5, abs=0.01)


def test_runs_are_made_at_once_and_told_in_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep, "run_cell", lambda cell: Done(cell, []))
    todo = [Cell("x", (), "g", seed, False, "runs", ".") for seed in range(5)]
    assert [done.cell.seed for done in here(todo, 3)] == list(range(5))


def test_nothing_to_run_and_no_cluster_are_told(config: Path):
    assert "there is nothing to run" in solon("threads=1").stderr
    done = solon(config, "--ray", "127.0.0.1:9")
    assert done.exit_code == 2
    assert "there is no Ray cluster at 127.0.0.1:9" in done.stderr
    assert "there is no Ray cluster at nowhere" in solon(config, "--ray", "nowhere").stderr


def kill_one() -> None:
    """A worker of the cluster, as soon as the run that it makes is under way."""
    while not list(runs.RUNS.glob("*/journal.sqlite")):
        time.sleep(0.05)
    at_work = [
        file for file in Path("/proc").glob("[0-9]*/cmdline") if file.read_bytes().startswith(b"ray::_with_node")
    ]
    os.kill(int(at_work[0].parent.name), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_sweep_uses_both_machines_of_a_cluster_loses_a_worker_and_ends_as_without(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from ray.cluster_utils import Cluster

    from experiments import ray_cluster

    monkeypatch.setattr(
        ray_cluster, "_check_open", lambda address: None
    )  # tests may not reach this machine's own address

    todo = cells([config], [], [], 4, smoke=False)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        lost = Thread(target=kill_one, daemon=True)
        lost.start()
        done = list(ray_cluster.on_ray(todo, cluster.address))
        lost.join(1)
        assert not lost.is_alive()
    finally:
        cluster.shutdown()
    assert [one.error for one in done] == [""] * 4
    assert len({one.node for one in done}) == 2
    runs.RUNS = tmp_path / "others"
    alone = list(map(run_cell, cells([config], [], [], 4, smoke=False)))
    assert {one.cell.seed: one.methods for one in done} == {one.cell.seed: one.methods for one in alone}
