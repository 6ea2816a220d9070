"""Several servers with the same model: who is asked next, and how long to wait for those that fail."""

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
        self.url, self.in_flight = url, 0
        self.failures = 0  # in a row
        self.rests_until = 0.0  # on the clock


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

    def take(self) -> Server | None:
        """The server to ask now, with one call more in flight; None while all of them rest."""
        now = self._clock()
        up = [s for s in self.all if self._is_up(s, now)]
        if not up:
            return None
        server = min(up, key=lambda s: s.in_flight)
        server.in_flight += 1
        return server

    def give_back(self, server: Server, failed: bool) -> None:
        """A call has ended. `failed`: it was the server that failed, not the request."""
        server.in_flight -= 1
        server.failures = server.failures + 1 if failed else 0
        rounds = server.failures - self._breaks_after + 1
        if failed and rounds > 0:
            self.leave(server, self._backoff.seconds(rounds, 0.5 + self._chance() / 2))  # some rest at least

    def leave(self, server: Server, seconds: float) -> None:
        """Nothing is asked of it meanwhile."""
        server.rests_until = max(server.rests_until, self._clock() + seconds)

    def rest(self) -> float:
        """Seconds until one of them may be up again; a moment where one is being tried."""
        now = self._clock()
        return max(0.05, min(s.rests_until for s in self.all) - now)

    def _is_up(self, server: Server, now: float) -> bool:
        """Those that failed too often are tried by one call at a time until one is answered."""
        return now >= server.rests_until and (server.failures < self._breaks_after or server.in_flight == 0)


async def wait_for(servers: Servers) -> Server:
    """The server to ask, as soon as one is up."""
    while (server := servers.take()) is None:
        await asyncio.sleep(servers.rest())
    return server


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
