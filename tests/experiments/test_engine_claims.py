"""The claims about engines run in small, and can fail."""

import random
from pathlib import Path

import pytest

from agents.llm.engine import Reply, Request
from agents.llm.replies import Verdict
from experiments import engine_overhead, million_bad_replies, thousand_agents, vllm_agrees
from experiments.benchmarks.moody_server import CONTENT, RETRIES, TRANSPORT, Moods
from experiments.errors import UserError
from experiments.million_bad_replies import QUESTIONS, mutated


def test_bad_replies_are_read_without_a_mistake() -> None:
    outcome = million_bad_replies.claim(smoke=True)
    assert outcome.passed
    assert outcome.figures["replies"] == 2_400
    assert set(outcome.figures["causes"]) >= {"an answer", "not JSON", "choice not offered"}  # pyright: ignore


def test_a_reader_that_takes_what_is_no_answer_or_crashes_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def credulous(request: Request, reply: Reply) -> Verdict:
        if "}" not in reply.text:
            raise IndexError("no end")
        return Verdict(0, None)

    monkeypatch.setattr(million_bad_replies, "read", credulous)
    outcome = million_bad_replies.claim(smoke=True)
    assert not outcome.passed
    told = "\n".join(map(str, outcome.figures["wrong"]))  # pyright: ignore[reportArgumentType]
    assert "IndexError" in told
    assert "Verdict(choice=0" in told


def test_mutations_are_the_same_every_time_and_of_both_questions() -> None:
    first, again = (list(mutated(random.Random(3), 50)) for _ in range(2))
    assert repr(first) == repr(again)
    assert {request.question for request, _ in first} == set(QUESTIONS)


def test_overhead_is_measured_against_both_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def langchain(url: str, in_flight: int, calls: int) -> float:
        return 0.5  # its client leaves connections open

    monkeypatch.setattr(engine_overhead, "_langchain", langchain)
    outcome = engine_overhead.claim(smoke=True)
    assert set(outcome.figures["decisions_a_second"]) == {"64", "512"}  # pyright: ignore[reportArgumentType]
    assert 0 < float(str(outcome.figures["share_of_ceiling"])) <= float(str(outcome.figures["rounds_allow"])) <= 1.0
    rates = outcome.figures["decisions_a_second"]
    ratios = outcome.figures["times_langchain"]
    for n, own in rates.items():  # pyright: ignore
        assert ratios[n] == pytest.approx(own[0] / 0.5, rel=0.01)  # pyright: ignore


def test_the_moody_server_fails_in_every_way_and_never_a_last_attempt() -> None:
    moods = Moods(faults=0.5, hopeless=0.0)
    kinds = {moods.fault(f"words {i}", 0, sample=True) for i in range(400)} - {None}
    assert kinds == {*TRANSPORT, *CONTENT}
    assert {moods.fault(f"words {i}", 0, sample=False) for i in range(400, 800)} - {None} <= set(TRANSPORT)
    assert all(moods.fault(f"words {i}", RETRIES, sample=True) is None for i in range(400))
    for _ in range(3):
        moods.fault("often", 0, sample=True)
    assert moods.fault("often", 0, sample=True) is None


def test_agreement_with_vllm_needs_vllm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vllm_agrees.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="make test-vllm"):
        vllm_agrees.claim(smoke=True)


def test_a_society_of_people_who_all_differ_is_played_and_its_calls_counted_twice() -> None:
    figures = thousand_agents.claim(smoke=True).figures
    assert figures["people"] == 40
    assert figures["decisions"] == figures["ledger_decisions"] == 160
    assert 0 < int(str(figures["calls"])) == figures["ledger_calls"] <= 160
    assert 0.1 < float(str(figures["memory"])) < 4.0
