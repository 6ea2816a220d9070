"""An event loop in a thread of its own: engines are called by ordinary code, and speak to servers at the same time."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class Loop:
    """One event loop for an engine's life: connections that are kept belong to a loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="language-model calls", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What the work comes to, or what it raises."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C: the calls in flight are given up
            raise
