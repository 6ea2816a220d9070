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
from agents.llm.servers import Backoff, Server, Servers, retry_after

_BUSY = (408, 425, 429, 500, 502, 503, 504)  # statuses after which the same request may be answered later
_LARGEST = 1 << 20  # bytes of an answer
_LONGEST_REST = 60.0  # seconds that a server may ask for
_UNREADABLE = 3  # answers of another form after which no other is hoped for


class Failed(Exception):
    """No answer. The message is "cause: detail", without secrets."""

    def __init__(self, cause: str, status: int | None = None, may_pass: bool = True, wait: float | None = None) -> None:
        super().__init__(cause)
        self.status = status  # that the server gave, if it did
        self.may_pass = may_pass  # may the same request be answered later?
        self.wait = wait  # seconds that the server asks to be left alone
        self.faults: tuple[str, ...] = ()  # why earlier tries failed


class Sender:
    """Connections to servers that have the same model; they are closed when it is no longer used."""

    def __init__(self, urls: Sequence[str], limits: Limits, key: str | None, backoff: Backoff = Backoff()) -> None:
        self._servers, self._limits, self._backoff = Servers(urls), limits, backoff
        self.loop = Loop()
        self._session = self.loop.run(_session(limits, key))
        weakref.finalize(self, _close, self.loop, self._session)

    def deadline(self) -> float:
        """When the patience for a call that begins now ends, on `time.monotonic`."""
        return time.monotonic() + self._limits.patience

    async def post(self, path: str, body: Mapping[str, Any], ends: float) -> tuple[Any, list[str]]:
        """The answer's JSON, and the cause of every try that failed before. Failed: patience ended (`deadline`), or the
        server will have none of it.
        """
        faults: list[str] = []
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + ends - time.monotonic()):
                return await self._until_answered(path, json.dumps(body).encode(), faults), faults
        except Failed as failure:
            failure.faults = tuple(faults[:-1])
            raise
        except TimeoutError:
            last = faults[-1] if faults else f"timed out: no answer in {self._limits.patience:g} s"
            out = Failed(last, may_pass=False)
            out.faults = tuple(faults[:-1])
            raise out from None

    async def _until_answered(self, path: str, body: bytes, faults: list[str]) -> Any:
        failed_at: Server | None = None
        while True:
            taken, answered = await self._servers.wait(avoid=failed_at), None
            try:
                answer = await self._answered(taken.server.url + path, body)
                answered = True
            except Failed as failure:
                answered, failed_at = _is_well(failure), taken.server
                faults.append(str(failure))
                if not failure.may_pass or sum(f.startswith("unreadable") for f in faults) >= _UNREADABLE:
                    raise
                pause = self._rest(taken.server, failure, len(faults))
            else:
                return answer
            finally:
                self._servers.give_back(taken, answered)
            await asyncio.sleep(pause)

    def _rest(self, server: Server, failure: Failed, failures: int) -> float:
        """Seconds until the call is sent again: at once where another server is up that may not have failed it yet."""
        if failure.wait is not None:
            self._servers.leave(server, min(failure.wait, _LONGEST_REST))
            return 0.0
        others = any(up is not server for up in self._servers.up())
        return 0.0 if others and failures < len(self._servers.all) else self._backoff.seconds(failures, random.random())

    async def _answered(self, url: str, body: bytes) -> Any:
        """One try."""
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                raw = await _whole(response)
                if response.status != 200:
                    raise _refusal(response.status, raw, response.headers.get("Retry-After"))
        except TimeoutError:
            raise Failed(f"timed out: after {self._limits.timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Failed(f"no connection: {shown(redact(str(error) or type(error).__name__))}") from None
        return _parsed(raw)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """However many pieces it comes in."""
    raw = bytearray()
    async for piece in response.content.iter_any():
        raw += piece
        if len(raw) > _LARGEST:
            raise Failed(f"unreadable answer: of more than {_LARGEST:,} bytes", may_pass=False)
    return bytes(raw)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise Failed(f"unreadable answer: {shown(redact(raw[:200].decode('utf-8', 'replace')), 100)}") from None


def _refusal(status: int, raw: bytes, header: str | None) -> Failed:
    detail = shown(redact(raw[:2000].decode("utf-8", "replace")), 200)
    busy = status in _BUSY
    return Failed(f"HTTP {status}: {detail}", status, busy, retry_after(header, time.time()) if busy else None)


def _is_well(failure: Failed) -> bool:
    """Does the server work, whatever it says of this request?"""
    return failure.status is not None and failure.status < 500


async def _session(limits: Limits, key: str | None) -> aiohttp.ClientSession:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    return aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=limits.max_in_flight),
        timeout=aiohttp.ClientTimeout(total=limits.timeout),
    )


def _close(loop: Loop, session: aiohttp.ClientSession) -> None:
    loop.close(session.close())
