"""The page about using one's own model: its commands, as printed, against stand-ins for a server and a provider."""

import math
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments import runs
from experiments.benchmarks.moody_server import NAME
from experiments.benchmarks.started import started
from experiments.cli import app
from experiments.errors import ROOT
from tests.agents.llm.fake_server import Body, serving, with_log_probs

PAGE = (ROOT / "docs" / "your-own-model.md").read_text(encoding="utf-8")
SMALL = (
    *("method.settings.first_episodes=1", "method.settings.mixed_episodes=0", "method.settings.base_worlds=2"),
    *("method.settings.tracker_worlds=2", "method.settings.improve.iterations=1", "evaluation.communities=2"),
)  # what the page leaves out: a test has no minutes
KEY = "sk-planted-0123456789abcdef0123456789"


def commands(heading: str) -> list[str]:
    """The printed lines of a section, in order."""
    (section,) = [part for part in PAGE.split("\n## ") if part.startswith(heading)]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def typed(line: str, *more: str) -> str:
    """A line that begins with `solon`; what it printed. It must succeed."""
    done = CliRunner().invoke(app, [*shlex.split(line)[1:], *more], env={"COLUMNS": "200"})
    assert done.exit_code == 0, f"{line}\n{done.output}"
    return done.output


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")


def test_the_prompt_is_shown() -> None:
    (line,) = commands("See what")
    assert "You are Maria Keller" in typed(line)


def test_a_served_model_is_estimated_tried_and_looked_at() -> None:
    install, serve, dry, small, journal, whole = commands("A model on your GPU")
    assert install == "pip install '.[gpu]'"
    assert "--max-logprobs" not in serve  # `solon serve` says that itself: tests/experiments/test_serving.py
    with started("moody_server") as url:
        dry, small, whole = (
            line.replace("Qwen/Qwen3-8B", NAME).replace("http://127.0.0.1:8000", url) for line in (dry, small, whole)
        )
        assert "in all" in typed(dry)
        typed(small, *SMALL)
        assert "vllm:moody" in typed(journal)
        assert whole == small.removesuffix(" --smoke")


def test_a_provider_is_paid_within_the_limit_and_no_key_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, echo, dry, first, more = commands("A hosted provider")
    assert export == "export OPENAI_API_KEY=..."
    prices = tmp_path / "prices.yaml"
    prices.write_text(shlex.split(echo)[1] + "\n")

    def answer(body: Body) -> Body:
        return with_log_probs([('{"hours":', {}), ("40", {"40": math.log(0.7), "45": math.log(0.3)}), ("}", {})])

    with serving(answer) as provider:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        dry, first, more = (line.replace("prices.yaml", str(prices)) for line in (dry, first, more))
        assert "USD" in typed(dry)
        stopped = first.replace("budget.money=0.05", "budget.money=0.01")
        done = CliRunner().invoke(app, [*shlex.split(stopped)[1:], *SMALL])
        assert done.exit_code == 2
        assert "USD is spent" in done.stderr
        typed(more, *SMALL)
    assert {headers["Authorization"] for headers in provider.headers} == {f"Bearer {KEY}"}
    kept = [file for file in (tmp_path / "runs").rglob("*") if file.is_file()]
    assert len(kept) > 10
    assert not any(KEY.encode() in file.read_bytes() for file in kept)


def test_every_command_is_tried() -> None:
    assert sum(map(len, map(commands, ("See what", "A model on", "A hosted")))) == PAGE.count("\n    ")
