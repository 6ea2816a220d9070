"""Language-model people: chunks, cache, fallbacks, stops, budgets."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.llm.budget import Budget, BudgetSpent
from agents.llm.engine import Reply, Request
from agents.llm.mock import MockEngine, mock
from agents.llm.population import LanguagePopulation, PopulationStopped, Progress
from agents.scripted import ScriptedPopulation
from tests.agents.llm.town import CHOICES, K, a_round, decide, draws, journal


def spread(request: Request) -> Reply:
    """A distribution that depends on the words."""
    weights = torch.tensor([float((len(request.question.user) * 7 + k * k) % 13) for k in range(K)])
    return Reply('{"hours":40}', tuple(weights.log_softmax(0).tolist()), 100, 5)


def asked(engine: MockEngine) -> list[list[str]]:
    return [[r.question.user for r in batch] for batch in engine.batches]


def test_a_round_is_asked_in_chunks_by_position(tmp_path: Path) -> None:
    engine = MockEngine(spread)
    with journal(tmp_path) as j:
        decide(LanguagePopulation(engine, j, chunk=4), a_round(0, 2, 3))
    words = [f"world {w} agent {n} step 0" for w in range(2) for n in range(3)]
    assert asked(engine) == [words[:4], words[4:]]


def test_what_is_kept_is_not_asked_again(tmp_path: Path) -> None:
    first, second = MockEngine(spread), MockEngine(spread)
    with journal(tmp_path) as j:
        before = decide(LanguagePopulation(first, j), a_round(0, 3, 4))
    with journal(tmp_path) as j:
        after = decide(LanguagePopulation(second, j), a_round(0, 3, 4))
        ledger = j.ledger()
    assert second.batches == []
    assert torch.equal(before.action, after.action)
    assert before.log_probs is not None
    assert after.log_probs is not None
    assert torch.equal(before.log_probs, after.log_probs)
    assert (ledger.calls, ledger.decisions, ledger.real, ledger.cached) == (12, 12, 12, 0)


def test_the_same_words_are_asked_once_and_counted_as_cached(tmp_path: Path) -> None:
    engine = MockEngine(spread)
    round_ = a_round(0, 5, 2, news=lambda w, n: "the same news")  # two agents, so two system messages
    with journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(engine, j), round_)
        ledger = j.ledger()
    assert len(engine.batches[0]) == 2
    assert (ledger.real, ledger.cached, ledger.calls) == (2, 8, 2)
    assert decisions.log_probs is not None
    assert torch.equal(decisions.log_probs[0], decisions.log_probs[4])


def test_samples_of_the_same_words_differ_by_episode_agent_and_step(tmp_path: Path) -> None:
    engine = MockEngine(lambda request: request.draw % K)
    round_ = a_round(0, 50, 1, news=lambda w, n: "the same news")
    with journal(tmp_path) as j:
        population = LanguagePopulation(engine, j, way="sample")
        first = decide(population, round_)
        again = decide(population, round_)
        other = decide(population, round_, start=50)
        ledger = j.ledger()
    assert len({r.draw for batch in engine.batches for r in batch}) == 100
    assert torch.equal(first.action, again.action)
    assert not torch.equal(first.action, other.action)
    assert first.log_probs is None
    assert ledger.calls == 100


def test_model_and_scripted_people_share_their_noise(tmp_path: Path) -> None:
    round_ = a_round(3, 4, 8)
    with journal(tmp_path) as j:
        asked_ = decide(LanguagePopulation(mock("uniform"), j), round_)
    _, scripted = ScriptedPopulation().decide(None, round_, draws(4))
    assert torch.equal(asked_.action, scripted.action)
    assert asked_.log_probs is not None
    assert asked_.log_probs.dtype == torch.float32
    assert scripted.log_probs is not None
    assert torch.allclose(asked_.log_probs, scripted.log_probs, atol=1e-6)


def test_only_offered_choices_are_told_and_taken(tmp_path: Path) -> None:
    offered = torch.zeros(2, 2, K, dtype=torch.bool)
    offered[0, 0, [2, 5, 9]] = True
    offered[1, 1, [0]] = True  # (0, 1) and (1, 0): not their turn
    engine = mock("uniform")
    with journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(engine, j), a_round(0, 2, 2, choices=offered))
    assert [r.question.choices for r in engine.batches[0]] == [("10", "25", "45"), ("0",)]
    assert decisions.action[0, 0] in (2, 5, 9)
    assert decisions.action[[0, 1, 1], [1, 0, 1]].tolist() == [-1, -1, 0]
    assert decisions.log_probs is not None
    assert decisions.log_probs.exp().sum(-1).tolist() == [[pytest.approx(1), 0], [0, pytest.approx(1)]]
    assert torch.equal(decisions.log_probs.exp() > 0, offered)


def test_a_retry_shows_the_model_its_error(tmp_path: Path) -> None:
    engine = MockEngine(["I like forty.", '{"hours": 37}', '{"hours": 40}'])
    with journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(engine, j, way="sample"), a_round(0, 1, 1))
        ledger = j.ledger()
    first, second, third = (batch[0] for batch in engine.batches)
    assert first.complaint is None
    assert second.said == "I like forty."
    assert "not JSON" in str(second.complaint)
    assert "choice not offered: 37" in str(third.complaint)
    assert decisions.action.item() == CHOICES.index("40")
    assert decisions.fallbacks == ()
    assert (ledger.real, ledger.retried, ledger.failed, ledger.calls) == (1, 1, 0, 3)
    assert ledger.problems == {"choice not offered": 1, "not JSON": 1}


def test_fallbacks_are_named_and_counted(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply | int:
        return Reply("", error="timed out: 60 s") if "agent 1" in request.question.user else 4

    with journal(tmp_path) as j:
        population = LanguagePopulation(MockEngine(answer), j, retries=1)
        memory = population.start(a_round(0, 1, 2).people)
        memory, none_before = population.decide(memory, a_round(0, 1, 2), draws(1))
        memory[0, 1] = 13
        _, decisions = population.decide(memory, a_round(1, 1, 2), draws(1))
        ledger = j.ledger()
    assert none_before.action.tolist() == [[4, K // 2]]
    assert decisions.action.tolist() == [[4, 13]]
    assert [(f.world, f.agent, f.name, f.reason) for f in decisions.fallbacks] == [
        (0, 1, "repeat_last", "timed out: 60 s")
    ]
    assert decisions.log_probs is not None
    assert decisions.log_probs[0, 1].exp().tolist() == [float(k == 13) for k in range(K)]
    assert (ledger.failed, ledger.fallbacks, ledger.problems) == (2, {"repeat_last": 2}, {"timed out": 4})


def test_the_uniform_fallback_is_a_draw_over_what_is_offered(tmp_path: Path) -> None:
    offered = torch.zeros(400, 1, K, dtype=torch.bool)
    offered[..., 3:7] = True
    with journal(tmp_path) as j:
        population = LanguagePopulation(mock("broken"), j, retries=0, fallback="uniform", max_fallback_share=1.0)
        decisions = decide(population, a_round(0, 400, 1, choices=offered))
    counts = decisions.action.flatten().bincount(minlength=K)
    assert counts[:3].sum() + counts[7:].sum() == 0
    assert counts[3:7].min() > 70  # 100 expected of each
    assert {f.name for f in decisions.fallbacks} == {"uniform"}


@pytest.mark.parametrize("fallback", ["repeat_last", "abort"])
def test_a_model_that_never_answers_in_format_stops_the_run(tmp_path: Path, fallback: str) -> None:
    engine = mock("broken")
    with journal(tmp_path) as j:
        population = LanguagePopulation(engine, j, chunk=8, fallback=fallback)  # pyright: ignore[reportArgumentType]
        with pytest.raises(PopulationStopped) as stop:
            decide(population, a_round(0, 20, 10))
    text = str(stop.value)
    for part in ("mock:broken", "8 of 8", "not JSON", "talk about the weather", "journal.sqlite"):
        assert part in text
    assert sum(len(batch) for batch in engine.batches) == 8 * 3


def test_a_few_failures_below_the_allowed_share_stop_nothing(tmp_path: Path) -> None:
    def one_in_50(request: Request) -> str | int:
        return "?" if request.question.user.startswith("world 7 ") else 4

    with journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(MockEngine(one_in_50), j), a_round(0, 50, 4))
    assert len(decisions.fallbacks) == 4


def test_after_an_outage_the_failed_calls_are_made_again(tmp_path: Path) -> None:
    def dead(request: Request) -> Reply | int:
        return Reply("", error="cannot connect: refused") if "world 1" in request.question.user else 4

    well = MockEngine(lambda request: 5)
    with journal(tmp_path) as j:
        with pytest.raises(PopulationStopped):
            decide(LanguagePopulation(MockEngine(dead), j), a_round(0, 2, 10))
        assert j.ledger().voided == 30
        decisions = decide(LanguagePopulation(well, j), a_round(0, 2, 10))
    assert {r.question.user.split(" agent")[0] for r in well.batches[0]} == {"world 1"}
    assert decisions.action.tolist() == [[4] * 10, [5] * 10]


def test_a_tolerated_failure_stays_as_it_was_on_resuming(tmp_path: Path) -> None:
    def flaky(request: Request) -> Reply | int:
        return Reply("", error="timed out") if "world 1 agent 3" in request.question.user else 4

    well = MockEngine(lambda request: 5)
    with journal(tmp_path) as j:
        before = decide(LanguagePopulation(MockEngine(flaky), j), a_round(0, 2, 10))
    with journal(tmp_path) as j:
        after = decide(LanguagePopulation(well, j), a_round(0, 2, 10))
    assert well.batches == []
    assert torch.equal(before.action, after.action)
    assert before.fallbacks == after.fallbacks
    assert len(after.fallbacks) == 1


def test_missing_probability_is_recorded_and_never_invented(tmp_path: Path) -> None:
    def partial(request: Request) -> Reply:
        share = 0.97 if "agent 0" in request.question.user else 0.5
        log_probs = tuple(math.log(share / 2) if k in (3, 4) else -math.inf for k in range(K))
        return Reply('{"hours": 20}', log_probs)

    with journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(MockEngine(partial), j), a_round(0, 1, 2))
        ledger = j.ledger()
    assert decisions.log_probs is not None
    assert decisions.log_probs[0, 0, [3, 4]].exp().tolist() == pytest.approx([0.5, 0.5])
    assert decisions.log_probs[0, 1].exp().tolist() == [float(k == 4) for k in range(K)]  # told too little: one action
    assert ledger.missing_mean == pytest.approx((0.03 + 0.5) / 2)
    assert ledger.missing_most == pytest.approx(0.5)
    assert decisions.fallbacks == ()


def test_an_engine_without_distributions_is_asked_for_samples_and_says_so(tmp_path: Path) -> None:
    engine = MockEngine(lambda request: 4, ways=frozenset({"sample"}))
    with journal(tmp_path) as j:
        population = LanguagePopulation(engine, j)
        decide(population, a_round(0, 1, 2))
        assert "tells no probabilities" in str(population.notes)
    assert {r.way for r in engine.batches[0]} == {"sample"}


def test_the_budget_is_never_exceeded_and_a_raised_one_goes_on(tmp_path: Path) -> None:
    engine = MockEngine(spread)
    with journal(tmp_path) as j:
        with pytest.raises(BudgetSpent) as stop:
            decide(LanguagePopulation(engine, j, Budget(calls=10), chunk=4), a_round(0, 4, 4))
        assert j.spent.calls == 8
        assert "8 are used and the next batch needs 4 more" in str(stop.value)
        decide(LanguagePopulation(engine, j, Budget(calls=16), chunk=4), a_round(0, 4, 4))
        assert j.spent.calls == 16
    assert sum(map(len, engine.batches)) == 16


def test_a_token_budget_is_never_exceeded(tmp_path: Path) -> None:
    engine = MockEngine(spread)  # 105 tokens a call
    with journal(tmp_path) as j:
        with pytest.raises(BudgetSpent):
            decide(LanguagePopulation(engine, j, Budget(tokens=12_000), chunk=2), a_round(0, 30, 10))
        assert 12_000 - 2 * 105 < j.spent.tokens <= 12_000


@pytest.mark.parametrize("limits", [{"calls": 0}, {"calls": -5}, {"tokens": 0}])
def test_impossible_budgets_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        Budget(**limits)


def test_progress_is_told_after_every_chunk(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with journal(tmp_path) as j:
        population = LanguagePopulation(MockEngine(spread), j, chunk=4, progress=seen.append)
        decide(population.under("a"), a_round(0, 3, 2))
        decide(population.under("b"), a_round(0, 3, 2))
        by_purpose = {p: j.ledger(p) for p in ("a", "b", "nothing")}
    assert [(p.decided, p.cached, p.calls) for p in seen] == [(4, 0, 4), (6, 0, 6), (10, 4, 6), (12, 6, 6)]
    assert [(x.real, x.cached, x.calls) for x in by_purpose.values()] == [(6, 0, 6), (0, 6, 0), (0, 0, 0)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"way": "guess"}, "choose one of: sample, distribution"),
        ({"fallback": "zero"}, "choose one of: repeat_last, uniform, skip, abort"),
        ({"retries": -1}, "at least 0"),
        ({"parameters": {"api_key": "x"}}, "looks like a secret"),
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with journal(tmp_path) as j, pytest.raises(ValueError, match=message):
        LanguagePopulation(mock("uniform"), j, **settings)  # pyright: ignore[reportArgumentType]


def test_an_engine_that_loses_replies_is_an_error(tmp_path: Path) -> None:
    class Loses(MockEngine):
        def complete(self, requests: object) -> list[Reply]:
            return [Reply("x")]

    with journal(tmp_path) as j, pytest.raises(ValueError, match="1 replies to 6 requests"):
        decide(LanguagePopulation(Loses([]), j), a_round(0, 3, 2))


def test_who_shares_words_does_not_share_a_single_action(tmp_path: Path) -> None:
    """A server that tells the reply but not the probabilities: each person gets a sample of their own."""
    engine = MockEngine(lambda request: Reply(f'{{"hours":{CHOICES[request.draw % K]}}}', None, 100, 5))
    round_ = a_round(0, 60, 1, news=lambda w, n: "the same news")
    with journal(tmp_path) as j:
        population = LanguagePopulation(engine, j)
        decisions = decide(population, round_)
        again = decide(LanguagePopulation(engine, j), round_)
        calls, notes = j.ledger().calls, population.notes
    assert calls == 1 + 60  # once for the distribution
    assert len(decisions.action.unique()) > K // 2
    assert torch.equal(decisions.action, again.action)
    assert decisions.log_probs is None
    assert "60 of 60 decisions; there it was asked for a single action" in notes[0]


def test_where_no_distribution_is_ever_told_it_is_no_longer_asked_for(tmp_path: Path) -> None:
    engine = MockEngine(lambda request: Reply('{"hours":40}', None, 100, 5))
    with journal(tmp_path) as j:
        population = LanguagePopulation(engine, j, chunk=100)
        decide(population, a_round(0, 200, 1))
        assert j.ledger().calls == 100 + 100 + 100
    assert population.tally.single == 200


def test_one_reply_without_probabilities_leaves_the_others_whole(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        silent = "agent 1" in request.question.user
        return Reply('{"hours":40}', None, 100, 5) if silent else spread(request)

    with journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(MockEngine(answer), j), a_round(0, 2, 3))
    assert decisions.log_probs is not None
    counts = (decisions.log_probs.exp() > 0).sum(-1)
    assert counts[:, 1].tolist() == [1, 1]
    assert counts[:, 0].min() > 1


def test_tokens_are_counted_where_the_server_does_not(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        population = LanguagePopulation(MockEngine(lambda _: Reply('{"hours":40}')), j, Budget(tokens=3000), "sample")
        decide(population, a_round(0, 1, 1))
        with pytest.raises(BudgetSpent):
            decide(population, a_round(1, 2, 1))
        assert 1000 < j.spent.tokens <= 3000


def test_a_decision_that_is_skipped_is_to_do_nothing(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply | int:
        return Reply("", error="timed out: 60 s") if "agent 1" in request.question.user else 4

    with journal(tmp_path) as j:
        population = LanguagePopulation(MockEngine(answer), j, retries=0, fallback="skip")
        decisions = decide(population, replace(a_round(0, 1, 2), idle=7))
        assert decisions.action.tolist() == [[4, 7]]
        assert [f.name for f in decisions.fallbacks] == ["skip"]
        with pytest.raises(ValueError, match="nobody can do nothing there"):
            decide(population, a_round(0, 1, 2))
