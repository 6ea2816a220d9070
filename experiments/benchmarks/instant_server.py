"""A stand-in for a vLLM server that answers at once, or after a fixed time.

python -m experiments.benchmarks.instant_server [--latency SECONDS] [--slots N]

It does no work of its own, so that what is measured is the client: every answer is the same, with the chances of three
choices. Prints its port when it listens.
"""

import argparse
import asyncio
import heapq
import json
from dataclasses import dataclass, field
from typing import Any

NAME = "instant"
CHOICES = tuple(str(hours) for hours in range(0, 101, 5))
_LOG_PROBS = {"35": -1.2, "40": -0.7, "45": -1.6105}  # of nearly all the probability


@dataclass
class Answers:
    """What is answered, after how many seconds, to how many at a time."""

    latency: float
    free: list[float]  # when each slot is free again, as a heap
    body: bytes = field(default_factory=lambda: _whole(_completion()))
    models: bytes = field(default_factory=lambda: _whole({"data": [{"id": NAME}]}))

    async def to(self, path: str, body: bytes) -> bytes:
        """The answer to one request."""
        if path.endswith("/models"):
            return self.models
        if path == "/tokenize":
            return _whole({"tokens": _tokens(json.loads(body))})
        if self.latency > 0:
            now = asyncio.get_running_loop().time()
            ends = max(now, self.free[0]) + self.latency  # by the clock, so that a late wake-up delays nobody else
            heapq.heapreplace(self.free, ends)
            await asyncio.sleep(ends - now)
        return self.body


def _completion() -> dict[str, Any]:
    top = [{"token": f"token_id:{_id(text)}", "logprob": value} for text, value in _LOG_PROBS.items()]
    place = {"token": f"token_id:{_id('40')}", "logprob": -0.7, "top_logprobs": top}
    message = {"role": "assistant", "content": '{"hours":40}'}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": {"content": [place]}}
    usage = {"prompt_tokens": 300, "completion_tokens": 1, "total_tokens": 301}
    made = {"id": "1", "object": "chat.completion", "created": 0, "model": NAME}
    return {**made, "choices": [choice], "usage": usage}


def _id(choice: str) -> int:
    return 100 + CHOICES.index(choice)


def _tokens(body: dict[str, Any]) -> list[int]:
    """One token for the whole prompt, and one for the choice at its end."""
    text: str = body["messages"][-1]["content"]
    choice = text.rpartition(":")[2]
    return [1, _id(choice)] if choice in CHOICES else [1]


def _whole(answer: dict[str, Any]) -> bytes:
    body = json.dumps(answer).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def _connection(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request after the other, until the client has had enough."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode()
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            body = await reader.readexactly(int(length.partition(b":")[2]))
            writer.write(await answers.to(path, body))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _serve(latency: float, slots: int) -> None:
    answers = Answers(latency, [0.0] * slots)
    server = await asyncio.start_server(lambda r, w: _connection(answers, r, w), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--slots", type=int, default=512, help="answered at a time")
    asyncio.run(_serve(**vars(parser.parse_args())))
