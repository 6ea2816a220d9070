"""A desk that is never idle: as a reply comes in it is kept, and the next question goes out."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

from agents.llm.asking import Ask, Books, Key
from agents.llm.engine import Concurrent
from agents.llm.journal import Call, Entry

_For = TypeVar("_For")  # whatever the caller wants to know of again


class OpenDesk(Generic[_For]):
    """Calls in flight to an engine, behind a journal and a budget. Equal requests are asked once, kept ones never.

    BudgetSpent is raised when nothing more fits into the budget and all that was in flight has been kept.
    """

    def __init__(self, engine: Concurrent, books: Books) -> None:
        self._most, self._books, self._line = engine.max_in_flight, books, engine.line()
        self._waiting = deque[tuple[Key, Call]]()  # to be sent
        self._flying = dict[int, tuple[Key, Call]]()
        self._wanted = dict[Key, list[_For]]()  # by whom, of all calls that wait or fly
        self._sent, self._note = 0, 0

    def close(self) -> None:
        """Gives up what is in flight: in the journal it counts as lost."""
        self._line.close()

    @property
    def room(self) -> int:
        """How many requests may be put before one has to hear."""
        return max(0, self._most - len(self._flying) - len(self._waiting))

    @property
    def idle(self) -> bool:
        """Is there nothing to wait for?"""
        return not self._wanted

    def put(self, asked: Sequence[tuple[_For, Ask]]) -> list[tuple[_For, Entry]]:
        """Sends what has to be asked; what is known already comes back at once."""
        keys, known = self._books.find([ask for _, ask in asked])
        for key, (whose, ask) in zip(keys, asked, strict=True):
            if key not in known and key not in self._wanted:
                self._waiting.append((key, Call(*key, ask.request, ask.tag)))
            if key not in known:
                self._wanted.setdefault(key, []).append(whose)
        self._send()
        return [(whose, known[key]) for key, (whose, _) in zip(keys, asked, strict=True) if key in known]

    def heard(self, seconds: float | None = None) -> list[tuple[_For, Entry]]:
        """The next answers, kept; none if none comes in that time."""
        if self._waiting and not self._flying:
            self._books.check([call for _, call in self._waiting])
        arrived = self._line.replies(seconds)
        answered = [self._flying.pop(number) for number, _ in arrived]
        if not arrived:
            return []
        calls, replies = [call for _, call in answered], [reply for _, reply in arrived]
        entries = self._books.keep(self._note, calls, replies, len(self._flying))
        self._send()
        heard = zip(answered, entries, strict=True)
        return [(whose, entry) for (key, _), entry in heard for whose in self._wanted.pop(key)]

    def last(self, seconds: float) -> Iterator[tuple[_For, Entry]]:
        """What is answered in that time, kept; nothing more is sent."""
        self._waiting.clear()
        ends = time.monotonic() + seconds
        while self._flying and (left := ends - time.monotonic()) > 0:
            yield from self.heard(left)

    def _send(self) -> None:
        """As much as there is room for, in flight and in the budget."""
        going = list(islice(self._waiting, self._most - len(self._flying)))
        going = going[: self._books.room([call for _, call in going], len(self._flying))]
        if not going:
            return
        journal, flying = self._books.journal, len(self._flying) + len(going)
        if self._flying:
            journal.still_sending(self._note, flying)
        else:
            self._note = journal.sending(flying)
        numbered = list(enumerate(going, self._sent))
        self._sent += len(going)
        for number, sent in numbered:
            self._flying[number] = sent
            self._waiting.popleft()
        self._line.send([(number, call.request) for number, (_, call) in numbered])
