"""An event loop in a thread of its own: engines are called by ordinary code, and speak to servers at the same time."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_FAREWELL = 5.0  # seconds that are waited for the last work


class Loop:
    """One event loop for an engine's life: connections that are kept belong to a loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="language-model calls", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What the work comes to, or what it raises."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C: the calls in flight are given up
            raise

    def soon(self, step: Callable[..., None], *of: Any) -> None:
        """Has the loop's thread do this, without waiting for it."""
        self._loop.call_soon_threadsafe(step, *of)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Ends the thread after this last work. It may be called in the loop's own thread, which cannot wait."""

        async def end() -> None:
            try:
                await last
            finally:
                self._loop.stop()

        asyncio.run_coroutine_threadsafe(end(), self._loop)
        if threading.current_thread() is not self._thread:
            self._thread.join(_FAREWELL)

    def _live(self) -> None:
        self._loop.run_forever()
        self._loop.close()
