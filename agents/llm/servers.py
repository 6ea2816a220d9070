"""Several servers with the same model: who is asked next, and how long those that fail are left alone."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Backoff:
    """How long to wait after failures in a row: a random share of a bound that doubles (full jitter: Brooker 2015)."""

    first: float = 0.5  # seconds
    longest: float = 30.0  # seconds

    def seconds(self, failures: int, chance: float) -> float:
        """After that many failures (from 1); `chance` in [0, 1)."""
        return chance * min(self.longest, self.first * 2.0 ** min(failures - 1, 60))


class Server:
    """One address."""

    def __init__(self, url: str) -> None:
        self.url, self.in_flight, self.asked = url, 0, 0  # asked: when it was last, as a number in order
        self.failures = 0  # in a row
        self.rests = 0  # in a row, for failing
        self.rests_until = 0.0  # on the clock


@dataclass(frozen=True)
class Taken:
    """A call to a server, as it stood when the call was made."""

    server: Server
    rests: int


class Servers:
    """Of those that are up, the one with the fewest calls in flight is asked. One that fails several times in a row
    rests, longer every time; then a single call tries it, and the others follow when that one is answered (circuit
    breaker: Nygard 2007, chapter 5).
    """

    def __init__(
        self,
        urls: Sequence[str],
        breaks_after: int = 5,  # failures in a row
        backoff: Backoff = Backoff(1.0, 60.0),
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if not urls:
            raise ValueError("no server is named: give at least one base_url")
        self.all = [Server(url) for url in urls]
        self._breaks_after, self._backoff, self._clock, self._chance = breaks_after, backoff, clock, chance
        self._asked = 0

    def take(self, avoid: Server | None = None) -> Taken | None:
        """The server to ask now, with one call more in flight; None while all of them rest. `avoid`: asked only where
        no other is up.
        """
        up = self.up()
        if not up:
            return None
        server = min(up, key=lambda s: (s is avoid, s.in_flight, s.asked))
        self._asked += 1
        server.in_flight, server.asked = server.in_flight + 1, self._asked
        return Taken(server, server.rests)

    def up(self) -> list[Server]:
        """Those that may be asked now: of those that failed too often, only what no call is trying."""
        now = self._clock()
        return [s for s in self.all if now >= s.rests_until and (s.failures < self._breaks_after or s.in_flight == 0)]

    def give_back(self, taken: Taken, answered: bool | None) -> None:
        """A call has ended. None: nothing is known of the server by that (the call was given up)."""
        server = taken.server
        server.in_flight -= 1
        if answered:
            server.failures = server.rests = 0
        elif answered is not None and taken.rests == server.rests:  # else it failed with those for which it rested
            server.failures += 1
            if server.failures >= self._breaks_after:
                server.rests += 1
                self.leave(server, self._backoff.seconds(server.rests, 0.5 + self._chance() / 2))  # some rest at least

    def leave(self, server: Server, seconds: float) -> None:
        """Nothing is asked of it meanwhile."""
        server.rests_until = max(server.rests_until, self._clock() + seconds)

    def rest(self) -> float:
        """Seconds until one of them may be up again; a moment where one is being tried."""
        now = self._clock()
        return max(0.05, min(s.rests_until for s in self.all) - now)

    async def wait(self, avoid: Server | None = None) -> Taken:
        """The server to ask, as soon as one is up. Those who wait do not all come back at the same moment."""
        while (taken := self.take(avoid)) is None:
            await asyncio.sleep(self.rest() * (1 + 0.2 * self._chance()))
        return taken


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds that a server asks to be left alone (RFC 9110, section 10.2.3); None where it asks for nothing.

    `now`: seconds since 1970.
    """
    if header is None:
        return None
    try:
        asked = float(header) if header.strip().isdigit() else parsedate_to_datetime(header).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return max(0.0, asked)
