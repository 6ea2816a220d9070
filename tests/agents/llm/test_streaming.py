"""Engines whose calls do not depend on each other: as many in flight as may be, kept as they come in."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.llm.budget import Budget, BudgetSpent
from agents.llm.engine import Reply, Request, Way
from agents.llm.in_flight import InFlight, complete
from agents.llm.loop import Loop
from agents.llm.mock import BOTH_WAYS, Answer, MockEngine
from agents.llm.population import LanguagePopulation, PopulationStopped, Progress
from tests.agents.llm.test_language_population import spread
from tests.agents.llm.town import CHOICES, K, a_round, decide, journal, one_request

Answering = Callable[[Request], Answer]


class Shuffling:
    """Answers what is in flight in an order, and in groups, of its own. Holds at most `max_in_flight` calls."""

    model = "shuffling"
    ways: frozenset[Way] = BOTH_WAYS

    def __init__(self, answer: Answering, max_in_flight: int = 8, seed: int = 0) -> None:
        self.max_in_flight, self.most = max_in_flight, 0
        self.mock, self.order = MockEngine(answer), random.Random(seed)
        self.flying: list[tuple[int, Request]] = []
        self.given_up = 0

    @property
    def asked(self) -> list[Request]:
        return [request for batch in self.mock.batches for request in batch]

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        return complete(self, requests)

    def line(self) -> "Shuffling":
        return self

    def send(self, requests: Sequence[tuple[int, Request]]) -> None:
        self.flying += requests
        self.most = max(self.most, len(self.flying))
        assert self.most <= self.max_in_flight

    def replies(self, seconds: float | None = None) -> list[tuple[int, Reply]]:
        self.order.shuffle(self.flying)
        some = [self.flying.pop() for _ in range(self.order.randint(1, len(self.flying)))]
        return [(number, *self.mock.complete([request])) for number, request in some]

    def close(self) -> None:
        self.given_up += len(self.flying)
        self.flying.clear()


def moody(request: Request) -> Answer:
    """By the words: a distribution, words that cannot be used at first, no distribution, or nothing at all."""
    kind = sum(request.question.user.encode()) % 7
    if kind == 0 and request.complaint is None:
        return "Forty?"
    if kind == 1:
        return Reply(f'{{"hours":{CHOICES[request.draw % K]}}}', None, 90, 4)
    return Reply("", error="timed out: after 1 s") if kind == 2 else spread(request)


def repeating(step: int) -> Callable[[int, int], str]:
    """Two worlds at a time have the same words."""
    return lambda world, agent: f"{world // 2} {agent} {step}"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), most=st.integers(1, 40), chunk=st.sampled_from([1, 5, 256]))
def test_the_order_in_which_replies_come_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, most: int, chunk: int
) -> None:
    def played(engine: MockEngine | Shuffling, name: str) -> tuple[object, ...]:
        with journal(tmp_path_factory.mktemp(name)) as j:
            people = LanguagePopulation(engine, j, retries=1, max_fallback_share=1.0, chunk=chunk)
            found = [decide(people, a_round(step, 4, 5, news=repeating(step))) for step in range(2)]
            ledger = j.ledger()
        counts = ledger.decisions, ledger.retried, ledger.failed, ledger.calls, ledger.tokens_in, ledger.lost
        told = [d.log_probs for d in found]
        return [d.action.tolist() for d in found], [t is not None and t.tolist() for t in told], counts, ledger.problems

    assert played(Shuffling(moody, most, seed), "stream") == played(MockEngine(moody), "batch")


def test_as_many_are_in_flight_as_may_be_and_none_is_asked_twice(tmp_path: Path) -> None:
    engine = Shuffling(spread, max_in_flight=16)
    with journal(tmp_path) as j:
        first = decide(LanguagePopulation(engine, j), a_round(0, 20, 15, news=repeating(0)))
        assert j.ledger().lost == 0
        again = decide(LanguagePopulation(engine, j), a_round(0, 20, 15, news=repeating(0)))
        ledger = j.ledger()
    assert engine.most == 16
    assert len(engine.asked) == 150
    assert (ledger.calls, ledger.real, ledger.cached) == (150, 150, 150)
    assert torch.equal(first.action, again.action)


def test_a_budget_is_used_up_and_not_exceeded(tmp_path: Path) -> None:
    engine = Shuffling(spread)
    with journal(tmp_path) as j:
        with pytest.raises(BudgetSpent, match="the budget of 50 calls is spent: 50 are used"):
            decide(LanguagePopulation(engine, j, Budget(calls=50)), a_round(0, 20, 10))
        assert (j.spent.calls, j.ledger().lost) == (50, 0)
        decide(LanguagePopulation(engine, j, Budget(calls=200)), a_round(0, 20, 10))
    assert len(engine.asked) == 200


def test_a_token_budget_is_used_up_and_not_exceeded(tmp_path: Path) -> None:
    engine = Shuffling(spread)  # 105 tokens a call, and about 1,500 bytes a prompt
    with journal(tmp_path) as j:
        with pytest.raises(BudgetSpent, match="tokens is spent"):
            decide(LanguagePopulation(engine, j, Budget(tokens=12_000)), a_round(0, 30, 10))
        assert 12_000 - 2 * 105 < j.spent.tokens <= 12_000
    with journal(tmp_path / "small") as j, pytest.raises(BudgetSpent, match="0 are used"):
        decide(LanguagePopulation(engine, j, Budget(tokens=500)), a_round(0, 1, 1))


def test_a_useless_model_is_stopped_early_and_what_was_in_flight_is_kept(tmp_path: Path) -> None:
    engine = Shuffling(lambda request: Reply("", error="HTTP 500: broken"), max_in_flight=64)
    with journal(tmp_path) as j:
        people = LanguagePopulation(engine, j, retries=0)
        with pytest.raises(PopulationStopped, match="HTTP 500: broken"):
            decide(people, a_round(0, 50, 20))
        ledger = j.ledger()
        assert (ledger.calls, ledger.lost, engine.given_up) == (len(engine.asked), 0, 0)
        assert ledger.voided == ledger.calls < 256
        engine.mock = MockEngine(spread)
        decide(people, a_round(0, 50, 20))  # what failed is asked again
    assert len(engine.asked) == 1000


def test_what_is_in_flight_at_a_break_is_counted_as_lost(tmp_path: Path) -> None:
    class Interrupted(Shuffling):
        def replies(self, seconds: float | None = None) -> list[tuple[int, Reply]]:
            if len(self.asked) > 40:
                raise KeyboardInterrupt
            return super().replies(seconds)

    engine = Interrupted(spread)
    with journal(tmp_path) as j, pytest.raises(KeyboardInterrupt):
        decide(LanguagePopulation(engine, j), a_round(0, 20, 10))
    with journal(tmp_path) as j:
        assert (j.ledger().lost, j.ledger().calls) == (8, len(engine.asked))
        decide(LanguagePopulation(Shuffling(spread), j), a_round(0, 20, 10))
        assert (j.ledger().lost, j.ledger().calls) == (8, 200)
    assert engine.given_up == 8


def test_progress_is_told_as_replies_come_in(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with journal(tmp_path) as j:
        decide(LanguagePopulation(Shuffling(spread), j, progress=seen.append), a_round(0, 10, 10))
    assert len(seen) > 12
    assert [p.calls for p in seen] == sorted(p.calls for p in seen)
    assert (seen[-1].decided, seen[-1].calls) == (100, 100)


def test_a_mistake_in_an_engine_is_raised_where_its_replies_are_taken() -> None:
    async def answer(request: Request) -> Reply:
        raise ZeroDivisionError("a mistake")

    line = InFlight(Loop(), answer)
    assert line.replies(0.01) == []
    line.send([(0, one_request())])
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        line.replies()
