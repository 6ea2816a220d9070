"""A LangChain model as an engine, against a fake OpenAI-compatible server on this machine."""

import math
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda

from agents.base import Question
from agents.llm.engine import Reply, Request
from agents.llm.langchain_engine import LangChainEngine
from agents.llm.models import engine_for
from agents.llm.population import LanguagePopulation, PopulationStopped
from tests.agents.llm.fake_server import Body, Fake, failure, serving, user_text, with_log_probs
from tests.agents.llm.town import CHOICES, K, a_round, decide, journal, one_request

GOOD = '{"hours":40}'


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def engine(fake: Fake, **settings: Any) -> LangChainEngine:
    return LangChainEngine("openai:tiny", fake.url, **{"max_retries": 0, **settings})


def one(fake: Fake, request: Request, **settings: Any) -> Reply:
    return engine(fake, **settings).complete([request])[0]


def test_a_round_over_the_server(tmp_path: Path) -> None:
    with serving(lambda body: GOOD) as fake, journal(tmp_path) as j:
        people = LanguagePopulation(engine_for("openai:tiny", fake.url), j, way="sample")
        decisions = decide(people, a_round(0, 5, 8))
        ledger = j.ledger()
    assert decisions.action.tolist() == [[8] * 8] * 5
    assert (ledger.calls, ledger.tokens_in, ledger.tokens_out, ledger.failed) == (40, 2000, 240, 0)
    assert ledger.seconds > 0
    body = fake.asked[0]
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert body["temperature"] == 1.0
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["hours"]["enum"] == [int(c) for c in CHOICES]
    assert len({b["seed"] for b in fake.asked}) == 40


def test_a_distribution_comes_from_the_tokens_probabilities(tmp_path: Path) -> None:
    def answer(body: Body) -> Body:
        assert body["logprobs"] is True
        assert body["top_logprobs"] == 20
        return with_log_probs([('{"hours":', {}), ("40", {"40": math.log(0.7), "45": math.log(0.29)}), ("}", {})])

    with serving(answer) as fake, journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(engine(fake), j), a_round(0, 30, 4))
        ledger = j.ledger()
    assert decisions.log_probs is not None
    found = decisions.log_probs[0, 0].exp()
    expected = torch.tensor([{8: 0.7 / 0.99, 9: 0.29 / 0.99}.get(k, 0.0) for k in range(K)])
    assert torch.allclose(found, expected, atol=1e-6)
    assert ledger.missing_mean == pytest.approx(0.01)
    assert set(decisions.action.flatten().tolist()) == {8, 9}


def test_a_server_without_probabilities_gives_single_actions(tmp_path: Path) -> None:
    with serving(lambda body: GOOD) as fake, journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(engine(fake), j), a_round(0, 1, 3))
    assert decisions.log_probs is None
    assert decisions.action.tolist() == [[8, 8, 8]]


@pytest.mark.parametrize(
    ("refused", "kept"),
    [({"response_format"}, {"seed"}), ({"seed"}, {"response_format"}), ({"seed", "response_format"}, set[str]())],
)
def test_a_server_that_refuses_a_part_is_asked_without_it(refused: set[str], kept: set[str]) -> None:
    def answer(body: Body) -> Any:
        return failure(400, "unknown field") if refused & set(body) else GOOD

    with serving(answer) as fake:
        asking = engine(fake)
        assert [r.text for r in asking.complete([one_request(), one_request(draw=1)])] == [GOOD, GOOD]
        before = len(fake.asked)
        assert asking.complete([one_request(draw=2)])[0].text == GOOD
        assert len(fake.asked) == before + 1  # what it refuses is not tried again
        assert {"seed", "response_format"} & set(fake.asked[-1]) == kept


def test_a_refusal_for_another_reason_leaves_the_schema_in_place() -> None:
    def answer(body: Body) -> Any:
        return failure(400, "context too long") if "long" in body["messages"][-1]["content"] else GOOD

    with serving(answer) as fake:
        asking = engine(fake)
        assert (asking.complete([one_request(user="long")])[0].error or "").startswith("HTTP 400: ")
        asking.complete([one_request()])
        assert "response_format" in fake.asked[-1]


def test_a_retry_shows_reply_and_error_to_the_model(tmp_path: Path) -> None:
    def answer(body: Body) -> str:
        return GOOD if "choice not offered: 37" in user_text(body) else '{"hours":37}'

    with serving(answer) as fake, journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(engine(fake), j, way="sample"), a_round(0, 1, 1))
    assert decisions.action.item() == 8
    assert [m["role"] for m in fake.asked[-1]["messages"]] == ["system", "user", "assistant", "user"]
    assert fake.asked[-1]["messages"][2]["content"] == '{"hours":37}'


@pytest.mark.parametrize("words", ["", "no idea", '{"hours":37}', '{"labor":40}', '{"hours":40', "[" * 5000])
def test_a_model_that_never_answers_in_format_stops_the_run(tmp_path: Path, words: str) -> None:
    with serving(lambda body: words) as fake, journal(tmp_path) as j:
        people = LanguagePopulation(engine(fake), j, way="sample", retries=1)
        with pytest.raises(PopulationStopped, match=r"openai:tiny gave no usable answer to [678] of 8 "):
            decide(people, a_round(0, 2, 4))
        assert 12 <= j.ledger().calls <= 16  # it stops as soon as it is clear
        assert sum(j.ledger().problems.values()) == j.ledger().calls


def test_errors_are_named_counted_and_survived(tmp_path: Path) -> None:
    def answer(body: Body) -> Any:
        return failure(500, "out of memory") if "agent 2 step" in body["messages"][1]["content"] else GOOD

    with serving(answer) as fake, journal(tmp_path) as j:
        decisions = decide(LanguagePopulation(engine(fake), j, way="sample", retries=1), a_round(0, 1, 4))
        ledger = j.ledger()
    assert [(f.agent, f.name) for f in decisions.fallbacks] == [(2, "repeat_last")]
    assert decisions.fallbacks[0].reason.startswith("HTTP 500: ")
    assert ledger.problems == {"HTTP 500": 2}


def test_a_slow_server_times_out() -> None:
    with serving(lambda body: GOOD) as fake:
        fake.delay = 30.0
        began = time.monotonic()
        reply = one(fake, one_request(), timeout=0.3)
        assert reply.error == "timed out: after 0.3 s"
        assert time.monotonic() - began < 10


def test_no_more_are_in_flight_than_allowed_and_replies_keep_their_order() -> None:
    def answer(body: Body) -> str:
        return f'{{"hours":{body["messages"][-1]["content"]}}}'

    with serving(answer) as fake:
        fake.delay = 0.02
        requests = [one_request(user=c) for c in CHOICES]
        replies = engine(fake, max_in_flight=5).complete(requests)
        assert fake.most_in_flight == 5
    assert [r.text for r in replies] == [f'{{"hours":{c}}}' for c in CHOICES]


def test_a_server_that_goes_away_is_a_named_error() -> None:
    with serving(lambda body: GOOD) as fake:
        asking = engine(fake)
    reply = asking.complete([one_request()])[0]
    assert (reply.error or "").startswith("no connection: ")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_an_unreachable_server_is_named_with_the_fix() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(ValueError, match=r"cannot reach the model server at .*solon serve tiny") as error:
        engine_for("openai:tiny", url)
    assert url in str(error.value)


@pytest.mark.parametrize(
    ("model", "path", "message"),
    [
        ("openai:tinny", "/v1", "has no model 'tinny'; it has: tiny, other"),
        ("openai:tiny", "", "/v1 meant"),
    ],
)
def test_a_wrong_address_or_name_is_explained(model: str, path: str, message: str) -> None:
    with serving(lambda body: GOOD) as fake, pytest.raises(ValueError, match=message):
        engine_for(model, fake.url.removesuffix("/v1") + path)


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("openai:tiny", {"base_url": "localhost:8000"}, "no address"),
        ("openai:tiny", {}, "set the environment variable OPENAI_API_KEY; or use a server of your own"),
        ("openai:tiny", {"timeout": 0}, "above 0"),
        ("openai:tiny", {"api_key": "x"}, "looks like a secret"),
        ("nobody:tiny", {}, "recorded:RUN"),
        ("openai:tiny", {"max_in_flight": 0}, "at least 1"),
        ("openai:tiny", {"max_in_flight": 10**30}, "at most 1,000,000"),
        ("openai:tiny", {"temperature": "nan"}, "'temperature' must be a number of at least 0"),
        ("openai:tiny", {"temperature": -1.0}, "'temperature' must be a number of at least 0"),
        ("openai:tiny", {"timeout": "soon"}, "'timeout' must be a number of seconds .*'soon'"),
        ("openai:tiny", {"timeout": True}, "'timeout' must be a number"),
        ("openai:tiny", {"timeout": math.nan}, "'timeout' must be a number"),
        ("openai:tiny", {"max_in_flight": 1.5}, "'max_in_flight' must be a whole number .* 1.5"),
        ("openai:tiny", {"max_in_flight": "8"}, "'max_in_flight' must be a whole number"),
        ("openai:tiny", {"max_tokens": None}, "'max_tokens' must be a whole number"),
    ],
)
def test_what_cannot_work_is_refused_at_once(model: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine_for(model, **settings)


def test_the_key_is_sent_but_never_kept_or_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "zebra-zebra-zebra-zebra"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    with serving(lambda body: failure(401, f"Incorrect API key provided: {secret}")) as fake, journal(tmp_path) as j:
        people = LanguagePopulation(engine(fake), j, way="sample", retries=0)
        with pytest.raises(PopulationStopped) as stop:
            decide(people, a_round(0, 1, 10))
    assert fake.headers[0]["Authorization"] == f"Bearer {secret}"
    assert "HTTP 401: " in str(stop.value)
    assert secret not in str(stop.value)
    assert all(secret.encode() not in f.read_bytes() for f in tmp_path.iterdir())


class ByTool(GenericFakeChatModel):
    """A provider whose structured answers come as tool calls, without words."""

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **kwargs: Any) -> Runnable[Any, Any]:
        return RunnableLambda(lambda _: {"raw": AIMessage(""), "parsed": {"hours": 45}, "parsing_error": None})


@pytest.mark.parametrize(("kind", "hours"), [(ByTool, "45"), (GenericFakeChatModel, "40")])
def test_other_providers_with_and_without_structured_output(
    kind: type[GenericFakeChatModel], hours: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = kind(messages=iter(AIMessage(GOOD) for _ in range(9)))
    monkeypatch.setattr("agents.llm.langchain_engine.init_chat_model", lambda *_, **__: model)
    with journal(tmp_path) as j:
        people = LanguagePopulation(engine_for("someone:tiny"), j)
        decisions = decide(people, a_round(0, 1, 3))
        assert "is asked for single actions" in people.notes[0]
    assert decisions.action.tolist() == [[CHOICES.index(hours)] * 3]


def test_words_are_asked_for_without_any_form() -> None:
    with serving(lambda body: "Work less.") as fake:
        reply = one(fake, Request(Question("You are Ada.", "Write a note.", "note", ()), "words", 7, limit=80))
    assert (reply.text, reply.error, reply.log_probs) == ("Work less.", None, None)
    (body,) = fake.asked
    assert (body["seed"], body["max_completion_tokens"]) == (7, 80)
    assert not {"response_format", "logprobs"} & set(body)
