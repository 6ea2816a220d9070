"""The bill of a run: foretold, live, exact afterwards, and never above its limit."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.llm.reader import JournalReader
from experiments import runs
from tests.experiments.tiny import solon, tiny_config

PRICES = "currency: EUR\nmodels:\n  mock:uniform: {input: 2.0, output: 10.0}  # for a million tokens\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "prices.yaml").write_text(PRICES)
    return tiny_config(tmp_path, monkeypatch)


def foretold(config: Path, *words: object) -> dict[str, Any]:
    done = solon("run", config, *words, "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_dry_run_foretells_and_asks_nothing(config: Path) -> None:
    prices = config.with_name("prices.yaml")
    before = foretold(config, f"budget.prices={prices}")
    assert not runs.RUNS.exists()
    assert solon("run", config, f"budget.prices={prices}").exit_code == 0
    reader = JournalReader(runs.RUNS / "tiny")
    ledger = reader.ledger()
    reader.close()
    assert sum(before["decisions"].values()) == before["calls"]
    assert 0.9 * before["calls"] < ledger.calls <= ledger.decisions <= before["calls"]
    assert before["tokens_in"] / before["calls"] == pytest.approx(ledger.tokens_in / ledger.calls, rel=0.05)
    assert before["money"] == pytest.approx((2 * before["tokens_in"] + 10 * before["tokens_out"]) / 1e6, rel=1e-3)
    after = foretold(config, f"budget.prices={prices}")
    assert after == {**before, "calls_in_the_journal": ledger.calls}
    billed = json.loads(solon("journal", runs.RUNS / "tiny", "--json").stdout)["ledgers"]["in all"]
    assert (billed["money"], billed["currency"]) == ((2 * ledger.tokens_in + 10 * ledger.tokens_out) / 1e6, "EUR")
    assert f"{billed['money']:.2f} EUR" in solon("journal", runs.RUNS / "tiny").stdout


def test_a_dry_run_is_told_in_words(config: Path) -> None:
    told = solon(
        "run", config, f"budget.prices={config.with_name('prices.yaml')}", "budget.calls=500", "--dry-run"
    ).stdout
    assert "evaluation: us_federal" in told
    assert "about: 4 characters a token" in told
    assert " EUR\n" in told
    assert "budget.calls=500 may stop it before its end" in told
    assert "no language model is asked" in solon("run", config, "population.kind=scripted", "--dry-run").stdout
    assert "as its tokenizer counts" in solon("run", config, "population.model=embedded", "--dry-run").stdout


def test_a_budget_of_money_ends_a_run_which_then_goes_on(config: Path) -> None:
    words = [f"budget.prices={config.with_name('prices.yaml')}"]
    whole = foretold(config, *words)["money"]
    stopped = solon("run", config, *words, f"budget.money={whole / 2:.4f}")
    assert stopped.exit_code == 2
    assert "EUR is spent" in stopped.stderr
    assert "raise the budget to at least" in stopped.stderr
    billed = json.loads(solon("journal", runs.RUNS / "tiny", "--json").stdout)["ledgers"]["in all"]
    assert 0 < billed["money"] <= whole / 2
    assert solon("run", config, *words, f"budget.money={2 * whole:.4f}").exit_code == 0


def test_what_was_recorded_costs_nothing(config: Path) -> None:
    prices = f"budget.prices={config.with_name('prices.yaml')}"
    assert solon("run", config).exit_code == 0
    again = ("run", config, "name=again", "population.model=recorded:tiny", prices)
    told = solon(*again, "--dry-run")
    assert "no language model is asked" in told.stdout
    assert "EUR" not in told.stdout
    assert solon(*again).exit_code == 0
    assert "0.00 EUR" in solon("journal", "again").stdout


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("population.model=foo:bar", "model 'foo:bar' is not known"),
        ("population.model=mock:foo", "there is no mock 'foo'"),
        ("population.model=recorded:nope", "there is no run 'nope'"),
        ('population.others=[{model: "mock:middle", share: 0.2, settings: {top_p: 1}}]', "takes no settings"),
        ('population.others=[{model: "mock:middle", people: [maria-keller]}]', "there is nobody 'maria-keller'"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would(config: Path, word: str, message: str) -> None:
    done = solon("run", config, word, "--dry-run")
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("models: {}", "has no price for mock:uniform; it has: none"),
        ("models:\n  mock:uniform: {input: 2.0}", "prices.yaml:2: models.mock:uniform.output: Field required"),
        ("models:\n  mock:uniform: {input: -1, output: 1}", "prices.yaml:2: models.mock:uniform.input"),
        ("models:\n  mock:uniform: {input: true, output: 1}", "prices.yaml:2: models.mock:uniform.input"),
        ("currency: dollars\nmodels: {}", "prices.yaml:1: currency"),
        ("models: [", "prices.yaml:1"),
    ],
)
def test_tables_of_prices_that_are_wrong_are_refused_by_line(config: Path, table: str, message: str) -> None:
    config.with_name("prices.yaml").write_text(table)
    for more in ([], ["--dry-run"]):
        refused = solon("run", config, f"budget.prices={config.with_name('prices.yaml')}", *more)
        assert refused.exit_code == 2
        assert message in refused.stderr


def test_money_without_prices_is_refused(config: Path) -> None:
    refused = solon("run", config, "budget.money=3")
    assert refused.exit_code == 2
    assert "name a file of prices with budget.prices=FILE" in refused.stderr
    assert "cannot be read" in solon("run", config, "budget.money=3", "budget.prices=nowhere.yaml").stderr


def test_a_wrong_table_leaves_the_run_open_to_another_model(config: Path) -> None:
    prices = f"budget.prices={config.with_name('prices.yaml')}"
    assert "no price for mock:middle" in solon("run", config, "population.model=mock:middle", prices).stderr
    assert solon("run", config, prices).exit_code == 0


def test_a_run_is_billed_by_the_name_in_its_config(config: Path) -> None:
    config.with_name("prices.yaml").write_text("models:\n  mock: {input: 2.0, output: 10.0}\n")
    words = ("population.model=mock", f"budget.prices={config.with_name('prices.yaml')}")
    assert solon("run", config, *words).exit_code == 0
    config.with_name("prices.yaml").unlink()
    for place in (runs.RUNS / "tiny", runs.RUNS / "tiny" / "journal.sqlite"):
        assert json.loads(solon("journal", place, "--json").stdout)["ledgers"]["in all"]["money"] > 0
    assert solon("report", "tiny").exit_code == 0


def test_another_runs_journal_is_not_counted_on(config: Path) -> None:
    assert solon("run", config).exit_code == 0
    assert foretold(config)["calls_in_the_journal"] > 0
    assert foretold(config, "population.model=mock:middle")["calls_in_the_journal"] == 0


def test_what_the_model_would_not_answer_is_told_before(config: Path) -> None:
    people = "population.people=personas/populations/street.yaml"
    words = ("society.name=facility_line", people, "population.model=embedded", "baselines=[median]", "--dry-run")
    refused = solon("run", config, *words)
    assert refused.exit_code == 2
    assert "was not taught the rules" in refused.stderr
