"""Engines whose calls do not depend on each other: as many in flight as may be, kept as they come in."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.llm.budget import Budget, BudgetSpent
from agents.llm.engine import Reply, Request, Setting, Way
from agents.llm.in_flight import InFlight, complete
from agents.llm.loop import Loop
from agents.llm.mock import BOTH_WAYS, Answer, MockEngine
from agents.llm.population import LanguagePopulation, PopulationStopped, Progress
from agents.llm.prompts import prompt_bytes
from agents.llm.recorded import RecordedEngine
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
        self.parameters: dict[str, Setting] = {}

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


@settings(max_examples=40)
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


def test_a_budget_of_tokens_holds_before_anything_is_known(tmp_path: Path) -> None:
    engine = Shuffling(lambda request: Reply('{"hours":40}', None, 400, 3_000), max_in_flight=64)
    engine.parameters = {"max_tokens": 4_000}
    with journal(tmp_path) as j:
        with pytest.raises(BudgetSpent):
            decide(LanguagePopulation(engine, j, Budget(tokens=100_000), "sample"), a_round(0, 20, 10))
        assert 100_000 - 3_400 < j.spent.tokens <= 100_000


def test_a_budget_of_tokens_holds_where_prompts_grow(tmp_path: Path) -> None:
    engine = Shuffling(lambda request: Reply('{"hours":40}', None, prompt_bytes(request) // 4, 5), max_in_flight=512)

    def lived(people: LanguagePopulation) -> None:
        for step in range(20):
            decide(
                people, a_round(step, 1, 50, news=lambda w, n, s=step: f"agent {n} of {w} " + "and so on " * 300 * s)
            )

    with journal(tmp_path) as j:
        with pytest.raises(BudgetSpent):
            lived(LanguagePopulation(engine, j, Budget(tokens=200_000), "sample"))
        assert 150_000 < j.spent.tokens <= 200_000


def test_a_mistake_does_not_cost_what_else_was_in_flight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mistaken(Shuffling):
        def line(self) -> InFlight:  # pyright: ignore[reportIncompatibleMethodOverride]
            return InFlight(Loop(), self.one)

        async def one(self, request: Request) -> Reply:
            if request.question.user == "world 0 agent 3 step 0":
                raise ZeroDivisionError("a mistake")
            await asyncio.sleep(0.1)
            return Reply('{"hours":40}')

    monkeypatch.setattr("agents.llm.settling._FAREWELL", 1.0)
    with journal(tmp_path) as j:
        with pytest.raises(ZeroDivisionError):
            decide(LanguagePopulation(Mistaken(spread, 64), j, way="sample"), a_round(0, 1, 40))
        assert j.ledger().calls == 39


def test_a_call_that_its_client_gives_up_does_not_hang_the_others() -> None:
    async def answer(request: Request) -> Reply:
        raise asyncio.CancelledError("enough")

    line = InFlight(Loop(), answer)
    line.send([(0, one_request())])
    with pytest.raises(RuntimeError, match="a call ended with CancelledError: enough"):
        line.replies(5)


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


def test_what_came_in_beside_a_mistake_is_handed_over_first() -> None:
    async def answer(request: Request) -> Reply:
        if request.draw == 1:
            raise ZeroDivisionError("a mistake")
        return Reply("paid for")

    loop = Loop()
    line = InFlight(loop, answer)
    line.send([(draw, replace(one_request(), draw=draw)) for draw in range(3)])
    loop.run(asyncio.sleep(0.05))  # by then all have come in
    assert [number for number, _ in line.replies()] == [0, 2]
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        line.replies()


class InTurn(Shuffling):
    """Those that fail are answered first, or last."""

    def __init__(self, answer: Answering, failures: str, max_in_flight: int = 600) -> None:
        super().__init__(answer, max_in_flight)
        self.failures = failures

    def replies(self, seconds: float | None = None) -> list[tuple[int, Reply]]:
        fails = [int(request.question.user.split()[3]) % 50 == 7 for _, request in self.flying]
        order = sorted(zip(fails, self.flying, strict=True), key=lambda pair: pair[0] == (self.failures == "first"))
        number, request = order.pop()[1]
        self.flying = [one for _, one in order]
        return [(number, *self.mock.complete([request]))]


def few_fail(request: Request) -> Answer:
    """Two of a hundred."""
    agent = int(request.question.user.split()[3])
    return Reply("", error="HTTP 400: no") if agent % 50 == 7 else spread(request)


@pytest.mark.parametrize("failures", ["first", "last"])
def test_whether_a_run_stops_does_not_depend_on_the_order_of_replies(tmp_path: Path, failures: str) -> None:
    engine = InTurn(few_fail, failures)
    with journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(engine, j, retries=0), a_round(0, 1, 600))
    assert len(decisions.fallbacks) == 12
    with journal(tmp_path) as j:  # what it went past does not stop it afterwards, in whatever order it is read
        again = decide(LanguagePopulation(Shuffling(spread), j, retries=0), a_round(0, 1, 600))
        assert j.ledger().voided == 0
    assert torch.equal(decisions.action, again.action)


def test_failures_at_the_beginning_of_a_resumed_run_do_not_stop_it(tmp_path: Path) -> None:
    def first_fail(request: Request) -> Answer:
        return Reply("", error="timed out") if int(request.question.user.split()[3]) < 18 else spread(request)

    with journal(tmp_path) as j:
        people = LanguagePopulation(MockEngine(first_fail), j, retries=0)
        decide(people, a_round(0, 1, 400, news=lambda w, n: f"world 0 agent {n + 18} step 0"))
        before = decide(people, a_round(1, 1, 400, news=lambda w, n: f"world 0 agent {n} step 1"))
    with journal(tmp_path) as j:
        again = decide(
            LanguagePopulation(MockEngine(spread), j, retries=0),
            a_round(1, 1, 400, news=lambda w, n: f"world 0 agent {n} step 1"),
        )
    assert torch.equal(before.action, again.action)


def test_what_failed_is_asked_again_even_if_the_end_was_not_waited_for(tmp_path: Path) -> None:
    class Impatient(Shuffling):
        def replies(self, seconds: float | None = None) -> list[tuple[int, Reply]]:
            if seconds is not None and seconds > 1:
                raise KeyboardInterrupt  # in the farewell
            return super().replies(seconds)

    engine = Impatient(lambda request: Reply("", error="HTTP 500: broken"), max_in_flight=64)
    with journal(tmp_path) as j, pytest.raises(KeyboardInterrupt):
        decide(LanguagePopulation(engine, j, retries=0), a_round(0, 1, 300))
    with journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(Shuffling(spread), j, retries=0), a_round(0, 1, 300))
    assert decisions.fallbacks == ()


def test_stopping_leaves_earlier_rounds_with_the_same_words_as_they_were(tmp_path: Path) -> None:
    def broken(request: Request) -> Answer:
        return Reply("", error="HTTP 500: broken") if "shared" in request.question.user else spread(request)

    def news(step: int, shared: int) -> Callable[[int, int], str]:
        return lambda w, n: "shared" if n < shared else f"{n} {step}"

    with journal(tmp_path) as j:
        people = LanguagePopulation(MockEngine(broken), j, retries=0)
        before = decide(people, a_round(0, 1, 300, news=news(0, 2)))
        with pytest.raises(PopulationStopped):
            decide(people, a_round(1, 1, 300, news=lambda w, n: f"shared {n}"))
        again = decide(LanguagePopulation(MockEngine(spread), j, retries=0), a_round(0, 1, 300, news=news(0, 2)))
    assert torch.equal(before.action, again.action)


def test_a_recorded_run_of_a_concurrent_engine_replays_whole(tmp_path: Path) -> None:
    """Where distributions are told in part only, and some single actions fail."""

    def partly(request: Request) -> Answer:
        if request.way == "distribution":
            return Reply('{"hours":40}', (-1.0,) * 2 + (-50.0,) * (K - 2), 50, 5)
        failing = sum(request.question.user.encode()) % 97 == 3
        return "no idea" if failing else Reply(f'{{"hours":{CHOICES[request.draw % K]}}}', None, 50, 5)

    (tmp_path / "a").mkdir()
    with journal(tmp_path / "a") as j:
        people = LanguagePopulation(Shuffling(partly, 64), j, retries=1)
        live = [decide(people, a_round(step, 3, 300)) for step in range(2)]
    with journal(tmp_path / "b") as j:
        people = LanguagePopulation(RecordedEngine(tmp_path / "a" / "journal.sqlite"), j, retries=1)
        taped = [decide(people, a_round(step, 3, 300)) for step in range(2)]
    assert [d.action.tolist() for d in live] == [d.action.tolist() for d in taped]
