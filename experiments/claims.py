"""Claims: what Solon says of itself, each made good by one file that can be run again.

A claim is a file experiments/NAME.py with a function `claim(smoke: bool) -> Outcome`. Its full run writes
results/NAME.json; a smoke run, which is small and proves nothing, writes runs/claims/NAME.json instead.
"""

import ast
import importlib
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from agents.llm.storage import JournalError, Lock
from experiments.errors import ROOT, UserError
from experiments.files import read_json, write_json
from experiments.provenance import commit, hardware

BEAT = 30.0  # seconds between two writings of how long a claim has taken
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class Outcome:
    """What a claim's run found. The claim itself decides `passed`, from `figures`, against a bar fixed beforehand."""

    claim: str  # the sentence that is claimed
    passed: bool
    figure: str  # the measured headline, as it should be read aloud: "1/35 of PPO's decisions"
    bar: str  # what the figure had to reach: "1/20"
    figures: Mapping[str, Json]  # every number behind it
    seeds: tuple[int, ...]
    smoke: bool


def names() -> tuple[str, ...]:
    """Every claim: the files of experiments/ that define `claim`. They are read, not imported."""
    return tuple(sorted(file.stem for file in (ROOT / "experiments").glob("*.py") if _defines_claim(file)))


def _defines_claim(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    if file.stem == "claims" or "def claim(" not in text:
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == "claim" for node in ast.parse(text).body)


def workplace(name: str, smoke: bool, tracked: bool = False) -> Path:
    """The folder in which a claim keeps what is expensive, so that a second run of the same command continues.

    tracked: with the results instead of the runs, so that it continues in another copy of the repository too. A claim
    that wants that says TRACKED = True.
    """
    folder = ROOT / "runs" / "claims" / (f"{name}-smoke" if smoke else name)
    if tracked and not smoke:
        folder = ROOT / "results" / "curves" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def same_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Finished parts of other settings must not be mixed with new ones: UserError where a folder has such."""
    file, now = folder / "settings.json", json.loads(json.dumps(settings))
    if not file.exists() and not any((folder / "stages").glob("*")):
        write_json(file, now)
    elif _settings_of(file) != now:
        raise UserError(
            "this claim's finished parts were made with other settings, or with another embedded model",
            where=str(folder),
            fix="put the settings back to go on, or delete that folder to start anew",
        )


def _settings_of(file: Path) -> Any:
    """Those that finished parts were made with. UserError where nobody knows them any more."""
    try:
        return read_json(file)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(
            "no telling with which settings the finished parts were made",
            where=str(file),
            fix="put that file back (`git checkout -- FILE`, if it came with the repository), or move its folder away "
            "to start anew",
        ) from error


def result_file(name: str, smoke: bool) -> Path:
    """Where the outcome of a claim is written."""
    return ROOT / ("runs/claims" if smoke else "results") / f"{name}.json"


def run_claim(name: str, smoke: bool) -> Outcome:
    """Run a claim and write its result file. UserError where there is no such claim."""
    known = names()
    if name not in known:
        near = get_close_matches(name, known, 1)
        fix = f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(known) or 'there are none yet'}"
        raise UserError(f"there is no claim {name!r}", where="experiments/", fix=fix)
    module = importlib.import_module(f"experiments.{name}")
    place = workplace(name, smoke, getattr(module, "TRACKED", False))
    with _alone(place):
        commits = _commits(place / "commits.json")
        with _clock(place / "minutes.json") as minutes:
            outcome: Outcome = module.claim(smoke)
        write_json(result_file(name, smoke), record(outcome, minutes(), commits))
    return outcome


@contextmanager
def _alone(place: Path) -> Generator[None]:
    """Two runs of a claim would pay for the same parts twice: UserError for the second."""
    try:
        lock = Lock(place / "claim", place)
    except JournalError as error:
        raise UserError("another run of this claim is at work", where=str(place), fix="wait, or stop it") from error
    try:
        yield
    finally:
        lock.release()


def _commits(file: Path) -> list[str]:
    """Those of every session that worked on a claim, this one's last: its parts may be of different code."""
    before: Any = read_json(file) if file.exists() else []
    if not isinstance(before, list):
        raise UserError("not a list of commits", where=str(file), fix="put that file back, or delete it")
    now = commit()
    commits = [*(c for c in before if c != now), now]
    write_json(file, commits)
    return commits


@contextmanager
def _clock(file: Path) -> Generator[Callable[[], float]]:
    """Adds up the minutes of every session that worked on a claim, so that a resumed run does not look quick. They are
    written now and then, for who is killed has no time to."""
    before, started, ended = _minutes(file), time.monotonic(), threading.Event()

    def total() -> float:
        return before + (time.monotonic() - started) / 60

    def write_now_and_then() -> None:
        while not ended.wait(BEAT):
            write_json(file, total())

    usual = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the clock is stopped
    beat = threading.Thread(target=write_now_and_then, daemon=True)
    beat.start()
    try:
        yield total
    finally:
        signal.signal(signal.SIGTERM, usual)
        ended.set()
        beat.join()
        write_json(file, total())


def _minutes(file: Path) -> float:
    """Of earlier sessions: read before the work, so that what cannot be read costs none."""
    found = read_json(file) if file.exists() else 0.0
    if not isinstance(found, int | float):
        raise UserError("not a number of minutes", where=str(file), fix="put that file back, or delete it")
    return found


def record(outcome: Outcome, minutes: float, commits: Sequence[str]) -> dict[str, Any]:
    """The result file's content: the outcome, and what made it; `commits` are those of all its sessions."""
    found = asdict(outcome)
    smoke = found.pop("smoke")
    made = {
        "commit": commits[-1],
        "commits": list(commits),
        "hardware": hardware(),
        "minutes": round(minutes, 2),
        "smoke": smoke,
    }
    return {**found, "seeds": list(outcome.seeds), **made}


def last_line(name: str, outcome: Outcome) -> str:
    """The line that every claim ends with; of a small run it is no verdict."""
    verdict = "smoke run: it works, its figures mean nothing" if outcome.smoke else _verdict(outcome)
    return f"{name}: {outcome.figure} (bar {outcome.bar}) {verdict}"


def _verdict(outcome: Outcome) -> str:
    return "pass" if outcome.passed else "FAIL"


def results() -> dict[str, dict[str, Any] | None]:
    """Every claim with the content of its result file, None where it was never run in full."""
    files = {name: result_file(name, smoke=False) for name in names()}
    return {name: read_json(file) if file.exists() else None for name, file in files.items()}
