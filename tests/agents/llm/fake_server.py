"""An OpenAI-compatible server on this machine that answers as it is told, in a thread of its own."""

import asyncio
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Behaviour = Callable[[Body], web.Response | str | Body]  # a response, the words of a message, or a whole choice


@dataclass
class Fake:
    """`answer` may be replaced at any time; `asked` holds the bodies of all requests."""

    answer: Behaviour
    tokens: Callable[[Body], list[int]] | None = None  # of a vLLM server, which tells how it splits a prompt
    url: str = ""
    delay: float = 0.0  # seconds
    asked: list[Body] = field(default_factory=list[Body])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    in_flight: int = 0
    most_in_flight: int = 0

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "tiny"}, {"id": "other"}]})

    async def tokenize(self, request: web.Request) -> web.Response:
        if self.tokens is None:
            return failure(404, "no such path")
        return web.json_response({"tokens": self.tokens(await request.json())})

    async def chat(self, request: web.Request) -> web.Response:
        body: Body = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delay)
            told = self.answer(body)
        finally:
            self.in_flight -= 1
        return told if isinstance(told, web.Response) else web.json_response(completion(told))


def completion(told: str | Body) -> Body:
    choice = {"message": {"role": "assistant", "content": told}} if isinstance(told, str) else told
    usage = {"prompt_tokens": 50, "completion_tokens": 6, "total_tokens": 56}
    choices = [{"index": 0, "finish_reason": "stop", **choice}]
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "tiny", "choices": choices, "usage": usage}


def failure(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "x", "code": None}}
    return web.json_response(body, status=status, headers=headers)


def with_log_probs(tokens: list[tuple[str, dict[str, float]]]) -> Body:
    """A choice whose tokens carry the likeliest ones with their log-probabilities."""
    content = [
        {"token": t, "logprob": 0.0, "bytes": None, "top_logprobs": [_likely(*pair) for pair in likely.items()]}
        for t, likely in tokens
    ]
    words = "".join(t for t, _ in tokens)
    return {"message": {"role": "assistant", "content": words}, "logprobs": {"content": content}}


def _likely(token: str, log_prob: float) -> Body:
    return {"token": token, "logprob": log_prob, "bytes": None}


@contextmanager
def serving(answer: Behaviour, tokens: Callable[[Body], list[int]] | None = None) -> Generator[Fake]:
    """The server, on a free port of 127.0.0.1."""
    fake, loop, ready = Fake(answer, tokens), asyncio.new_event_loop(), threading.Event()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/v1/models", fake.models)
        app.router.add_post("/tokenize", fake.tokenize)
        app.router.add_post("/v1/chat/completions", lambda request: fake.chat(request))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    def run() -> None:
        asyncio.set_event_loop(loop)
        holder.append(loop.run_until_complete(start()))
        ready.set()
        loop.run_forever()

    holder: list[web.AppRunner] = []
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(_stop(holder[0]), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(runner: web.AppRunner) -> None:
    """Ends the server and the requests that it was still thinking about."""
    await runner.cleanup()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def user_text(body: Body) -> str:
    return json.dumps(body["messages"])
