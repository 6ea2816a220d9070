"""Servers that answer with what no OpenAI-compatible server should: nothing raises, nothing paid for is lost."""

import math
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agents.llm.models import engine_for
from agents.llm.population import LanguagePopulation
from agents.llm.server import check_server
from tests.agents.llm.fake_server import Body, completion, serving, with_log_probs
from tests.agents.llm.test_langchain_engine import GOOD, engine
from tests.agents.llm.town import a_round, decide, journal, one_request


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def one_value(log_prob: Any) -> Body:
    """A choice in which the value's likeliest token has that log-probability."""
    return with_log_probs([('{"hours":', {}), ("40", {"40": log_prob}), ("}", {})])


MALFORMED = [
    {"message": {"role": "assistant", "content": GOOD}, "logprobs": told}
    for told in ({"content": "hello"}, {"content": [7]}, {"content": 7}, "hello")
] + [one_value(told) for told in ("abc", None, 710.0, math.nan, 5.0, 10**400)]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the provider's library only warns
@pytest.mark.parametrize("bad", MALFORMED)
def test_log_probabilities_that_cannot_be_read_leave_the_words_as_an_answer(bad: Body) -> None:
    def answer(body: Body) -> Body:
        return bad if body["messages"][-1]["content"] == "bad" else one_value(0.0)

    with serving(answer) as fake:
        requests = [one_request(user=u, way="distribution") for u in ("good", "bad", "good")]
        replies = engine(fake).complete(requests)
    assert [(r.text, r.error) for r in replies] == [(GOOD, None)] * 3
    assert [r.log_probs is None for r in replies] == [False, True, False]
    assert [(r.tokens_in, r.tokens_out) for r in replies] == [(50, 6)] * 3


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(
    ("told", "kept"), [(10**30, 10**9), (-7, 0), (7.0, 7), (math.nan, 0), (math.inf, 10**9), (None, 0)]
)
def test_impossible_token_counts_are_bounded_and_nothing_is_lost(told: Any, kept: int, tmp_path: Path) -> None:
    def answer(body: Body) -> web.Response:
        usage = {"prompt_tokens": told, "completion_tokens": 6, "total_tokens": 6}
        return web.json_response({**completion(GOOD), "usage": usage})

    with serving(answer) as fake, journal(tmp_path) as j:
        decide(LanguagePopulation(engine(fake), j, way="sample"), a_round(0, 1, 2))
        ledger = j.ledger()
        assert j.spent.tokens == 2 * (kept + 6)
    assert (ledger.calls, ledger.failed, ledger.tokens_in, ledger.tokens_out) == (2, 0, 2 * kept, 12)


@pytest.mark.parametrize(
    "line", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
)
def test_a_server_that_does_not_speak_http_is_named_with_the_fix(line: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        thread = threading.Thread(target=_say, args=(server, line))
        thread.start()
        with pytest.raises(ValueError, match=r"no OpenAI-compatible server at .*correct base_url") as error:
            engine_for("openai:tiny", url)
        thread.join(10)
    assert url in str(error.value)


def _say(server: socket.socket, line: bytes) -> None:
    """Reads one request and answers it with `line`."""
    connection, _ = server.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(line)


def test_a_deeply_nested_list_of_models_is_none() -> None:
    body = b'{"data":' + b"[" * 100_000
    with socket.create_server(("127.0.0.1", 0)) as server:
        head = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        thread = threading.Thread(target=_say, args=(server, head + body))
        thread.start()
        check_server(f"http://127.0.0.1:{server.getsockname()[1]}/v1", "tiny", None, "OPENAI_API_KEY")
        thread.join(10)


def test_a_redirect_is_not_followed_with_the_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as stranger:
        to = b"Location: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % stranger.getsockname()[1]
        thread = threading.Thread(target=_say, args=(server, b"HTTP/1.0 302 Found\r\n" + to))
        thread.start()
        with pytest.raises(ValueError, match=r"answers with a redirect \(HTTP 302\)"):
            check_server(f"http://127.0.0.1:{server.getsockname()[1]}/v1", "tiny", "the key", "OPENAI_API_KEY")
        thread.join(10)
        stranger.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stranger.accept()


def test_a_reply_that_was_cut_is_paid_and_shown_to_the_model() -> None:
    cut = {"message": {"role": "assistant", "content": "Let me think about"}, "finish_reason": "length"}
    with serving(lambda body: cut) as fake:
        (reply,) = engine_for("openai:tiny", fake.url).complete([one_request()])
    assert (reply.text, reply.tokens_in, reply.tokens_out, reply.error) == ("Let me think about", 50, 6, None)
