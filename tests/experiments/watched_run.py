"""`solon`, watched: what the kill test starts, kills and starts again.

    python watched_run.py RUNS_FOLDER MARKS_FILE run CONFIG [KEY=VALUE ...]

Run folders are made in RUNS_FOLDER. MARKS_FILE gets a line "TIME NAME" at every turn of the run: as a stage begins and
ends, and before every batch of questions, named by the key of its first. RUNS_FOLDER/asked gets the keys of all
questions that reach the model, RUNS_FOLDER/asked_again those whose answer the journal had committed by then.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.embedded.engine import EmbeddedEngine
from agents.llm.engine import Reply, Request, parameters_of
from agents.llm.prompts import CallKeys
from experiments import cli, findings, runs
from experiments.live import Live
from experiments.stages import Stages


def append(file: Path, text: str) -> None:
    """One write to the end of a file, so that a kill leaves all of it or none."""
    out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(out, text.encode())
    os.close(out)


def committed(runs_folder: Path, keys: Sequence[bytes]) -> list[bytes]:
    """Those of the keys whose answer is in a journal of that folder."""
    found: list[bytes] = []
    for journal in runs_folder.glob("*/journal.sqlite"):
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
            marks = ",".join("?" * len(keys))
            rows = db.execute(f"SELECT key FROM calls WHERE void = 0 AND error IS NULL AND key IN ({marks})", keys)
            found += [row[0] for row in rows]
    return found


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
            keys = [of(request) for request in requests]
            for name, some in (("asked_again", committed(self.runs, keys)), ("asked", keys)):
                append(self.runs / name, "".join(f"{key.hex()}\n" for key in some))
            self.mark(f"batch {keys[0].hex()}")
            return complete(engine, requests)

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
    watch = Watch(runs_folder, marks)
    runs.RUNS = runs_folder
    EmbeddedEngine.complete = watch.asking(EmbeddedEngine.complete)
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
