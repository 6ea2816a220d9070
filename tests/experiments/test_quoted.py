"""What a run quotes from results/, and when it may."""

import json
from pathlib import Path

import pytest

from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.findings import quoted
from experiments.quoted import best_fixed_rates, claim_about, quoted_curves, quoted_methods
from experiments.report_data import Uncounted

DEMO = load_config(ROOT / "experiments/configs/demo.yaml")
TOWN = load_config(ROOT / "experiments/configs/facility32.yaml")


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
    (curve,) = quoted_curves(DEMO, results)
    assert (curve.name, curve.label) == ("ppo", "ppo, scripted people")
    assert curve.decisions.tolist() == [4_000, 40_000]
    assert curve.mean.tolist() == [0.61, 0.65]
    assert curve.high.tolist() == pytest.approx([0.62, 0.66])
    assert curve.quoted == "results/imagination_saves_calls.json"


def test_rows_say_where_they_are_quoted_from(results: Path):
    (method,) = quoted_methods(DEMO, results)
    assert (method.welfare.value, method.gain.low, method.communities) == (0.65, 0.03, 200)
    assert method.quoted == "results/imagination_saves_calls.json"


def test_without_results_nothing_is_quoted(tmp_path: Path):
    assert quoted_methods(DEMO, tmp_path) == quoted_curves(DEMO, tmp_path) == ()
    assert quoted_methods(TOWN, tmp_path) == quoted_curves(TOWN, tmp_path) == ()
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
    assert (claim_about(config) == "imagination_saves_calls") is same
    assert bool(quoted(config)) is same


def test_gains_over_us_rates_are_not_quoted_beside_gains_over_others():
    config = load_config(ROOT / "experiments/configs/demo.yaml", ["baselines=[saez, best_fixed]"])
    assert claim_about(config) == "imagination_saves_calls"
    assert quoted(config) == ()


@pytest.fixture
def table_of_towns(tmp_path: Path) -> Path:
    def ended(method: str, episodes: float | None, level: float) -> dict[str, object]:
        levels = {"level": [level, level - 0.1, level + 0.1], "gain": [level - 2, level - 2.1, level - 1.9]}
        return {"method": method, "label": method.upper(), "episodes": episodes, **levels}

    rows = [ended(name, None, 2.7) for name in ("random", "blind", "bayes", "oracle")]
    rows += [ended("swm_ap", 5, 2.5), ended("swm_ap", 20, 2.6), ended("ppo", 2000.0, 2.55)]
    curves = {
        "swm_ap": [[5, 2.5, 2.4, 2.6], [20, 2.6, 2.5, 2.7]],
        "ppo": [[1000, 2.0, 1.9, 2.1], [2000, 2.5, 2.4, 2.6]],
    }
    figures = {"towns": {"facility32": {"table": rows, "curves": curves}}, "held_out_communities": 200}
    (tmp_path / "facility_32_table.json").write_text(json.dumps({"figures": figures}))
    return tmp_path


def test_towns_quote_every_learner_at_its_end_and_who_knows_the_rules(table_of_towns: Path):
    found = quoted_methods(TOWN, table_of_towns)
    assert [m.name for m in found] == ["swm_ap", "ppo", "blind", "bayes", "oracle"]
    ours = found[0]
    assert ours.label == "SWM_AP, 20 episodes (scripted people)"
    assert (ours.welfare.value, ours.gain.value) == pytest.approx((0.52, 0.12))  # a step's, not an episode's
    assert (ours.decisions, found[-1].decisions, ours.communities) == (20 * 5 * 32, Uncounted.TRUE_SOCIETY, 200)
    assert ours.quoted == "results/facility_32_table.json"


def test_towns_quote_learning_curves(table_of_towns: Path):
    ours, ppo = quoted_curves(TOWN, table_of_towns)
    assert ours.decisions.tolist() == [5 * 5 * 32, 20 * 5 * 32]
    assert ours.mean.tolist() == pytest.approx([0.5, 0.52])
    assert (ppo.label, ppo.people) == ("PPO", "scripted")


@pytest.mark.parametrize("word", ["population.way=distribution", "society.name=facility8", "baselines=[k_median]"])
def test_other_towns_and_other_ways_of_asking_are_not_quoted(word: str, table_of_towns: Path):
    config = load_config(ROOT / "experiments/configs/facility32.yaml", [word])
    if "baselines" in word:
        assert quoted(config) == ()  # gains there are not counted from random cells
    else:
        assert claim_about(config) != "facility_32_table"
