"""A stand-in for a vLLM server whose answers depend on the words and the draw alone, and which can be made to fail.

python -m experiments.benchmarks.moody_server [--faults SHARE] [--hopeless SHARE] [--latency SECONDS]. Prints its port
when it listens; GET /counts tells the faults so far by kind, GET /asked the digests of all questions in the order in
which they came. A question that was complained of twice is always answered, and so is a request that has failed three
times, unless it is hopeless.
"""

import argparse
import asyncio
import hashlib
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

NAME = "moody"
CHOICES = tuple(str(hours) for hours in range(0, 101, 5))
RETRIES = 2  # after which a question is answered
TRANSPORT = ("429", "500", "503", "reset", "slow", "truncated", "malformed")  # the request is sent again
CONTENT = ("empty", "endless", "refusal", "out of range", "other key", "cut JSON")  # the question is asked again
SLOW = 8.0  # seconds; longer than the client is told to wait
_SAID = {
    "empty": "",
    "endless": "well " * 3_000,
    "refusal": "I am sorry, but I cannot help with that.",
    "out of range": '{"hours":400}',
    "other key": '{"labour":40}',
    "cut JSON": '{"hours":4',
}


@dataclass
class Moods:
    """What fails, and what has."""

    faults: float  # share of requests
    hopeless: float  # share of questions that are never answered
    latency: float = 0.0  # seconds an answer takes, give or take a half
    counts: Counter[str] = field(default_factory=Counter[str])
    tries: Counter[str] = field(default_factory=Counter[str])
    asked: list[str] = field(default_factory=list[str])

    def fault(self, words: str, complaints: int, sample: bool) -> str | None:
        """The kind of fault of this request, if it is one. Depends on the words and how often they were sent."""
        if lot(words, "hopeless") < self.hopeless:
            return "refusal" if sample else "malformed"
        request = f"{words}|{complaints}"
        self.tries[request] += 1
        number = self.tries[request]
        if number > 3 or complaints >= RETRIES or lot(request, f"faulty {number}") >= self.faults:
            return None
        kinds = TRANSPORT + CONTENT if sample else TRANSPORT
        return kinds[int(lot(request, f"kind {number}") * len(kinds))]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = await request.json()
        told, sample = body["messages"], "structured_outputs" in body
        draw = body.get("seed") if sample else None
        words = json.dumps([told[0]["content"], told[1]["content"], draw])
        self.asked.append(digest(told[0]["content"], told[1]["content"], draw))
        if self.latency:
            await asyncio.sleep(self.latency * (0.5 + lot(words, "latency")))
        kind = self.fault(words, (len(told) - 2) // 2 if sample else 0, sample)
        if kind is not None:
            self.counts[kind] += 1
            return await _failed(request, kind)
        return web.json_response(_said(words, sample))


def digest(system: str, user: str, draw: int | None) -> str:
    """A short name of a question. draw: of a single action, as it is sent; None = its distribution was asked for."""
    return hashlib.blake2b(json.dumps([system, user, draw]).encode(), digest_size=12).hexdigest()


def lot(words: str, what: str) -> float:
    """In [0, 1), of the words."""
    return int.from_bytes(hashlib.blake2b(f"{what}|{words}".encode(), digest_size=7).digest(), "big") / 2**56


async def _failed(request: web.Request, kind: str) -> web.StreamResponse:
    if kind in _SAID:
        return web.json_response(_completion(_SAID[kind]))
    if kind == "429":
        return web.json_response({"error": {"message": "busy"}}, status=429, headers={"Retry-After": "0"})
    if kind in ("500", "503"):
        return web.json_response({"error": {"message": "broken"}}, status=int(kind))
    if kind == "truncated":
        return web.Response(text=json.dumps(_completion("x"))[:40], content_type="application/json")
    if kind == "malformed":
        return web.Response(text="<html>bad gateway</html>", content_type="application/json")
    if kind == "slow":
        await asyncio.sleep(SLOW)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _said(words: str, sample: bool) -> dict[str, Any]:
    weights = [0.01 + lot(words, choice) for choice in CHOICES]
    whole = sum(weights)
    if sample:
        best = max(zip(weights, CHOICES, strict=True))[1]
        return _completion(f'{{"hours":{best}}}')
    chances = [round(math.log(weight / whole), 6) for weight in weights]
    top = [{"token": f"token_id:{100 + i}", "logprob": value} for i, value in enumerate(chances)]
    made = _completion("40")
    made["choices"][0]["logprobs"] = {"content": [{"token": "token_id:100", "logprob": -1.0, "top_logprobs": top}]}
    return made


def _completion(words: str) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}}
    usage = {"prompt_tokens": 300, "completion_tokens": 4, "total_tokens": 304}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": NAME, "choices": [choice], "usage": usage}


async def _tokenize(request: web.Request) -> web.Response:
    """One token for the whole prompt, and one for the choice at its end."""
    choice = (await request.json())["messages"][-1]["content"].rpartition(":")[2]
    return web.json_response({"tokens": [1, 100 + CHOICES.index(choice)] if choice in CHOICES else [1]})


async def _serve(faults: float, hopeless: float, latency: float) -> None:
    moods = Moods(faults, hopeless, latency)

    async def counts(_: web.Request) -> web.Response:
        return web.json_response(dict(moods.counts))

    async def asked(_: web.Request) -> web.Response:
        return web.json_response(moods.asked)

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": NAME}]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", moods.chat)
    app.router.add_post("/tokenize", _tokenize)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/counts", counts)
    app.router.add_get("/asked", asked)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests")
    parser.add_argument("--hopeless", type=float, default=0.0, help="share of questions")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    asyncio.run(_serve(**vars(parser.parse_args())))
