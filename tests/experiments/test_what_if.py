"""`solon evaluate`: a few of a run's people are asked, nothing twice, and mistakes are told."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.llm.engine import Request
from agents.llm.journal import Journal
from agents.llm.mock import MockEngine
from agents.llm.population import LanguagePopulation
from agents.scripted import ScriptedPopulation
from experiments import persona_effect, runs, what_if
from experiments.answered import figures, of_everyone, plan_of, without
from experiments.config import load_config
from experiments.counterfactual import ask, forecast, hours_of, newcomers, standing, worth
from experiments.errors import ROOT
from experiments.live import Live
from experiments.named_rules import in_place
from experiments.pipeline import execute, plan
from experiments.prediction_powered import Design, drawn
from experiments.runs import open_run
from experiments.states_of_runs import Placed
from experiments.years_ahead import years_ahead
from learning.draws import draws
from mechanism.baselines.fixed import default, flat
from personas.rosters import open_rosters
from societies.library.income_tax import MARKET, IncomeTax
from societies.play import play
from societies.welfare import equality
from tests.experiments.tiny import TINY, small_copy, solon
from world_model.model import ModelSettings, WorldModel

TOWNS, STEP = 4, 3
SOCIETY = IncomeTax()
RULES = flat(SOCIETY, 0.4).mechanism.expand(TOWNS, -1)


@pytest.fixture(scope="module")
def place() -> Placed:
    """Scripted people after three years of US rates."""
    rosters = open_rosters(ROOT / "personas/populations/communities.yaml", SOCIETY.agents)
    d = draws(3, 0, TOWNS)
    people = rosters.people(d)
    past = play(SOCIETY, ScriptedPopulation(), people, default(SOCIETY), d).episode
    return Placed(standing(SOCIETY, past, people, d, STEP), "")


@pytest.fixture(scope="module")
def model(place: Placed) -> WorldModel:
    model = WorldModel(SOCIETY, ModelSettings(members=2), 0)
    model.scaler.read(place.at.seen.prospects, place.at.seen.features[..., model.own])
    return model.requires_grad_(False)


def test_only_those_who_were_drawn_are_asked(place: Placed) -> None:
    asked = list[int]()

    class Watched(ScriptedPopulation):
        def decide(self, memory, round, draws):
            asked.extend(round.choices.any(-1).flatten().nonzero()[:, 0].tolist())
            return super().decide(memory, round, draws)

    who = np.array([40, 3, 127])
    said = ask(Watched(), place.at, RULES, who)
    assert asked == [3, 40, 127]
    everyone = ask(ScriptedPopulation(), place.at, RULES, np.arange(place.at.size))
    assert said.chances == pytest.approx(everyone.chances[who])
    assert said.usable.all()
    assert said.chances.sum(1) == pytest.approx(1)


def test_replies_of_no_use_are_known_as_such(place: Placed, tmp_path: Path) -> None:
    who = np.arange(0, 40, 2)

    def answer(request: Request) -> str | int:
        return "I would rather not say." if len(request.question.user + request.question.system) % 3 == 0 else 8

    with Journal(tmp_path / "journal.sqlite") as journal:
        people = LanguagePopulation(MockEngine(answer), journal, retries=1, max_fallback_share=1.0)
        said = ask(people, place.at, RULES, who)
    assert 0 < said.usable.sum() < len(who)
    assert (said.chances[said.usable].argmax(1) == 8).all()


def test_asking_everybody_leaves_no_doubt(place: Placed, model: WorldModel) -> None:
    at, of = place.at, worth(MARKET, place.at, RULES)
    told, who = forecast(model, at, RULES, at.draws), np.arange(at.size)
    said = ask(ScriptedPopulation(), at, RULES, who)
    plan = plan_of(told, of, at.size)
    found = figures(said.chances, drawn(plan, who / at.size), plan, told, of)
    truth = of_everyone(said.chances, of)
    assert {f.name: f.estimate.value for f in found} == pytest.approx(truth)
    assert all(f.estimate.error == 0 for f in found)


def test_the_accounts_are_the_societys(place: Placed) -> None:
    at, of = place.at, worth(MARKET, place.at, RULES)
    chosen = torch.randint(0, 21, (TOWNS, SOCIETY.agents), generator=torch.Generator().manual_seed(0))
    settled = SOCIETY.settle(at.features, RULES, SOCIETY.respond(chosen))
    found = of_everyone(np.eye(21)[chosen.flatten().numpy()], of)
    accounts = {name: float(value.mean()) for name, value in settled.accounts.items()}
    assert found["hours"] == pytest.approx(accounts["hours"], rel=1e-4)
    assert found["tax"] == pytest.approx(accounts["lump_sum"], rel=1e-4)
    assert found["productivity"] == pytest.approx(accounts["productivity"], rel=1e-4)
    rows = np.arange(at.size)
    kept = (of.gross - of.owed)[rows, chosen.flatten().numpy()]
    assert found["equality"] == pytest.approx(float(equality(torch.from_numpy(kept + found["tax"]))), rel=1e-6)


def test_the_forecast_knows_the_past_and_no_more(place: Placed, model: WorldModel) -> None:
    at = place.at
    told = forecast(model, at, RULES, at.draws)
    assert told.chances.sum(1) == pytest.approx(1, abs=1e-4)
    assert (told.doubt > 0).all()
    assert len(told.past) == 2
    answers = at.seen.choice[:, STEP - 1].flatten(0, 1).double().numpy() @ hours_of(SOCIETY)
    before = answers - told.past[0].missed  # what was forecast of the last answer
    assert ((before > 0) & (before < 100)).all()
    assert np.corrcoef(answers, told.past[0].missed)[0, 1] > 0.5  # a model that was never fitted misses most
    fresh = newcomers(SOCIETY, at.people, at.draws)
    assert forecast(model, fresh, RULES, at.draws).past == ()
    assert torch.equal(fresh.features, SOCIETY.reset(at.people).features)


def test_rules_that_never_change_are_in_place(place: Placed) -> None:
    assert torch.equal(in_place(flat(SOCIETY, 0.4), place.at), RULES)


def test_years_ahead_are_the_worlds_accounts(place: Placed, model: WorldModel) -> None:
    found = years_ahead(model, place.at, RULES, 2)
    assert set(found) == {"equality", "productivity", "hours", "lump_sum"}
    assert 0 < found["equality"] < 1
    assert found == years_ahead(model, place.at, RULES, 2)


def test_a_state_beyond_the_record_is_refused(place: Placed) -> None:
    past = play(SOCIETY, ScriptedPopulation(), place.at.people, default(SOCIETY), place.at.draws).episode
    with pytest.raises(ValueError, match="no state before step 13"):
        standing(SOCIETY, past, place.at.people, place.at.draws, 13)


def test_who_gives_no_usable_answer_counts_as_not_drawn() -> None:
    plan = Design(np.array([0, 0, 1, 1, 1, 2, 2, 2]), np.array([2, 3, 3]), np.array([2, 2, 2]))
    asked = np.array([0, 1, 2, 3, 5, 7])
    same, left = without(plan, asked, np.ones(6, dtype=bool))
    assert same is plan
    assert left.tolist() == list(range(6))
    fewer, left = without(plan, asked, np.array([True, True, True, False, True, True]))
    assert fewer.size.tolist() == [2, 6]
    assert fewer.take.tolist() == [2, 3]
    assert asked[left].tolist() == [0, 1, 2, 5, 7]
    assert (fewer.stratum[asked[left]] == [0, 0, 1, 1, 1]).all()
    last, _ = without(plan, asked, np.array([True, True, True, True, False, True]))
    assert (last.size.tolist(), last.take.tolist()) == ([2, 6], [2, 3])
    with pytest.raises(ValueError, match="only 1 of 6"):
        without(plan, asked, np.eye(6, dtype=bool)[0])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs in which `tiny` is finished."""
    folder = tmp_path_factory.mktemp("what-if")
    file = folder / "tiny.yaml"
    file.write_text(TINY.replace("[us_federal, saez]", "[us_federal]"))
    config = load_config(file)
    with open_run(config, folder / "runs") as run, Live("tiny", plan(config)) as live:
        execute(config, run, live)
    return folder / "runs"


@pytest.fixture
def home(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "RUNS", finished)
    return finished


def test_the_command_asks_as_many_as_it_may_and_nothing_twice(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    complete = MockEngine.complete

    def counted(self: MockEngine, requests):
        asked.append(len(requests))
        return complete(self, requests)

    monkeypatch.setattr(MockEngine, "complete", counted)
    first = solon("evaluate", "flat_50", "--run", "tiny", "--calls", 40, "--json")
    assert first.exit_code == 0, first.output
    assert 0 < sum(asked) <= 40
    found = json.loads(first.stdout)
    assert (found["people"], found["asked"], found["calls"]) == (64, 40, sum(asked))
    hours = found["figures"][0]
    assert hours["value"] == pytest.approx(50)  # each of 0, 5, ... 100 is as likely, so that all say the same
    assert hours["high"] - hours["low"] < 1e-3
    assert [f["guarantee"] for f in found["figures"]] == ["unbiased"] * 4 + ["asymptotic"] * 2
    again = solon("evaluate", "flat_50", "--run", "tiny", "--calls", 40, "--json")
    assert json.loads(again.stdout)["calls"] == 0
    assert json.loads(again.stdout)["figures"] == found["figures"]


def test_the_table_says_what_is_guaranteed(home: Path) -> None:
    shown = solon("evaluate", "swm_ap", "--run", "tiny", "--calls", 64, "--ahead", 2, "--rivals")
    assert shown.exit_code == 0, shown.output
    assert "64 people in 2 towns: held-out, after 5 counted years under swm_ap" in shown.stdout
    for words in ("unbiased", "asymptotic", "none", "plain average", "one call per archetype", "imagined"):
        assert words in shown.stdout
    assert "asked: everyone, all 64" in shown.stdout
    assert "smoke run" not in shown.output


def test_figures_of_a_smoke_run_are_said_to_mean_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_copy(home / "tiny", tmp_path / "tiny-smoke")
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    shown = solon("evaluate", "flat_50", "--run", "tiny-smoke", "--calls", 40)
    assert "asked: 40 of them" in shown.stdout
    assert "this was a smoke run: its figures mean nothing" in shown.stdout


def test_people_of_several_kinds_are_refused_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    (tmp_path / "mixed.yaml").write_text(TINY)
    with open_run(load_config(tmp_path / "mixed.yaml", ["population.mix.scripted=0.5"]), tmp_path):
        pass
    for module in (what_if, persona_effect):
        monkeypatch.setattr(module, "open_run", lambda *_: pytest.fail("the run was gone on with"))
    for words in (["evaluate", "flat_50"], ["personas", "effect", "maria-keller", "--trait", "elasticity"]):
        refused = solon(*words, "--run", "mixed")
        assert refused.exit_code == 2, refused.output
        assert "several kinds are mixed" in refused.stderr


def test_newcomers_and_rates_of_ones_own(home: Path, tmp_path: Path) -> None:
    rates = tmp_path / "rates.yaml"
    rates.write_text("[0, .3, .4, .5, .5, .5, .5]")
    words = ("evaluate", rates, "--run", "tiny", "--calls", 30, "--newcomers", 3, "--population", "scripted", "--json")
    found = json.loads(solon(*words).stdout)
    assert (found["people"], found["calls"], found["state"][:9]) == (96, None, "newcomers")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("flat50",), "did you mean 'flat_50'?"),
        (("flat_101",), "flat_0 to flat_100"),
        (("x" * 300,), "there are no rules 'xxx"),
        (("flat_50", "--calls", 9), "9 calls are too few"),
        (("flat_50", "--after", "nobody"), "choose from: swm_ap, us_federal"),
        (("flat_50", "--years", 11), "give 0 to 10"),
        (("flat_50", "--ahead", 6), "give 0 to 5"),
        (("flat_50", "--newcomers", 0), "give 1 to 10,000"),
        (("flat_50", "--population", "rl"), "this run's people are llm"),
        (("flat_50", "--population", "ants"), "write llm or scripted"),
        (("swm_ap", "--newcomers", 3), "leave --newcomers out"),
        (("median",), "known for other societies only"),
        (("flat_50", "--run", "nothing"), "there is no run 'nothing'"),
    ],
)
def test_mistakes_are_told(home: Path, words: tuple[str, ...], told: str) -> None:
    refused = solon("evaluate", *words, *(() if "--run" in words else ("--run", "tiny")))
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[.1, .2]", "it has 2 numbers; income_tax has 7 rates"),
        ("[0, 0, 0, 0, 0, 0, 1.5]", "parameter 7 of the rules is 1.5"),
        ("rates: 3", "it is no list of numbers"),
        ("[yes, 0, 0, 0, 0, 0, 0]", "it is no list of numbers"),
        ("[0, 0", "it is no YAML"),
        ("[.nan, 0, 0, 0, 0, 0, 0]", "which is no number"),
        (f"[{'9' * 400}, 0, 0, 0, 0, 0, 0]", "it is no list of numbers"),
        (f"[{'9' * 5000}, 0, 0, 0, 0, 0, 0]", "it is no YAML"),
        ("[" * 600 + "]" * 600, "it is no YAML"),
        ("[0, 0, 0, 0, 0, 0, 0]" + " " * 10_000 + "# not read", "it has 10,031 bytes"),
    ],
)
def test_mistakes_in_a_file_of_rates_are_told(home: Path, tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "rates.yaml"
    file.write_text(content)
    refused = solon("evaluate", file, "--run", "tiny")
    assert refused.exit_code == 2, refused.output
    assert told in refused.stderr
    assert str(file) in refused.stderr


def test_an_unfinished_run_is_refused(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "tiny"
    broken.mkdir()
    for name in ("config.yaml", "manifest.json", "journal.sqlite"):
        (broken / name).write_bytes((home / "tiny" / name).read_bytes())
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    refused = solon("evaluate", "flat_50", "--run", "tiny")
    assert refused.exit_code == 2
    assert "has not finished learning" in refused.stderr
