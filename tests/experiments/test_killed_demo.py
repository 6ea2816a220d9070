"""The demo, killed at random moments and started again by the same command: it goes on, and ends the same.

The whole process group is killed with SIGKILL. A moment is drawn from the time an undisturbed run took, and is met
again in the killed run as "so many seconds after that batch was sent, or that stage began".
"""

import json
import os
import random
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from experiments.errors import ROOT
from tests.experiments import watched_run

DEMO = ("run", str(ROOT / "experiments/configs/demo.yaml"), "--json")
SETTINGS = (
    "first_episodes=1",
    "base_worlds=2",
    "tracker_worlds=2",
    "base_search.generations=1",
    "improve.iterations=1",
)
SMALL = ("--smoke", "evaluation.communities=2", "baselines=[us_federal]", *(f"method.settings.{s}" for s in SETTINGS))

Marks = list[tuple[float, str]]  # (seconds, name)


@dataclass(frozen=True)
class Session:
    """One time that the command was typed."""

    process: int
    marks: Path

    def marked(self) -> Marks:
        lines = self.marks.read_text().split("\n")[:-1] if self.marks.exists() else []
        return [(float(at), name) for at, _, name in (line.partition(" ") for line in lines)]

    def ended(self) -> int | None:
        """Its exit code, or None while it is at work."""
        process, status = os.waitpid(self.process, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if process else None

    def kill(self) -> None:
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


@dataclass(frozen=True)
class Town:
    """A folder of runs, and the command that is typed again and again. Not `fresh` = forked, to spare the imports."""

    folder: Path
    words: Sequence[str]
    fresh: bool

    def start(self, number: int) -> Session:
        marks = self.folder / f"marks-{number}"
        arguments = (str(self.folder), str(marks), *DEMO, *self.words)
        watched_run.append(marks, f"{time.monotonic()} start\n")
        process = os.fork()
        if process == 0:
            self._become(arguments, number)
        return Session(process, marks)

    def _become(self, arguments: Sequence[str], number: int) -> None:
        """What the child does; it never returns."""
        try:
            os.setsid()  # a process group of its own, to be killed as one
            for descriptor, name in ((1, "out"), (2, "errors")):
                os.dup2(os.open(self.folder / f"{name}-{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            if self.fresh:
                environment = {**os.environ, "PYTHONPATH": str(ROOT)}
                os.execve(sys.executable, [sys.executable, watched_run.__file__, *arguments], environment)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            watched_run.main(self.folder, Path(arguments[1]), arguments[2:])
        except SystemExit as leaving:
            self._leave(int(leaving.code or 0))
        except BaseException:
            traceback.print_exc()
        self._leave(1)

    def _leave(self, code: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def finish(self, number: int) -> Session:
        """Types the command and waits until it is done."""
        session = self.start(number)
        while (code := session.ended()) is None:
            time.sleep(0.05)
        assert code == 0, (self.folder / f"errors-{number}").read_text()[-3000:]
        return session

    def table(self, number: int) -> object:
        return json.loads((self.folder / f"out-{number}").read_text())

    def keys(self, name: str) -> list[str]:
        """What the watch wrote down: "asked" or "asked_again"."""
        return (self.folder / name).read_text().split()

    def journal(self) -> tuple[list[str], str]:
        """The keys of all committed calls, sorted, and what SQLite says of the file."""
        (file,) = self.folder.glob("*/journal.sqlite")
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            keys = sorted(row[0].hex() for row in db.execute("SELECT key FROM calls WHERE void = 0"))
            return keys, db.execute("PRAGMA integrity_check").fetchone()[0]

    def rows(self) -> int:
        """Committed calls by now."""
        for file in self.folder.glob("*/journal.sqlite"):
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
                if db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'calls'").fetchone()[0]:
                    return db.execute("SELECT count(*) FROM calls").fetchone()[0]
        return 0


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


def phases(marks: Marks) -> dict[str, tuple[float, float]]:
    """When the phases of the undisturbed run began and ended."""
    at = {name: when for when, name in reversed(marks)}
    turns = ("start", "learning", "people-0", "rules-0", "rules-0 is made", "evaluation: swm_ap", "report", "end")
    names = ("starting", "playing", "fitting", "improving", "checking", "evaluating", "reporting")
    return {name: (at[a], at[b]) for name, (a, b) in zip(names, pairwise(turns), strict=True)}


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


def killed_at(moment: Moment, town: Town, number: int, order: dict[str, int]) -> bool:
    """Types the command and kills it at that moment. False if it came to its end before."""
    session = town.start(number)
    while (code := session.ended()) is None:
        if moment.reached(session.marked(), order):
            session.kill()
            return True
        time.sleep(0.005)
    assert code == 0, (town.folder / f"errors-{number}").read_text()[-3000:]
    return False


def check(folder: Path, words: Sequence[str], kills: int, fresh: bool) -> list[str]:
    """The whole test. Returns what happened, a line for every time that the command was typed."""
    (folder / "undisturbed").mkdir()
    (folder / "killed").mkdir()
    straight, town = Town(folder / "undisturbed", words, fresh), Town(folder / "killed", words, fresh)
    marks = straight.finish(0).marked()
    order = {name: place for place, (_, name) in reversed([*enumerate(marks)])}
    story = [f"undisturbed: {marks[-1][0] - marks[0][0]:.0f} s, {straight.rows()} calls, {straight.table(0)}"]
    for number, moment in enumerate(moments(marks, kills, random.Random(0))):
        began = time.monotonic()
        hit = killed_at(moment, town, number, order)
        story.append(f"{number}: {hit=} {moment} after {time.monotonic() - began:.1f} s, {town.rows()} calls committed")
        (folder / "story").write_text("\n".join(story))
    again = town.finish(kills)
    story.append(f"at last: {town.rows()} calls, {len(town.keys('asked'))} asked, {town.table(kills)}")
    (folder / "story").write_text("\n".join(story))

    assert town.keys("asked_again") == straight.keys("asked_again") == []
    assert town.journal() == straight.journal()
    assert town.journal()[1] == "ok"
    assert set(town.keys("asked")) == set(town.journal()[0])  # the watch and the journal mean the same keys
    assert len(town.keys("asked")) > 0
    assert {name for _, name in again.marked()} <= set(order)  # no batch of other questions than the undisturbed run's
    assert town.table(kills) == straight.table(0)
    assert all("hit=True" in line for line in story[1:-1]), "\n".join(story)
    return story


def test_a_small_demo_killed_in_three_phases_ends_with_the_same_table(tmp_path: Path):
    check(tmp_path, SMALL, kills=3, fresh=False)


@pytest.mark.slow
def test_the_demo_killed_at_twenty_random_points_ends_with_the_same_table(tmp_path: Path):
    check(tmp_path, (), kills=20, fresh=True)
