"""What a run quotes from results/, and when it may."""

import json
from pathlib import Path

import pytest

from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.findings import quoted
from experiments.quoted import best_fixed_rates, comparable, quoted_curves, quoted_methods


def row(method: str, people: str, decisions: int | None, welfare: float) -> dict[str, object]:
    interval = [welfare, welfare - 0.01, welfare + 0.01]
    return {"method": method, "label": method, "people": people, "decisions": decisions, "welfare": interval}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    table = [
        row("ppo", "scripted people", 40_000, 0.65),
        row("ppo", "scripted people", 4_000, 0.61),
        row("ppo", "embedded language model", 4_000, 0.6),  # alone: no curve
        row("best_fixed", "scripted people", None, 0.7),
        row("no_traits", "scripted people", 100, 0.7),
    ]
    quoted = [{**table[0], "name": "ppo", "gain": [0.04, 0.03, 0.05], "communities": 200}]
    figures = {"table": table, "quoted_rows": quoted}
    (tmp_path / "imagination_saves_calls.json").write_text(json.dumps({"figures": figures}))
    return tmp_path


def test_curves_are_put_in_order_and_kept_apart_by_people(results: Path):
    (curve,) = quoted_curves(results)
    assert (curve.name, curve.label) == ("ppo", "ppo, scripted people")
    assert curve.decisions.tolist() == [4_000, 40_000]
    assert curve.mean.tolist() == [0.61, 0.65]
    assert curve.high.tolist() == pytest.approx([0.62, 0.66])
    assert curve.quoted == "results/imagination_saves_calls.json"


def test_rows_say_where_they_are_quoted_from(results: Path):
    (method,) = quoted_methods(results)
    assert (method.welfare.value, method.gain.low, method.communities) == (0.65, 0.03, 200)
    assert method.quoted == "results/imagination_saves_calls.json"


def test_without_results_nothing_is_quoted(tmp_path: Path):
    assert quoted_methods(tmp_path) == quoted_curves(tmp_path) == ()
    with pytest.raises(UserError, match="run `solon headroom income_tax`"):
        best_fixed_rates(tmp_path)


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ([], True),
        (["population.kind=scripted"], True),
        (["population.model=openai:x"], False),
        (["population.people=personas/village"], False),
        (["society.objective=log", "baselines=[us_federal]"], False),
    ],
)
def test_only_figures_about_the_same_people_are_quoted(words: list[str], same: bool):
    config = load_config(ROOT / "experiments/configs/demo.yaml", words)
    assert comparable(config) is same
    assert bool(quoted(config)) is same


def test_gains_over_us_rates_are_not_quoted_beside_gains_over_others():
    config = load_config(ROOT / "experiments/configs/demo.yaml", ["baselines=[saez, best_fixed]"])
    assert comparable(config)
    assert quoted(config) == ()
