"""A run that is killed at random moments and started again by the same command.

The whole process group is killed with SIGKILL. A moment is drawn from the time an undisturbed run took, and is met
again in the killed run as "so many seconds after that mark" (experiments/benchmarks/watched_run.py).
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from experiments.benchmarks import watched_run
from experiments.errors import ROOT

Marks = list[tuple[float, str]]  # (seconds, name)
_TURNS = ("start", "learning", "people-0", "rules-0", "rules-0 is made", "evaluation: swm_ap", "report", "end")
PHASES = ("starting", "playing", "fitting", "improving", "checking", "evaluating", "reporting")
_PATIENCE = 5  # times that a run which ended before its moment is started again


@dataclass(frozen=True)
class Session:
    """One time that the command was typed."""

    process: int
    marks: Path

    def marked(self) -> Marks:
        """What it has come to so far."""
        lines = self.marks.read_text().split("\n")[:-1] if self.marks.exists() else []
        return [(float(at), name) for at, _, name in (line.partition(" ") for line in lines)]

    def ended(self) -> int | None:
        """Its exit code, or None while it is at work."""
        process, status = os.waitpid(self.process, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if process else None

    def kill(self) -> None:
        """With all the processes it started."""
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


@dataclass(frozen=True)
class Town:
    """A folder of runs, and the command that is typed again and again. Not `fresh` = forked, to spare the imports."""

    folder: Path
    command: Sequence[str]  # after `solon`
    fresh: bool = True

    def start(self, name: str) -> Session:
        """Types the command."""
        marks = self.folder / f"marks-{name}"
        marks.unlink(missing_ok=True)
        watched_run.append(marks, f"{time.monotonic()} start\n")
        process = os.fork()
        if process == 0:
            self._become((str(self.folder), str(marks), *self.command), name)
        return Session(process, marks)

    def _become(self, arguments: Sequence[str], name: str) -> None:
        """What the child does; it never returns."""
        try:
            os.setsid()  # a process group of its own, to be killed as one
            for descriptor, what in ((1, "out"), (2, "errors")):
                os.dup2(os.open(self.folder / f"{what}-{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            if self.fresh:
                environment = {**os.environ, "PYTHONPATH": str(ROOT)}
                os.execve(sys.executable, [sys.executable, watched_run.__file__, *arguments], environment)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            watched_run.main(self.folder, Path(arguments[1]), arguments[2:])
        except SystemExit as leaving:
            _leave(int(leaving.code or 0))
        except BaseException:
            traceback.print_exc()
        _leave(1)

    def finish(self, name: str) -> Session:
        """Types the command and waits until it is done. RuntimeError: it failed."""
        session = self.start(name)
        while (code := session.ended()) is None:
            time.sleep(0.05)
        self._expect_success(code, name)
        return session

    def killed_at(self, moment: "Moment", name: str, order: dict[str, int]) -> bool:
        """Types the command and kills it at that moment. False if it ended before, however often it was typed."""
        for _ in range(_PATIENCE):
            session = self.start(name)
            while (code := session.ended()) is None:
                if moment.reached(session.marked(), order):
                    session.kill()
                    return True
                time.sleep(0.005)
            self._expect_success(code, name)
        return False

    def _expect_success(self, code: int, name: str) -> None:
        if code != 0:
            raise RuntimeError(f"the run ended with {code}:\n{(self.folder / f'errors-{name}').read_text()[-3000:]}")

    def table(self, name: str) -> object:
        """What the command printed with --json."""
        return json.loads((self.folder / f"out-{name}").read_text())


@dataclass(frozen=True)
class Moment:
    """A point of the undisturbed run: so many seconds after its mark number `after`."""

    phase: str
    after: int
    seconds: float

    def reached(self, marked: Marks, order: dict[str, int]) -> bool:
        """Is a session there, or past it, because what came before was done already?"""
        places = [(order[name], at) for at, name in marked]
        if any(place > self.after for place, _ in places):
            return True
        return any(place == self.after and time.monotonic() >= at + self.seconds for place, at in places)


def order_of(marks: Marks) -> dict[str, int]:
    """The place of every mark of the undisturbed run, by its first time."""
    return {name: place for place, (_, name) in reversed([*enumerate(marks)])}


def phases(marks: Marks) -> dict[str, tuple[float, float]]:
    """When the phases of the undisturbed run began and ended."""
    at = {name: when for when, name in reversed(marks)}
    return {name: (at[a], at[b]) for name, (a, b) in zip(PHASES, pairwise(_TURNS), strict=True)}


def moments(marks: Marks, kills: int, chance: random.Random) -> list[Moment]:
    """Random moments in their order: one in every phase after the start, as far as they reach, the others anywhere."""
    when = phases(marks)
    spans = [when[name] for name in chance.sample([*when][1:], min(kills, len(when) - 1))]
    spans += [(marks[0][0], marks[-1][0])] * (kills - len(spans))
    found: list[Moment] = []
    for time_ in sorted(chance.uniform(*span) for span in spans):
        after = max(i for i, (at, _) in enumerate(marks) if at <= time_)
        phase = next(name for name, (_, end) in when.items() if time_ <= end)
        found.append(Moment(phase, after, time_ - marks[after][0]))
    return found


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
