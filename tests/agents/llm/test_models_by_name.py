"""Models by name, and recorded runs."""

from pathlib import Path

import pytest
import torch

from agents.llm.engine import parameters_of
from agents.llm.mock import MockEngine, mock
from agents.llm.models import engine_for
from agents.llm.population import LanguagePopulation
from agents.llm.recorded import NotOnTape, RecordedEngine
from agents.llm.storage import JournalError
from tests.agents.llm.town import a_round, decide, journal


@pytest.mark.parametrize("name", ["gpt-x", "embeded", "mock:nothing", "", "recorded", "recorded:"])
def test_unknown_names_list_what_is_possible(name: str) -> None:
    with pytest.raises(ValueError, match=r"mock:uniform|recorded:runs"):
        engine_for(name)


def test_mocks_by_name() -> None:
    assert engine_for("mock").model == "mock:uniform"
    assert engine_for("mock:broken").model == "mock:broken"


def test_a_missing_model_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no model folder .*nowhere"):
        engine_for(f"embedded:{tmp_path}/nowhere")


def test_settings_where_none_are_possible_are_refused() -> None:
    with pytest.raises(ValueError, match="remove: base_url, temperature"):
        engine_for("mock:uniform", base_url="http://127.0.0.1:1/v1", temperature=0.5)


def test_a_recorded_run_replays_without_its_model(tmp_path: Path) -> None:
    answers = ["what?", '{"hours": 40}', '{"hours": 45}', '{"hours": 37}']
    first, second = tmp_path / "first", tmp_path / "second"
    with journal(first) as j:
        population = LanguagePopulation(
            MockEngine(answers), j, way="sample", parameters={"temperature": 0.7}, retries=1
        )
        real = decide(population, a_round(0, 1, 2))
        account = j.ledger()
    with journal(second) as j:
        engine = engine_for(f"recorded:{first}")
        again = decide(LanguagePopulation(engine, j, way="sample", retries=1), a_round(0, 1, 2))
        assert j.ledger() == account
        with pytest.raises(NotOnTape, match="world 0 agent 0 step 1"):
            decide(LanguagePopulation(engine, j, way="sample", retries=1), a_round(1, 1, 2))
    assert torch.equal(real.action, again.action)
    assert real.fallbacks == again.fallbacks
    assert (engine.model, parameters_of(engine)) == ("mock", {"temperature": 0.7})


def test_a_tape_of_two_models_needs_a_choice(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        for name in ("uniform", "middle"):
            decide(LanguagePopulation(mock(name), j), a_round(0, 1, 1))
    with pytest.raises(ValueError, match=r"mock:uniform.*mock:middle.*as recorded:RUN#MODEL"):
        RecordedEngine(tmp_path)
    assert RecordedEngine(tmp_path, "mock:middle").model == "mock:middle"
    assert engine_for(f"recorded:{tmp_path}#mock:uniform").model == "mock:uniform"
    with pytest.raises(ValueError, match="none of them is mock:other"):
        engine_for(f"recorded:{tmp_path}#mock:other")


def test_a_missing_tape_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        engine_for(f"recorded:{tmp_path}")
