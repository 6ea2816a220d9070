"""`solon personas effect`: nobody is asked without calls, nothing twice, and mistakes are told."""

import json
from pathlib import Path

import pytest

from agents.llm.mock import MockEngine
from experiments import persona_effect, runs
from experiments.config import load_config
from experiments.errors import ROOT
from experiments.live import Live
from experiments.persona_link import INFERRED
from experiments.pipeline import execute, plan
from experiments.runs import open_run
from tests.experiments.tiny import TINY, small_copy, solon
from tests.personas.test_personas_page import block, typed

EDIT = ("personas", "effect", "maria-keller", "--trait", "elasticity")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs in which a tiny `demo` is finished."""
    folder = tmp_path_factory.mktemp("effect")
    file = folder / "demo.yaml"
    file.write_text(TINY.replace("[us_federal, saez]", "[us_federal]").replace("communities.yaml", "broad.yaml"))
    config = load_config(file)
    with open_run(config, folder / "runs") as run, Live("demo", plan(config)) as live:
        execute(config, run, live)
    return folder / "runs"


@pytest.fixture
def home(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "RUNS", finished)
    monkeypatch.setattr(persona_effect, "FORMS", (INFERRED,))  # a test has no minutes
    return finished


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests every batch to the model held."""
    sizes, complete = list[int](), MockEngine.complete

    def counted(self: MockEngine, requests):
        sizes.append(len(requests))
        return complete(self, requests)

    monkeypatch.setattr(MockEngine, "complete", counted)
    return sizes


def test_a_prediction_asks_nobody(home: Path, asked: list[int]) -> None:
    found = json.loads(solon(*EDIT, "--json").stdout)
    assert asked == []
    assert (found["from"], found["to"], found["towns"], found["calls"]) == (0.1, 0.9, 2, None)
    assert [row["name"] for row in found["rules"]] == ["us_federal", "flat_50", "swm_ap"]
    for row in found["rules"]:
        move = row["predicted"]["hours"]
        assert row["actual"] is None
        assert 0 < move["before"] < 100
        assert move["shift"] == pytest.approx(move["after"] - move["before"])
        assert move["error"] == pytest.approx((move["ensemble"] ** 2 + move["link"] ** 2) ** 0.5)
    assert found["link"]["people"] == 96  # three towns: those that were played twice count once
    assert found["link"]["range"]["elasticity"][0] < 0.1


def test_people_are_asked_as_often_as_was_said_and_nothing_twice(home: Path, asked: list[int]) -> None:
    first = json.loads(solon(*EDIT, "--calls", 13, "--json").stdout)
    assert 0 < sum(asked) <= 12  # two towns, three sets of rules, both ends of the edit
    assert first["calls"] == sum(asked)
    for row in first["rules"]:
        assert row["actual"]["hours"]["before"] == pytest.approx(50)  # 0, 5, ... 100 are as likely
        assert row["actual"]["hours"]["shift"] == pytest.approx(0, abs=1e-6)
        assert row["unusable"] == 0
    again = json.loads(solon(*EDIT, "--calls", 13, "--json").stdout)
    assert again["calls"] == 0
    assert again["rules"] == first["rules"]


def test_the_link_is_fitted_once_for_a_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = solon(*EDIT, "--json")
    monkeypatch.setattr(persona_effect, "fitted", lambda *_: pytest.fail("it was fitted twice"))
    assert solon(*EDIT, "--json").stdout == first.stdout
    assert (home / "demo" / "stages" / "persona-link.safetensors").exists()


def test_figures_of_a_smoke_run_are_said_to_mean_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "smoke run" not in solon(*EDIT).stdout
    small_copy(home / "demo", tmp_path / "demo-smoke")
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    for calls in ((), ("--calls", 13)):
        shown = solon(*EDIT, "--run", "demo-smoke", *calls)
        assert shown.stdout.count("this was a smoke run: its figures mean nothing") == 1, shown.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--trait", "habits"), "did you mean 'habit'?"),
        (("--trait", "trust"), "declared no trust"),
        (("--trait", "habit", "--from", 0.4, "--to", 0.4), "changes nothing"),
        (
            ("--trait", "risk_aversion", "--to", 1),
            "risk_aversion 1 is outside what the people already played declared",
        ),
        (("--trait", "habit", "--from", 0.4, "--calls", 5), "give at least 6"),
        (("--trait", "habit", "--from", 0.4, "--rules", "flat50"), "did you mean 'flat_50'?"),
        (("--trait", "habit", "--from", 0.4, "--after", "nobody"), "choose from: swm_ap, us_federal"),
        (("--trait", "habit", "--run", "nothing"), "there is no run 'nothing'"),
    ],
)
def test_mistakes_are_told(home: Path, asked: list[int], words: tuple[object, ...], told: str) -> None:
    refused = solon("personas", "effect", "maria-keller", *words)
    assert refused.exit_code == 2, refused.output
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert asked == []


def test_a_person_who_lacks_what_the_others_declare_is_refused(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "bo.yaml"
    file.write_text("id: bo\nname: Bo\nattributes: {wage: 20}\ntraits: {elasticity: 0.5}\n")
    refused = solon("personas", "effect", file, "--trait", "elasticity")
    assert refused.exit_code == 2
    assert "the trait 'fairness'; Bo does not declare it" in refused.stderr


def test_edits_are_shown_as_the_page_says(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "personas").symlink_to(ROOT / "personas")
    monkeypatch.chdir(tmp_path)
    before, after = [typed(line) for line in block("What an edit does")[:2]]
    assert "Maria Keller in 2 towns: held-out, after 5 counted years under swm_ap" in before
    assert "at 0.1: When you keep less of extra pay, you hardly cut hours." in before
    assert "predicted shift" in before
    assert "nats a decision" in before
    assert "R²" not in before
    assert "actual shift" not in before
    assert "actual shift" in after
    assert "sets of rules; asked: 12" in after
