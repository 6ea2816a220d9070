"""What a run is doing, on the screen: stages, decisions per second, failures, budget left, time to go.

On a terminal one display is redrawn four times a second, whatever happens in between, so that a thousand calls in
flight cost no more drawing than one. Elsewhere a plain line is written every few seconds.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console, Group
from rich.live import Live as Screen
from rich.text import Text

from agents.base import Decisions, Population, Round
from agents.llm.population import Progress
from learning.draws import Draws
from personas.people import People

NOTHING = Progress(decided=0, cached=0, retried=0, failed=0, calls=0, tokens=0)
WINDOW = 10.0  # seconds over which a rate is taken
EVERY = 5.0  # seconds between plain lines
BAR = 12  # characters


@dataclass
class Work:
    """One stage under way, and what it is busy with: asking people, or a named kind of steps."""

    name: str
    started: float
    decisions: int | None  # how many it will ask for in all, where that is known
    before: int  # decisions of earlier stages
    what: str = ""
    done: int = 0
    total: int | None = None


class Live:
    """The display; a context manager. `plan` names the stages in order; those not reached yet are shown dim."""

    def __init__(
        self,
        title: str,
        plan: Sequence[str],
        budget_calls: int | None = None,
        budget_tokens: int | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._plan, self._clock = title, tuple(plan), clock
        self._wide = max(map(len, self._plan), default=0)
        self._budget_calls, self._budget_tokens = budget_calls, budget_tokens
        self._console = console or Console(stderr=True)
        self._began = clock()
        self._finished: dict[str, float] = {}  # stage -> seconds
        self._work: Work | None = None
        self._progress = NOTHING
        self._past: deque[tuple[float, int]] = deque()  # (time, done in this stage)
        self._last_line = float("-inf")
        self._screen: Screen | None = None

    def __enter__(self) -> "Live":
        if self._console.is_terminal:
            self._screen = Screen(get_renderable=self._drawn, console=self._console, refresh_per_second=4)
            self._screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._screen is not None:
            self._screen.stop()

    def note(self, text: str) -> None:
        """A line that stays, above the display."""
        self._console.print(Text(text), highlight=False)

    @contextmanager
    def stage(self, name: str, decisions: int | None = None) -> Generator[None]:
        """The stage under way. One that is left by an error is not marked as done, nor is one that begins again."""
        self._finished.pop(name, None)
        self._work = Work(name, self._clock(), decisions, self._progress.decided)
        self._past.clear()
        self._say()
        yield
        self._finished[name] = self._clock() - self._work.started
        self._say()
        self._work = None

    def decided(self, progress: Progress) -> None:
        """Told by the population after every batch."""
        self._progress = progress
        if self._work is not None:
            self.step("decisions", progress.decided - self._work.before, self._work.decisions)

    def step(self, what: str, done: int, total: int | None) -> None:
        """How far the stage under way is with what it is busy with."""
        if self._work is None:
            return
        if self._work.what != what:
            self._past.clear()
        self._work.what, self._work.done, self._work.total = what, done, total
        now = self._clock()
        self._past.append((now, done))
        while now - self._past[0][0] > WINDOW and len(self._past) > 2:
            self._past.popleft()
        if now - self._last_line >= EVERY:
            self._say()

    @property
    def rate(self) -> float | None:
        """Units per second of the stage under way, over the last seconds."""
        if len(self._past) < 2:
            return None
        (t0, n0), (t1, n1) = self._past[0], self._past[-1]
        return (n1 - n0) / (t1 - t0) if t1 > t0 else None

    @property
    def to_go(self) -> float | None:
        """Seconds until the stage under way is done."""
        work, rate = self._work, self.rate
        left = work.total - work.done if work and work.total else 0
        return left / rate if rate and left > 0 else None

    def _say(self) -> None:
        """One plain line, where there is no terminal to draw on."""
        if self._screen is None and self._work is not None:
            self._last_line = self._clock()
            self._console.print(Text(self._line(self._work)), highlight=False, soft_wrap=True)

    def _line(self, work: Work) -> str:
        took = f"[{clock(self._clock() - self._began)}] {work.name}"
        if work.name in self._finished or not work.what:
            return f"{took}: {'done' if work.name in self._finished else 'begins'}"
        parts = [f"{work.done:,}{f' of {work.total:,}' if work.total else ''} {self._unit(work)}"]
        parts += [self._pace()] if self.rate else []
        parts += [] if self.to_go is None else [f"{clock(self.to_go)} to go"]
        account = f"; in all {self._account()}" if work.what == "decisions" else ""
        return f"{took}: {', '.join(parts)}{account}"

    def _pace(self) -> str:
        rate = self.rate or 0.0
        return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"

    def _unit(self, work: Work) -> str:
        return "decisions" if work.what == "decisions" else f"steps of {work.what}"

    def _account(self) -> str:
        """Calls, failures, and what is left of the budget."""
        p = self._progress
        parts = [f"{p.cached:,} cached", f"{p.retried:,} retried", f"{p.failed:,} failed", f"{p.calls:,} calls"]
        if self._budget_calls is not None:
            parts.append(f"{max(0, self._budget_calls - p.calls):,} calls left")
        if self._budget_tokens is not None:
            parts.append(f"{max(0, self._budget_tokens - p.tokens):,} tokens left")
        parts += [p.money] if p.money else []
        return ", ".join(parts)

    def _drawn(self) -> Group:
        lines = [Text(self._title, style="bold"), *(self._stage_line(name) for name in self._plan)]
        account = f"{self._progress.decided:,} decisions: {self._account()}"
        style = "red" if self._progress.failed else "dim"
        elapsed = clock(self._clock() - self._began)
        return Group(*lines, Text(f"  {account}", style=style), Text(f"  {elapsed} in all", style="dim"))

    def _stage_line(self, name: str) -> Text:
        if name in self._finished:
            return Text(f"  ✓ {name:<{self._wide}} {clock(self._finished[name])}", style="green")
        if self._work is None or self._work.name != name:
            return Text(f"    {name}", style="dim")
        line = f"  ▸ {name:<{self._wide}} {self._bar(self._work)}"
        return Text(line, style="bold", no_wrap=True, overflow="ellipsis")

    def _bar(self, work: Work) -> str:
        share = min(1.0, work.done / work.total) if work.total else 0.0
        bar = "█" * round(share * BAR) + "░" * (BAR - round(share * BAR))
        rate = self._pace() if self.rate else ""
        left = f"{clock(self.to_go)} to go" if self.to_go is not None else ""
        return "  ".join(part for part in (f"{bar} {share:>4.0%}", work.what, rate, left) if part)


Told = Callable[[Progress], None]
"""A place to tell how far some people are"""


def summed(told: Told, parts: int) -> list[Told]:
    """For each part of a population a place to tell its progress; what is told on is that of all."""
    latest = [NOTHING] * parts

    def place(i: int) -> Told:
        def heard(progress: Progress) -> None:
            latest[i] = progress
            counts = {
                name: sum(getattr(p, name) for p in latest) for name in ("decided", "cached", "retried", "failed")
            }
            told(replace(progress, **counts))  # calls, tokens and money are the journal's, which they share

        return heard

    return [place(i) for i in range(parts)]


@dataclass
class Counted:
    """People who are no language models, with their decisions told to a display as a language model's are."""

    people: Population
    told: Told
    decided: int = 0

    def start(self, people: People) -> Any:
        """Their own memory."""
        return self.people.start(people)

    def decide(self, memory: Any, round: Round, draws: Draws) -> tuple[Any, Decisions]:
        """What the people decide."""
        memory, found = self.people.decide(memory, round, draws)
        self.decided += int((found.action >= 0).sum())
        self.told(replace(NOTHING, decided=self.decided))
        return memory, found


def clock(seconds: float) -> str:
    """12 -> 0:12, 3700 -> 1:01:40."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
