"""Against real vLLM, built for processors: `make test-vllm`. It runs the shipped model, as a server and in process."""

import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.base import Question
from agents.embedded.vocabulary import MODEL_FOLDER
from agents.llm.engine import Request
from agents.llm.models import engine_for
from agents.llm.reader import JournalReader
from experiments import runs
from experiments.cli import app
from experiments.errors import ROOT
from experiments.serving import Serving, served
from experiments.vllm_agrees import CONTEXT, COUNTS, Agreement, agreement, questions

PORT = 8078


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a server with the shipped model, called "solon"."""
    flags = ("--dtype", "float32", "--max-model-len", str(CONTEXT))
    serving = Serving(str(MODEL_FOLDER), "solon", "127.0.0.1", PORT, 0, sys.executable, flags)
    with served(serving, tmp_path_factory.mktemp("server") / "log"):
        yield serving.url


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    """Decisions of three societies, 40 each."""
    return [question for name in COUNTS for question in questions(name, 40)]


def check(found: Agreement) -> None:
    assert float(found.tv.max()) < 0.01
    assert float(found.missing.max()) < 0.05
    assert found.parsed == 1.0


@pytest.mark.vllm
def test_a_server_answers_like_the_embedded_engine(server: str, asked: list[Question]) -> None:
    check(agreement(engine_for("vllm:solon", server, timeout=600.0), asked))


@pytest.mark.vllm
def test_a_server_asked_through_langchain_does_too(server: str, asked: list[Question]) -> None:
    check(agreement(engine_for("openai:solon", f"{server}/v1", timeout=600.0), asked[:40]))


@pytest.mark.vllm
def test_a_whole_run_asks_a_server(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    config = ROOT / "experiments" / "configs" / "demo.yaml"
    words = ["population.model=vllm:solon", f"population.base_url={server}"]
    result = CliRunner().invoke(app, ["run", str(config), *words, "--smoke"])
    assert result.exit_code == 0, result.output
    ledger = JournalReader(tmp_path / "demo-smoke").ledger()
    assert ledger.decisions > 0
    assert (ledger.failed, ledger.problems, ledger.faults) == (0, {}, {})


@pytest.mark.vllm
def test_vllm_in_this_process_answers_like_the_embedded_engine(asked: list[Question]) -> None:
    engine = engine_for(f"vllm:{MODEL_FOLDER}", dtype="float32", max_model_len=CONTEXT)
    check(agreement(engine, asked))
    long = replace(asked[0], system="You are Ada. " * 2_000)
    first, second = engine.complete([Request(long, "distribution"), Request(asked[0], "distribution")])
    assert (first.error or "").startswith("prompt too long: ")
    assert second.error is None


@pytest.mark.vllm
def test_words_are_written(server: str) -> None:
    note = Question("You are Ada.", "Write a note.", "note", ())
    engine = engine_for("vllm:solon", server, timeout=600.0, max_tokens=8)
    first, again, other = engine.complete([Request(note, "words", draw) for draw in (1, 1, 2)])
    assert first.error is None
    assert first.text == again.text != other.text
    assert 0 < first.tokens_out <= 8


@pytest.mark.vllm
def test_settings_that_vllm_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match=r"vLLM cannot run vllm:.*colour"):
        engine_for(f"vllm:{MODEL_FOLDER}", colour="blue")
