"""`solon compare-populations` from end to end: a report, the same again after a kill, and mistakes told with a fix."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.embedded.engine import EmbeddedEngine
from agents.scripted import ScriptedPopulation
from experiments import compared_kinds, compared_report, comparison, rl_people, runs
from experiments.config import load_config
from experiments.errors import ROOT
from societies.play import Played
from tests.experiments.tiny import solon

TINY = """
society: {name: facility8}
population: {people: personas/populations/visitors.yaml}
compare:
  mechanisms: [k_median, random]
  drawn: 1
  seeds: 2
  rosters: 2
  rl: {iterations: 1, decisions: 200, hidden: 8}
smoke:
  compare: {seeds: 1, rosters: 1}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As a file, with a place for its runs."""
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    file = tmp_path / "town.yaml"
    file.write_text(TINY)
    return file


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the report's figures, which take most of the time."""
    monkeypatch.setattr(compared_report, "render", lambda *_: "")


def told(file: Path, *words: object) -> dict[str, Any]:
    """What --json prints."""
    done = solon("compare-populations", file, "--json", *words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_it_compares_and_goes_on_from_what_is_there(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, one = tmp_path / "runs" / "town-people", "compare.rosters=1"
    with monkeypatch.context() as killed:
        killed.setattr(EmbeddedEngine, "complete", _stopped)
        assert solon("compare-populations", config, one).exit_code == 130
    policies = {p.name: p.read_bytes() for p in (folder / "stages").glob("rl-people-*.safetensors")}
    assert len(policies) == 2
    assert {file.stem for file in (folder / "rosters").iterdir()} == {"seed-0", "seed-1"}
    monkeypatch.setattr(rl_people, "train", lambda *_: pytest.fail("they were trained again"))
    first = told(config, one)
    assert {p.name: p.read_bytes() for p in (folder / "stages").glob("rl-people-*.safetensors")} == policies
    _check_numbers(first)
    _check_report((folder / "report.html").read_text())
    monkeypatch.setattr(comparison, "play", lambda *_: pytest.fail("it was played again"))
    monkeypatch.setattr(compared_report, "render", lambda *_: "drawn anew")
    assert told(config, one) == first == json.loads((folder / "comparison.json").read_text())
    fewer = solon("compare-populations", config, one, "--seeds", 1)
    assert "the report of 2 seeds is replaced by one of 1; all are kept: --seeds 2 brings it back" in fewer.stdout
    assert told(config, one) == first
    again = solon("report", "town-people")
    assert again.exit_code == 0, again.output
    assert "Fewer than 5 seeds" in again.stdout
    assert (folder / "report.html").read_text() == "drawn anew"


def _stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def _check_numbers(found: dict[str, Any]) -> None:
    assert found["kinds"] == ["llm", "rl", "scripted"]
    assert list(found["mechanisms"]) == ["k_median", "random", "random_1"]
    assert set(found["cells"]["rl"]["answer"]["k_median"]) == {"mean", "low", "high"}
    assert found["cells"]["rl"]["answer"]["k_median"]["low"] is None  # of two seeds
    assert [pair["kinds"] for pair in found["pairs"]][-1] == ["scripted", "again"]
    assert "a stand-in for a real language model" in found["notes"][0]


def _check_report(page: str) -> None:
    assert page.count("data:image/svg+xml;base64,") == 8
    assert "The LLM people here are a stand-in." in page
    assert "Means are over 2 seeds, each with 1 roster of 8 people;" in page
    assert "Bars and bands" not in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.usefixtures("undrawn")
def test_more_seeds_leave_those_that_are_there(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = ("compare.populations=[rl, scripted]",)
    told(config, *two)
    made = list[int]()
    play = comparison.play
    monkeypatch.setattr(comparison, "play", lambda *given: made.append(1) or play(*given))
    assert told(config, *two, "--seeds", 3)["seeds"] == 3
    assert len(made) == 3 * 3  # of one seed: three rules by RL people, scripted ones, and these again
    assert solon("report", "town-people").exit_code == 0
    assert json.loads((tmp_path / "runs/town-people/comparison.json").read_text())["seeds"] == 3


@pytest.mark.usefixtures("undrawn")
def test_kinds_meet_the_same_people_with_the_same_luck_and_chance_is_fresh_luck(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RL people who decide as scripted ones do exactly the same; scripted people once more do not."""
    made = dict[str, Played]()
    monkeypatch.setattr(compared_kinds, "rl_people", lambda *_: ScriptedPopulation())
    monkeypatch.setattr(comparison, "once", lambda file, make: made.setdefault(file.stem, make()))
    found = told(config, "compare.populations=[rl, scripted]")
    for rule in ("k_median", "random", "random_1"):
        for seed in (0, 1):
            rl, scripted, again = (made[f"{k}-{rule}-{seed}"].episode for k in ("rl", "scripted", compared_kinds.AGAIN))
            assert torch.equal(rl.action, scripted.action)
            assert not torch.equal(again.action, scripted.action)
            assert all(torch.equal(one.features[:, 0], scripted.features[:, 0]) for one in (rl, again))  # homes
            assert torch.equal(again.mechanism[:, 0], scripted.mechanism[:, 0])
    one, other = (made[f"scripted-k_median-{seed}"].episode for seed in (0, 1))
    assert not torch.equal(one.features[:, 0], other.features[:, 0])
    alike, chance = (pair["distances"]["choices, Wasserstein"]["mean"] for pair in found["pairs"])
    assert alike == 0 < chance


@pytest.mark.usefixtures("undrawn")
def test_a_small_run_has_a_folder_of_its_own_and_says_so(config: Path, tmp_path: Path) -> None:
    found = told(config, "--smoke", "--name", "small", "compare.populations=[rl, scripted]")
    assert found["seeds"] == 1
    assert any("smoke" in note for note in found["notes"])
    assert (tmp_path / "runs" / "small-smoke" / "report.html").is_file()


def test_a_small_run_is_not_a_whole_one_by_mistake(config: Path) -> None:
    config.write_text(TINY.replace("compare: {seeds: 1, rosters: 1}", "evaluation: {communities: 2}"))
    done = solon("compare-populations", config, "--smoke")
    assert done.exit_code == 2
    assert "does not say what is small here" in done.output


def test_the_small_model_is_not_asked_about_a_society_that_it_was_not_taught(config: Path, tmp_path: Path) -> None:
    config.write_text("society: {name: congestion_game}\npopulation: {people: personas/populations/drivers.yaml}\n")
    done = solon("compare-populations", config)
    assert done.exit_code == 2, done.output
    assert "was not taught the rules of congestion_game; it knows income_tax, facility8" in done.stderr
    assert "compare.populations=[rl,scripted]" in done.stderr
    assert not list((tmp_path / "runs").glob("*/stages/*"))  # nobody has learned anything yet


def test_a_dry_run_counts_and_asks_nothing(config: Path, tmp_path: Path) -> None:
    done = solon("compare-populations", config, "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.count(f" {2 * 2 * 3 * 5 * 8} \n") == 4  # seeds, rosters, rules, steps, people; and again
    assert "scripted people, fresh draws" in done.stdout
    assert "RL people learn first, on this machine and without any call, anew for 2 seeds" in done.stdout
    assert f"at most {2 * 2 * 3 * 5 * 8} calls" in done.stdout
    assert not (tmp_path / "runs").exists()
    without = solon("compare-populations", config, "--dry-run", "compare.populations=[rl, scripted]")
    assert "no language model is asked" in without.stdout


def test_a_dry_run_foretells_the_bill(config: Path, tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("currency: EUR\nmodels:\n  mock:uniform: {input: 2.0, output: 10.0}\n")
    words = ["population.model=mock:uniform", f"budget.prices={tmp_path / 'prices.yaml'}", "budget.calls=100"]
    told = json.loads(solon("compare-populations", config, *words, "--dry-run", "--json").stdout)
    assert told["money"] == pytest.approx((2 * told["tokens_in"] + 10 * told["tokens_out"]) / 1e6, rel=1e-3)
    assert (told["calls"], told["trainings"]) == (told["decisions"]["LLM people"], 2)
    said = solon("compare-populations", config, *words, "--dry-run").stdout
    assert " EUR\n" in said
    assert "budget.calls=100 may stop it before its end" in said
    for ready in ("compare.rl={learner: mirror_descent}", "compare.populations=[llm, scripted]"):
        assert json.loads(solon("compare-populations", config, ready, "--dry-run", "--json").stdout)["trainings"] == 0


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["compare.mechanisms=[k_medain, random]"], "no rules 'k_medain'"),
        (["population.mix.rl=0.5"], "this config mixes them"),
        (["population.kind=rl:x"], "compare.rl"),
    ],
)
@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_what_cannot_be_compared_is_refused_before_there_is_a_folder(
    config: Path, tmp_path: Path, words: list[str], part: str, dry: list[str]
) -> None:
    done = solon("compare-populations", config, *words, *dry)
    assert done.exit_code == 2
    assert part in done.output
    assert not (tmp_path / "runs").exists()


def test_a_small_run_trains_nobody_who_is_read_from_a_file(config: Path) -> None:
    config.write_text(
        TINY.replace("  rl: {iterations: 1, decisions: 200, hidden: 8}\n", "").replace(
            "compare: {seeds: 1, rosters: 1}", "compare: {seeds: 1, rosters: 1, rl: {iterations: 1}}"
        )
    )
    assert load_config(config, [], smoke=True).compare.rl == {"iterations": 1}
    for words in (["compare.populations=[llm, 'rl:x']"], ["population.kind=rl:x"]):
        for smoke in (["--smoke"], []):
            done = solon("compare-populations", config, *words, "--dry-run", *smoke)
            assert done.exit_code == 0, done.output


def test_a_name_is_a_name_even_if_it_is_a_number(config: Path, tmp_path: Path) -> None:
    assert solon("compare-populations", config, "--name", "5", "--dry-run").exit_code == 0
    assert solon("transfer", config, "--name", "1e3", "--dry-run").exit_code == 0


@pytest.mark.usefixtures("undrawn")
def test_trained_people_of_a_file_are_taken_over(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(config, "compare.populations=[rl, scripted]")
    file = tmp_path / "runs/town-people/stages/rl-people-0.safetensors"
    monkeypatch.setattr(rl_people, "train", lambda *_: pytest.fail("they were trained again"))
    words = (f"compare.populations=[scripted, 'rl:{file}']", "compare.rl={}", "--name", "taken")
    assert told(config, *words)["kinds"] == ["scripted", "rl"]
    elsewhere = ("society.name=facility32", "compare.mechanisms=[k_median]", "--name", "elsewhere")
    refused = solon("compare-populations", config, *words[:2], *elsewhere)
    assert refused.exit_code == 2
    assert "its people learned in facility8" in refused.output
    assert "fix: name runs/RUN/stages/" in refused.output


@pytest.mark.usefixtures("undrawn")
def test_people_of_another_size_of_the_society_are_refused(config: Path, tmp_path: Path) -> None:
    game = ("society={name: matrix_game, payoffs: prisoners_dilemma}", "compare.mechanisms=[]")
    game += ("population.people=personas/populations/players.yaml",)
    told(config, *game, "compare.populations=[rl, scripted]")
    file = tmp_path / "runs/town-people/stages/rl-people-0.safetensors"
    three = "society.payoffs=[[[0, 0], [1, 2], [2, 1]], [[2, 1], [0, 0], [1, 2]], [[1, 2], [2, 1], [0, 0]]]"
    words = (f"compare.populations=['rl:{file}', scripted]", "compare.rl={}", "--name", "three")
    refused = solon("compare-populations", config, *game, three, *words)
    assert refused.exit_code == 2
    assert "its people learned a matrix_game with 2 choices; this one has 3" in refused.output
    assert "population.checkpoint" in refused.output
    same, other = ("society.payoffs=[[[3, 3], [0, 5]], [[5, 0], [1, 1]]]", "society.payoffs=stag_hunt")
    assert told(config, *game, same, *words[:2], "--name", "same")["kinds"] == ["rl", "scripted"]
    refused = solon("compare-populations", config, *game, other, *words)
    assert refused.exit_code == 2
    theirs, here = "[[[3.0, 3.0], [0.0, 5.0]], [[5.0, 0.0], [1.0, 1.0]]]", "[[[4.0, 4.0]"
    assert f"its people learned a matrix_game with payoffs {theirs}; this one has payoffs {here}" in refused.output


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["compare.mechanisms=[us_fedral]"], "there are no rules 'us_fedral' in facility8"),
        (["compare.populations=[llm, rrl]"], "compare.populations: found 'rrl'"),
        (["compare.populations=[llm]"], "two kinds of people at least"),
        (["compare.populations=[rl, 'rl:x']"], "rl is named twice"),
        (["compare.populations=['rl:nowhere.safetensors', scripted]", "compare.rl={}"], "there is no file nowhere"),
        (["compare.populations=['rl:x', scripted]"], "take rl out, or write rl for rl:FILE"),
        (["compare.mechanisms=[random, random]"], "random is named twice"),
        (["compare.rl.iteratons=3"], "did you mean 'iterations'?"),
        (["compare.sedes=3"], "did you mean 'seeds'?"),
        (["society.name=facility9"], "no society 'facility9'"),
        (["population.people=personas/populations/players.yaml"], "the society needs the public number 'home_x'"),
    ],
)
def test_mistakes_are_told_before_anything_is_spent(
    config: Path, tmp_path: Path, words: list[str], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "play", lambda *_: pytest.fail("somebody was asked"))
    done = solon("compare-populations", config, *words)
    assert done.exit_code == 2, done.output
    assert part in done.output.replace("\n", " ")


def test_a_person_who_lacks_a_trait_is_named(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "street"
    folder.mkdir()
    source = (ROOT / "personas/village/maria-keller.yaml").read_text()
    for i in range(8):
        (folder / f"maria-{i}.yaml").write_text(source.replace("maria-keller", f"maria-{i}"))
    done = solon("compare-populations", config, f"population.people={folder}")
    assert done.exit_code == 2
    assert "Maria Keller does not declare it" in done.output
    assert "solon personas edit" in done.output
