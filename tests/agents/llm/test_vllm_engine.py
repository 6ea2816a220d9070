"""The engine of vLLM servers, against a server that answers as vLLM does: chances by token, and what goes wrong."""

import asyncio
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from agents.base import Question
from agents.llm.checks import Limits
from agents.llm.engine import Reply, Request
from agents.llm.journal import Journal
from agents.llm.models import engine_for
from agents.llm.population import LanguagePopulation
from agents.llm.replies import read
from agents.llm.token_choices import labels
from agents.llm.vllm_engine import VllmEngine
from experiments.errors import ROOT
from learning.draws import draws
from personas.rosters import open_rosters
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, play
from tests.agents.llm.fake_server import Behaviour, Body, failure, serving

HOURS = Question("You are Ada.", "The tax is 30%.", "hours", ("0", "40", "45"))
MOVES = Question("You are Ada.", "Where to?", "move", ("up", "down"))
QUICK = Limits(timeout=5.0, patience=5.0)
VOCABULARY: dict[str, int] = {}


def split_at(pattern: str) -> Callable[[Body], list[int]]:
    """A tokenizer whose tokens are those matches."""

    def tokens(body: Body) -> list[int]:
        assert body["continue_final_message"]
        assert not body["add_generation_prompt"]
        words = re.findall(pattern, "\n".join(m["content"] for m in body["messages"]), re.DOTALL)
        return [VOCABULARY.setdefault(word, len(VOCABULARY)) for word in words]

    return tokens


WHOLE_NUMBERS = split_at(r"[0-9]+|[A-Za-z]+|.")
DIGITS = split_at(r"[0-9]|[A-Za-z]+|.")
LETTERS = split_at(r".")


def chances(of: dict[str, float], drawn: str) -> Behaviour:
    """Answers with that token, and tells the chances of these."""

    def answer(body: Body) -> Body:
        assert (body["max_tokens"], body["logprobs"], body["return_tokens_as_token_ids"]) == (1, True, True)
        top = [{"token": _named(text), "logprob": math.log(p)} for text, p in of.items()][: body["top_logprobs"]]
        place = {"token": _named(drawn), "logprob": 0.0, "top_logprobs": top}
        return {"message": {"role": "assistant", "content": drawn}, "logprobs": {"content": [place]}}

    return answer


def _named(text: str) -> str:
    return f"token_id:{VOCABULARY.setdefault(text, len(VOCABULARY))}"


def ask(url: str, question: Question, way: str = "distribution", draw: int = 0) -> Reply:
    request = Request(question, "distribution" if way == "distribution" else "sample", draw)
    return VllmEngine("vllm:tiny", [url], limits=QUICK).complete([request])[0]


def test_choices_that_are_tokens_are_asked_for_as_they_are():
    with serving(chances({"40": 0.5, "0": 0.25, "45": 0.2, "the": 0.05}, "45"), WHOLE_NUMBERS) as server:
        reply = ask(server.url, HOURS)
    assert reply.text == '{"hours":40}'  # the likeliest
    assert reply.log_probs == pytest.approx([math.log(p) for p in (0.25, 0.5, 0.2)])
    verdict = read(Request(HOURS, "distribution"), reply)
    assert (verdict.choice, verdict.missing) == (1, pytest.approx(0.05))
    last = server.asked[-1]["messages"][-1]
    assert (last["role"], last["content"]) == ("assistant", '{"hours":')
    assert (reply.tokens_in, reply.tokens_out) == (50, 6)


def test_choices_that_are_no_tokens_get_letters():
    with serving(chances({"A": 0.1, "B": 0.6, "C": 0.3}, "B"), DIGITS) as server:
        reply = ask(server.url, HOURS)
    assert reply.text == '{"hours":40}'  # the answer is kept by what it means
    assert reply.log_probs == pytest.approx([math.log(p) for p in (0.1, 0.6, 0.3)])
    _, news, begun = server.asked[-1]["messages"]
    assert "B = 40" in news["content"]
    assert begun["content"] == '{"hours":"'


def test_letters_are_none_that_a_choice_begins_with_and_no_digits():
    assert labels(("C", "Bread", "apple")) == "ADE"
    assert labels(tuple(str(n) for n in range(60))) == ""
    with serving(chances({"D": 1.0}, "D"), split_at(r"Bread|apple|[A-Za-z]|.")) as server:
        reply = ask(server.url, Question("You.", "What?", "food", ("C", "apple pie", "Bread")))
    assert (reply.text, reply.log_probs) == ('{"food":"apple pie"}', (-math.inf, 0.0, -math.inf))


def test_a_retry_under_letters_does_not_speak_of_the_choices():
    with serving(chances({"B": 1.0}, "B"), DIGITS) as server:
        again = Request(HOURS, "distribution", complaint="Answer with one of: 0, 40, 45.", said="no")
        VllmEngine("vllm:tiny", [server.url], limits=QUICK).complete([again])
    assert [m["role"] for m in server.asked[-1]["messages"]] == ["system", "user", "assistant"]


def test_words_are_asked_for_in_quotes():
    with serving(chances({"down": 1.0}, "down"), WHOLE_NUMBERS) as server:
        reply = ask(server.url, MOVES)
    assert reply.log_probs == (-math.inf, 0.0)
    assert (reply.text, server.asked[-1]["messages"][-1]["content"]) == ('{"move":"down"}', '{"move":"')


def test_a_tokenizer_that_knows_neither_choices_nor_enough_letters_is_named():
    many = Question("You.", "How many?", "hours", tuple(str(n) for n in range(100)))
    with serving(chances({"1": 1.0}, "1"), LETTERS) as server:
        reply = ask(server.url, many)
    assert reply.error is not None
    assert "no token of its own for each of the 100 choices of 'hours'" in reply.error
    assert "way: sample" in reply.error


def test_one_question_to_the_tokenizer_serves_everyone():
    asked = list[Body]()

    def counted(body: Body) -> list[int]:
        asked.append(body)
        return WHOLE_NUMBERS(body)

    with serving(chances({"40": 1.0}, "40"), counted) as server:
        VllmEngine("vllm:tiny", [server.url], limits=QUICK).complete([Request(HOURS, "distribution")] * 20)
    assert len(asked) == 1 + len(HOURS.choices)


def test_a_server_that_tells_fewer_tokens_is_asked_for_fewer():
    told = chances({"40": 0.9, "0": 0.1}, "40")

    def strict(body: Body) -> web.Response | str | Body:
        return told(body) if body["top_logprobs"] <= 20 else failure(400, "at most 20 logprobs")

    with serving(strict, WHOLE_NUMBERS) as server:
        engine = VllmEngine("vllm:tiny", [server.url], limits=QUICK)
        for _ in range(2):
            assert engine.complete([Request(HOURS, "distribution")])[0].log_probs is not None
    assert [body["top_logprobs"] for body in server.asked] == [64, 20, 20]


def test_a_refusal_for_another_reason_does_not_make_it_ask_for_fewer():
    told, refusals = chances({"40": 1.0}, "40"), iter([failure(400, "too long"), failure(400, "too long")])
    with serving(lambda body: next(refusals, None) or told(body), WHOLE_NUMBERS) as server:
        engine = VllmEngine("vllm:tiny", [server.url], limits=QUICK)
        first, second = (engine.complete([Request(HOURS, "distribution")])[0] for _ in range(2))
    assert (first.error or "").startswith("HTTP 400")
    assert second.error is None
    assert [body["top_logprobs"] for body in server.asked] == [64, 20, 64]


def test_an_action_is_asked_for_by_its_schema_and_its_draw():
    with serving(lambda _: '{"hours": 40}') as server:
        reply = ask(server.url, HOURS, "sample", draw=2**31 + 5)
    assert read(Request(HOURS, "sample"), reply).choice == 1
    body = server.asked[-1]
    assert (body["seed"], body["temperature"]) == (5, 1.0)
    assert body["structured_outputs"]["json"]["properties"]["hours"]["enum"] == [0, 40, 45]


def test_a_busy_server_is_asked_again_and_every_failed_try_is_told():
    answers = iter([failure(429, "slow down", {"Retry-After": "0"}), failure(503, "loading"), '{"hours": 0}'])
    with serving(lambda _: next(answers)) as server:
        reply = ask(server.url, HOURS, "sample")
    assert (reply.error, reply.text) == (None, '{"hours": 0}')
    assert [fault.partition(":")[0] for fault in reply.faults] == ["HTTP 429", "HTTP 503"]


def test_what_a_server_will_never_answer_is_asked_once():
    with serving(lambda _: failure(422, "no such thing as seed")) as server:
        reply = ask(server.url, HOURS, "sample")
    assert reply.error == 'HTTP 422: {"error": {"message": "no such thing as seed", "type": "x", "code": null}}'
    assert len(server.asked) == 1


def test_a_call_to_servers_that_stay_away_ends_with_patience():
    impatient = Limits(timeout=1.0, patience=0.3)
    engine = VllmEngine("vllm:tiny", ["http://127.0.0.1:9/v1"], limits=impatient)
    reply = engine.complete([Request(HOURS, "sample")])[0]
    assert reply.error is not None
    assert reply.error.startswith("no connection")


def test_calls_go_on_at_the_server_that_is_left():
    with serving(lambda _: '{"hours": 0}') as server:
        engine = VllmEngine("vllm:tiny", ["http://127.0.0.1:9/v1", server.url], limits=QUICK)
        replies = engine.complete([Request(HOURS, "sample", draw) for draw in range(40)])
    assert [reply.text for reply in replies] == ['{"hours": 0}'] * 40
    assert any("no connection" in fault for reply in replies for fault in reply.faults)


@pytest.mark.parametrize(
    "body", ['{"choices": []}', "[]", '{"choices": [{"message": {"content": 7}}]}', "null", "{" * 5000]
)
def test_answers_of_another_form_break_nothing(body: str):
    with serving(lambda _: web.Response(text=body, content_type="application/json"), WHOLE_NUMBERS) as server:
        limits = Limits(timeout=1.0, patience=0.2)
        engine = VllmEngine("vllm:tiny", [server.url], limits=limits)
        for reply in engine.complete([Request(HOURS, "sample"), Request(HOURS, "distribution")]):
            assert read(Request(HOURS, "sample"), reply).problem is not None


@pytest.mark.parametrize("token", [5, None, "token_id:", {}, "token_id:1e9"])
def test_tokens_of_another_form_are_a_named_failure(token: object):
    place = {"token": token, "logprob": 0.0, "top_logprobs": [{"token": token, "logprob": -0.1}]}
    odd = {"message": {"role": "assistant", "content": "x"}, "logprobs": {"content": [place]}}
    with serving(lambda _: odd, WHOLE_NUMBERS) as server:
        reply = ask(server.url, HOURS)
    assert reply.error == "no log-probabilities that can be read" or set(reply.log_probs or ()) == {-math.inf}
    assert reply.tokens_in == 50  # it was paid for


def test_a_server_without_vllms_tokenizer_is_named():
    with serving(chances({"40": 1.0}, "40")) as server:
        reply = ask(server.url, HOURS)
    assert reply.error == "no /tokenize: the server is not vLLM's own; name it openai:NAME"


def test_an_answer_may_come_in_pieces():
    async def in_pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"choices": [{"message": {"content": "{\\"hours\\"', b': 0}"}}], "usage": {}}'):
            await response.write(piece)
            await asyncio.sleep(0.05)
        return response

    with serving(lambda _: "") as server:
        server.chat = in_pieces  # type: ignore[method-assign]
        assert ask(server.url, HOURS, "sample").text == '{"hours": 0}'


def test_an_endless_answer_is_given_up():
    with serving(lambda _: web.Response(text="[" * (1 << 21))) as server:
        reply = ask(server.url, HOURS, "sample")
    assert (reply.error or "").startswith("unreadable answer: of more than 1,048,576 bytes")
    assert len(server.asked) == 1


def test_a_busy_server_is_left_for_one_that_is_not():
    with serving(lambda _: failure(429, "slow down")) as busy, serving(lambda _: '{"hours": 0}') as free:
        engine = VllmEngine("vllm:tiny", [busy.url, free.url], limits=QUICK)
        replies = [engine.complete([Request(HOURS, "sample", draw)])[0] for draw in range(6)]
    assert [reply.text for reply in replies] == ['{"hours": 0}'] * 6
    assert max(reply.seconds for reply in replies) < 2


def test_servers_that_are_all_busy_are_not_stormed():
    with serving(lambda _: failure(429, "slow down")) as one, serving(lambda _: failure(429, "slow down")) as two:
        engine = VllmEngine("vllm:tiny", [one.url, two.url], limits=Limits(timeout=5.0, patience=1.0))
        reply = engine.complete([Request(HOURS, "sample")])[0]
    assert (reply.error or "").startswith("HTTP 429")
    assert 2 <= len(one.asked) + len(two.asked) <= 20  # without pauses it would be hundreds


def test_a_server_that_asks_for_a_day_does_not_hold_up_the_others():
    away = failure(429, "tomorrow", {"Retry-After": "86400"})
    with (
        serving(lambda _: failure(429, "tomorrow", dict(away.headers))) as busy,
        serving(lambda _: '{"hours": 0}') as free,
    ):
        engine = VllmEngine("vllm:tiny", [busy.url, free.url], limits=QUICK)
        replies = engine.complete([Request(HOURS, "sample", draw) for draw in range(20)])
    assert [reply.text for reply in replies] == ['{"hours": 0}'] * 20


def test_tries_of_a_call_that_is_given_up_are_told_too():
    with serving(lambda _: failure(503, "loading", {"Retry-After": "0"})) as server:
        engine = VllmEngine("vllm:tiny", [server.url], limits=Limits(timeout=1.0, patience=0.5))
        reply = engine.complete([Request(HOURS, "sample")])[0]
    assert (reply.error or "").startswith("HTTP 503")
    assert len(reply.faults) == len(server.asked) - 1 > 0


def test_patience_holds_for_all_that_a_call_needs():
    with serving(lambda _: failure(503, "loading"), lambda _: []) as server:
        server.delay = 0.2
        engine = VllmEngine("vllm:tiny", [server.url], limits=Limits(timeout=5.0, patience=0.6))
        reply = engine.complete([Request(HOURS, "sample")])[0]
    assert reply.error is not None
    assert reply.seconds < 2


def test_of_a_model_that_would_rather_say_something_else_an_action_is_asked_for(tmp_path: Path):
    told = chances({" ": 0.3, "40": 0.6, "0": 0.1}, " ")

    def answer(body: Body) -> web.Response | str | Body:
        return '{"hours": 45}' if "structured_outputs" in body else told(body)

    society, people = IncomeTax(), open_rosters(ROOT / "personas/populations/communities.yaml").people(draws(0, 0, 1))
    by_hours = split_at(r"[0-9]+|[A-Za-z]+|.")
    with serving(answer, by_hours) as server, Journal(tmp_path / "journal.sqlite") as journal:
        engine = VllmEngine("vllm:tiny", [server.url], limits=QUICK)
        population = LanguagePopulation(engine, journal).under("learning")
        played = play(society, population, people, Fixed(society.default_mechanism()), draws(0, 0, 1))
        ledger = journal.ledger()
    assert ledger.failed == 0
    assert ledger.missing_mean == pytest.approx(0.3)
    chosen = society.choice_names.index("45")
    assert bool((played.episode.action == chosen).all())


def test_at_most_so_many_are_in_flight():
    with serving(lambda _: '{"hours": 0}') as server:
        server.delay = 0.02
        engine = VllmEngine("vllm:tiny", [server.url], limits=Limits(max_in_flight=3))
        engine.complete([Request(HOURS, "sample", draw) for draw in range(12)])
    assert server.most_in_flight == 3


def test_by_its_name_with_a_key_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VLLM_API_KEY", "planted-key-12345")
    with serving(lambda _: '{"hours": 0}') as server:
        engine = engine_for("vllm:tiny", [server.url], temperature=0.5, patience=3.0)
        engine.complete([Request(HOURS, "sample")])
    assert server.headers[-1]["Authorization"] == "Bearer planted-key-12345"
    assert "planted" not in json.dumps(vars(engine)["parameters"])
    assert vars(engine)["parameters"] == {"temperature": 0.5, "max_tokens": 512}


def test_impossible_names_and_settings_are_refused():
    with pytest.raises(ValueError, match=r"vllm:tiny needs vLLM in this process.*or name a server"):
        engine_for("vllm:tiny")
    with pytest.raises(ValueError, match="several are for vllm:NAME"):
        engine_for("openai:tiny", ["http://a/v1", "http://b/v1"])
    with serving(lambda _: "") as server:
        with pytest.raises(ValueError, match="no model 'huge'"):
            engine_for("vllm:huge", server.url)
        with pytest.raises(ValueError, match="'messages' is no setting of a vLLM server; allowed: temperature"):
            engine_for("vllm:tiny", server.url, messages="x")
        with pytest.raises(ValueError, match="has a query"):
            engine_for("vllm:tiny", f"{server.url}?a=b")
        with pytest.raises(ValueError, match="empty list"):
            engine_for("openai:tiny", [])
        with pytest.raises(ValueError, match="'patience' must be a number of seconds"):
            engine_for("vllm:tiny", server.url, patience=0)


def test_words_are_asked_for_without_any_form():
    question = Question("You are Ada.", "Write a note.", "note", ())
    with serving(lambda body: "Work less.") as server:
        engine = VllmEngine("vllm:tiny", [server.url], limits=QUICK)
        first, second = engine.complete(
            [Request(question, "words", draw, limit=limit) for draw, limit in ((1, 80), (2, 0))]
        )
    assert (first.text, first.error, first.log_probs) == ("Work less.", None, None)
    assert second.text == "Work less."
    assert {body["seed"] for body in server.asked} == {1, 2}
    assert all("structured_outputs" not in body and "logprobs" not in body for body in server.asked)
    assert {body["max_tokens"] for body in server.asked} == {80, 512}
