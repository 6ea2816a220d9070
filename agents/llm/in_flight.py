"""Calls in flight in an event loop: requests are handed over as there is room, and replies taken as they come in."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from itertools import islice
from queue import Empty, SimpleQueue

from agents.llm.engine import Concurrent, Reply, Request
from agents.llm.loop import Loop


class InFlight:
    """An `agents.llm.engine.Line` over a coroutine that answers one request. What that raises, `replies` raises, after
    it has handed over all that came in before.
    """

    def __init__(self, loop: Loop, answer: Callable[[Request], Awaitable[Reply]]) -> None:
        self._loop, self._answer = loop, answer
        self._arrived: SimpleQueue[tuple[int, Reply | Exception]] = SimpleQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._mistake: Exception | None = None

    def send(self, requests: Sequence[tuple[int, Request]]) -> None:
        self._loop.soon(self._begin, requests)

    def replies(self, seconds: float | None = None) -> list[tuple[int, Reply]]:
        if self._mistake is not None:
            mistake, self._mistake = self._mistake, None
            raise mistake
        try:
            first = self._arrived.get(timeout=seconds)
        except Empty:
            return []
        arrived = [first, *(self._arrived.get() for _ in range(self._arrived.qsize()))]
        sound = [(number, reply) for number, reply in arrived if isinstance(reply, Reply)]
        self._mistake = next((reply for _, reply in arrived if isinstance(reply, Exception)), None)
        return sound or self.replies(seconds)

    def close(self) -> None:
        self._loop.soon(self._give_up)

    def _begin(self, requests: Sequence[tuple[int, Request]]) -> None:
        for number, request in requests:
            task = asyncio.ensure_future(self._one(number, request))
            self._tasks.add(task)  # the loop itself holds tasks weakly
            task.add_done_callback(self._tasks.discard)

    async def _one(self, number: int, request: Request) -> None:
        try:
            self._arrived.put((number, await self._answer(request)))
        except Exception as error:  # raised again where the replies are taken: they would wait for this one for ever
            self._arrived.put((number, error))
        except BaseException as error:  # a client that gives its own call up, say
            self._arrived.put((number, RuntimeError(f"a call ended with {type(error).__name__}: {error}")))
            raise

    def _give_up(self) -> None:
        for task in list(self._tasks):
            task.cancel()


def complete(engine: Concurrent, requests: Sequence[Request]) -> list[Reply]:
    """All replies in the order of the requests, at most `max_in_flight` under way at a time."""
    waiting, found = iter(enumerate(requests)), dict[int, Reply]()
    with closing(engine.line()) as line:
        line.send(list(islice(waiting, engine.max_in_flight)))
        while len(found) < len(requests):
            arrived = line.replies()
            line.send(list(islice(waiting, len(arrived))))
            found |= dict(arrived)
    return [found[place] for place in range(len(requests))]
