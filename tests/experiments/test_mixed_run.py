"""Runs whose people are asked of several models: by shares or by name, billed by model, played again from the tape."""

import json
from pathlib import Path

import pytest

from agents.llm.calls import calls
from agents.llm.mock import ALL_WAYS, MOCKS, MockEngine
from experiments import runs
from experiments.config_people import PopulationConfig
from tests.experiments.tiny import solon, tiny_config

MIXED = 'population.others=[{model: embedded, share: 0.25}, {model: "mock:middle", share: 0.25}]'
PRICES = "models:\n  mock:uniform: {input: 1, output: 2}\n  mock:middle: {input: 100, output: 0}\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "prices.yaml").write_text(PRICES)
    return tiny_config(tmp_path, monkeypatch)


def test_people_are_asked_of_their_own_model_for_life_and_again_from_the_tape(config: Path) -> None:
    first = solon("run", config, MIXED)
    assert first.exit_code == 0, first.output
    run = runs.RUNS / "tiny"
    models: dict[str, set[str]] = {}
    for row in calls(run):
        models.setdefault(row["system"], set()).add(row["model"])
    assert all(len(asked) == 1 for asked in models.values())
    shares = [sum(model in asked for asked in models.values()) / len(models) for model in ("embedded", "mock:middle")]
    assert shares == pytest.approx([0.25, 0.25], abs=0.1)
    assert solon("run", config, MIXED).exit_code == 0  # goes on where it was, and asks nothing
    told = solon("report", "tiny")
    assert told.exit_code == 0, told.output
    assert told.stdout.split("report:")[0] == first.stdout.split("report:")[0]
    report = (run / "report.html").read_text()
    assert "embedded for 25% of them, mock:middle for 25% of them" in report


def test_a_new_run_may_be_played_from_the_tape_of_several_models(config: Path) -> None:
    first = solon("run", config, MIXED, "--json")
    assert first.exit_code == 0, first.output
    tape = "recorded:tiny"
    shares = (
        f'population.others=[{{model: "{tape}#embedded", share: 0.25}}, {{model: "{tape}#mock:middle", share: 0.25}}]'
    )
    again = solon("run", config, f"population.model={tape}#mock:uniform", shares, "name=again", "--json")
    assert again.exit_code == 0, again.output
    assert "some people made with the small embedded model" in again.stderr
    assert "Some people here are a stand-in" in (runs.RUNS / "again/report.html").read_text()
    one, two = (json.loads(done.stdout) for done in (first, again))
    assert one["methods"] == two["methods"]


def test_each_model_is_billed_by_its_own_price(config: Path) -> None:
    words = (
        'population.others=[{model: "mock:middle", share: 0.5}]',
        f"budget.prices={config.with_name('prices.yaml')}",
    )
    foretold = json.loads(solon("run", config, *words, "--dry-run", "--json").stdout)
    assert solon("run", config, *words).exit_code == 0
    ledger = json.loads(solon("journal", runs.RUNS / "tiny", "--json").stdout)["ledgers"]["in all"]
    (middle, _), (uniform, said) = ledger["tokens"]["mock:middle"], ledger["tokens"]["mock:uniform"]
    assert ledger["money"] == pytest.approx((uniform + 2 * said + 100 * middle) / 1e6)
    assert foretold["money"] == pytest.approx(ledger["money"], rel=0.25)
    assert sum(one["calls"] for one in foretold["models"]) == pytest.approx(foretold["calls"], abs=1)
    stopped = solon("run", config, *words, f"budget.money={ledger['money'] / 3:.5f}", "name=poor")
    assert stopped.exit_code == 2
    assert "USD is spent" in stopped.stderr


def test_some_of_a_village_may_be_named(config: Path) -> None:
    village = (
        "population.people=personas/village",
        'population.others=[{model: "mock:middle", people: [maria-keller]}]',
    )
    done = solon("run", config, *village)
    assert done.exit_code == 0, done.output
    asked = {row["model"] for row in calls(runs.RUNS / "tiny") if "You are Maria Keller" in row["system"]}
    assert asked == {"mock:middle"}
    assert {row["model"] for row in calls(runs.RUNS / "tiny")} == {"mock:middle", "mock:uniform"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["population.others=[{model: embedded}]"], "population.others.0.people: say whom the model is asked for"),
        (
            ["population.others=[{model: embedded, share: 0.7}, {model: embedded, share: 0.7}]"],
            "the shares come to 1.4",
        ),
        (["population.others=[{model: embedded, people: [a, a]}]"], "'a' is named twice"),
        (["population.others=[{model: embedded, people: [a]}]"], "there is nobody 'a'"),
        (["population.others=[{modell: embedded, share: 0.2}]"], "unknown key 'population.others.0.modell'"),
        (
            ["population.others=[{model: embedded, share: 0.2, settings: {way: sample}}]"],
            "write population.way instead",
        ),
        (["population.others=[{model: embedded, share: 0.2}]", "population.kind=rl"], "only language-model people are"),
        (
            ["population.people=personas/village", "population.others=[{model: embedded, people: [maria-kellar]}]"],
            "there is nobody 'maria-kellar' (did you mean 'maria-keller'?)",
        ),
    ],
)
def test_parts_that_cannot_be_are_refused(config: Path, words: list[str], message: str) -> None:
    done = solon("run", config, *words)
    assert done.exit_code == 2, done.output
    assert message in done.stderr


def test_a_server_of_a_part_may_move_but_its_share_may_not_change(config: Path) -> None:
    assert solon("run", config, 'population.others=[{model: "mock:middle", share: 0.5}]').exit_code == 0
    moved = solon("run", config, 'population.others=[{model: "mock:middle", share: 0.4}]')
    assert moved.exit_code == 2
    assert "population.others.0.share: 0.4 here, 0.5 there" in moved.stderr


def test_two_parts_of_one_model_cost_as_much_as_one(config: Path) -> None:
    prices = f"budget.prices={config.with_name('prices.yaml')}"
    both = 'population.others=[{model: "mock:uniform", share: 0.5}]'
    alone, halves = (
        json.loads(solon("run", config, prices, *words, "--dry-run", "--json").stdout)["money"]
        for words in ((), (both,))
    )
    assert halves == pytest.approx(alone)


def test_a_part_that_tells_no_chances_is_played_again_as_it_was(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(name: str) -> MockEngine:
        ways = frozenset({"sample"}) if name == "middle" else ALL_WAYS
        return MockEngine(MOCKS[name], f"mock:{name}", ways)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("agents.llm.models.mock", plain)
    first = solon("run", config, 'population.others=[{model: "mock:middle", share: 0.25}]')
    assert first.exit_code == 0, first.output
    told = solon("report", "tiny")
    assert told.exit_code == 0, told.output
    assert told.stdout.split("report:")[0] == first.stdout.split("report:")[0]
    assert "mock:middle tells no probabilities of choices" in (runs.RUNS / "tiny/report.html").read_text()


def test_shares_may_come_to_all_of_the_people() -> None:
    others = [{"model": "embedded", "share": share} for share in (0.34, 0.56, 0.1)]
    assert len(PopulationConfig.model_validate({"people": "x", "others": others}).others) == 3


def test_a_town_is_learned_with_the_default_model_of_people_too(config: Path) -> None:
    """Its people have no features of their own."""
    town = ("society.name=facility8", "baselines=[random]", "population.people=personas/populations/visitors.yaml")
    done = solon("run", config, *town, "population.kind=scripted")
    assert done.exit_code == 0, done.output
    assert "options at random" in done.stdout
