"""Decisions are asked for until each has a usable reply, or its attempts are used up."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice

from agents.llm.asking import Desk
from agents.llm.engine import Concurrent
from agents.llm.journal import Entry
from agents.llm.open_desk import OpenDesk
from agents.llm.outcomes import Outcome
from agents.llm.storage import JournalError

_PORTION = 64  # decisions that are put in words before the first of them is sent
_FAREWELL = 30.0  # seconds in which calls that were in flight when a run stopped may still be answered

Told = Callable[[list[Outcome]], None]
"""Called with the decisions that have just been settled; may raise PopulationStopped."""


class PopulationStopped(ValueError):
    """Too many decisions could not be had from the model. The message names the model, the share and an example."""


def settle_batch(desk: Desk, chunk: list[Outcome], retries: int, told: Told) -> None:
    """All of them as one batch, then those again that have to be asked again."""
    waiting = chunk
    while waiting:
        entries = desk.answers([outcome.ask for outcome in waiting])
        waiting = [o for o, entry in zip(waiting, entries, strict=True) if o.hear(entry, retries)]
    told(chunk)


def settle_stream(engine: Concurrent, desk: Desk, asked: Iterator[Outcome], retries: int, told: Told) -> None:
    """As many at a time as the engine has in flight; each one that has to be asked again goes first."""
    with closing(OpenDesk[Outcome](engine, desk.books)) as line:
        try:
            _until_settled(line, asked, retries, told)
        except JournalError:
            raise
        except Exception:  # what else is paid for is kept
            for outcome, entry in line.last(_FAREWELL):
                outcome.hear(entry, retries)
            raise


def _until_settled(line: OpenDesk[Outcome], asked: Iterator[Outcome], retries: int, told: Told) -> None:
    again: list[Outcome] = []
    while True:
        asking = [*again, *islice(asked, max(0, min(line.room - len(again), _PORTION)))]
        answered: list[tuple[Outcome, Entry]] = line.put([(outcome, outcome.ask) for outcome in asking])
        if not answered and not asking and line.idle:
            return
        wait = 0.0 if asking and line.room else None  # more may be sent before a reply is needed
        answered = answered or line.heard(wait)
        unsettled = {id(outcome) for outcome, entry in answered if outcome.hear(entry, retries)}
        again = [outcome for outcome, _ in answered if id(outcome) in unsettled]
        told([outcome for outcome, _ in answered if id(outcome) not in unsettled])
