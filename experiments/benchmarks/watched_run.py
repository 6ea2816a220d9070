"""`solon`, watched from outside: what is started, killed and started again to see what a kill does.

    python -m experiments.benchmarks.watched_run RUNS_FOLDER MARKS_FILE run CONFIG [KEY=VALUE ...]

Run folders are made in RUNS_FOLDER. MARKS_FILE gets a line "TIME NAME" at every turn of the run: as a stage begins and
ends, and as the journal's calls pass every multiple of `EVERY`. RUNS_FOLDER/asked gets the key of every question that
reaches the embedded model.
"""

import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.embedded.engine import EmbeddedEngine
from agents.llm.engine import Reply, Request, parameters_of
from agents.llm.journal import Entry, Journal
from agents.llm.prompts import CallKeys
from experiments import cli, findings, runs
from experiments.live import Live
from experiments.stages import Stages

EVERY = 64  # calls from mark to mark


def append(file: Path, text: str) -> None:
    """One write to the end of a file, so that a kill leaves all of it or none."""
    out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(out, text.encode())
    os.close(out)


@dataclass(frozen=True)
class Watch:
    """Puts itself around the parts of a run that are to be seen from outside."""

    runs: Path
    marks: Path

    def mark(self, name: str) -> None:
        append(self.marks, f"{time.monotonic()} {name}\n")

    def asking(self, complete: Callable[..., list[Reply]]) -> Callable[..., list[Reply]]:
        def watched(engine: EmbeddedEngine, requests: Sequence[Request]) -> list[Reply]:
            of = CallKeys(engine.model, parameters_of(engine)).of
            append(self.runs / "asked", "".join(f"{of(request).hex()}\n" for request in requests))
            return complete(engine, requests)

        return watched

    def keeping(self, keep: Callable[..., list[Entry]]) -> Callable[..., list[Entry]]:
        def watched(journal: Journal, *rest: Any) -> list[Entry]:
            before = journal.last_call
            kept = keep(journal, *rest)
            for calls in range(before // EVERY + 1, journal.last_call // EVERY + 1):
                self.mark(f"{calls * EVERY} calls")
            return kept

        return watched

    def making(self, get: Callable[..., Any]) -> Callable[..., Any]:
        def watched(stages: Stages, name: str, *rest: Any) -> Any:
            self.mark(name)
            made = get(stages, name, *rest)
            self.mark(f"{name} is made")
            return made

        return watched

    def showing(self, stage: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def watched(live: Live, name: str, decisions: int | None = None) -> Generator[None]:
            self.mark(name)
            with stage(live, name, decisions):
                yield

        return watched

    def reporting(self, report_data: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            self.mark("report")
            return report_data(*arguments)

        return watched


def main(runs_folder: Path, marks: Path, arguments: Sequence[str]) -> None:
    """Runs the command under watch."""
    watch = Watch(runs_folder, marks)
    runs.RUNS = runs_folder
    EmbeddedEngine.complete = watch.asking(EmbeddedEngine.complete)
    Journal.keep = watch.keeping(Journal.keep)
    Stages.get = watch.making(Stages.get)
    Live.stage = watch.showing(Live.stage)
    findings.report_data = watch.reporting(findings.report_data)
    sys.argv = ["solon", *arguments]
    try:
        cli.main()
    finally:
        watch.mark("end")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
