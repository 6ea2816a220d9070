"""One request to one of several servers, sent again while they are busy, failing or gone, until patience ends."""

import asyncio
import json
import random
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from agents.llm.checks import Limits
from agents.llm.loop import Loop
from agents.llm.redact import redact
from agents.llm.replies import shown
from agents.llm.servers import Backoff, Server, Servers, retry_after, wait_for

_BUSY = (408, 425, 429, 500, 502, 503, 504)  # statuses after which the same request may be answered later
_LARGEST = 1 << 24  # bytes of an answer that are read


class Failed(Exception):
    """No answer. The message is "cause: detail", without secrets; `status` is the server's, where it gave one."""

    def __init__(self, cause: str, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(cause)
        self.status, self.wait = status, wait  # wait: seconds that the server asks for

    @property
    def may_pass(self) -> bool:
        """May the same request be answered later?"""
        return self.status is None or self.status in _BUSY


class Sender:
    """Connections to servers that have the same model; they are closed when it is no longer used."""

    def __init__(self, urls: Sequence[str], limits: Limits, key: str | None, backoff: Backoff = Backoff()) -> None:
        self._servers, self._limits, self._backoff = Servers(urls), limits, backoff
        self.loop = Loop()
        self._session = self.loop.run(_session(limits, key))
        weakref.finalize(self, _close, self.loop, self._session)

    async def post(self, path: str, body: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """The answer's JSON, and the cause of every try that failed before. Failed: when patience ended, or the server
        will have none of it.
        """
        faults: list[str] = []
        ends = time.monotonic() + self._limits.patience
        while True:
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + ends - time.monotonic()):
                    server = await wait_for(self._servers)
                return await self._once(server, path, body), faults
            except Failed as failure:
                faults.append(str(failure))
                pause = failure.wait or self._backoff.seconds(len(faults), random.random())
                if not failure.may_pass or time.monotonic() + pause > ends:
                    raise
                await asyncio.sleep(pause)
            except TimeoutError:
                last = f", the last for {faults[-1]}" if faults else ""
                raise Failed(f"no connection: no server was up for {self._limits.patience:g} s{last}") from None

    async def _once(self, server: Server, path: str, body: Mapping[str, Any]) -> Any:
        """One try."""
        failed = True
        try:
            answer = await self._answered(server.url + path, body)
            failed = False
        except Failed as failure:
            failed = failure.status is None or failure.status >= 500
            if failure.wait is not None:
                self._servers.leave(server, min(failure.wait, self._limits.patience))
            raise
        finally:
            self._servers.give_back(server, failed)
        return answer

    async def _answered(self, url: str, body: Mapping[str, Any]) -> Any:
        try:
            async with self._session.post(url, data=json.dumps(body), allow_redirects=False) as response:
                raw = await response.content.read(_LARGEST)
                if response.status != 200:
                    raise _refusal(response.status, raw, response.headers.get("Retry-After"))
        except TimeoutError:
            raise Failed(f"timed out: after {self._limits.timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Failed(f"no connection: {shown(redact(str(error) or type(error).__name__))}") from None
        return _parsed(raw)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise Failed(f"unreadable answer: {shown(redact(raw[:200].decode('utf-8', 'replace')), 100)}") from None


def _refusal(status: int, raw: bytes, header: str | None) -> Failed:
    detail = shown(redact(raw[:2000].decode("utf-8", "replace")), 200)
    return Failed(f"HTTP {status}: {detail}", status, retry_after(header, time.time()))


async def _session(limits: Limits, key: str | None) -> aiohttp.ClientSession:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    return aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=limits.max_in_flight),
        timeout=aiohttp.ClientTimeout(total=limits.timeout),
    )


def _close(loop: Loop, session: aiohttp.ClientSession) -> None:
    loop.run(session.close())
