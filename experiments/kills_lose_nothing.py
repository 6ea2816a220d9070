"""Claim: a run that is killed at a hundred random points, and started again each time, ends as if nothing had happened.

The same learning and evaluation, of over 5,000 decisions, once undisturbed and once killed with SIGKILL at 100 moments
drawn over the time the undisturbed run took: with the embedded model, which answers batches, and with a server that
answers call by call. What reached the model is counted where it arrives: by the server itself, and in front of the
embedded model.
"""

import hashlib
import json
import random
import sqlite3
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from agents.llm.calls import calls
from agents.llm.reader import JournalReader
from experiments.benchmarks.killed_run import PHASES, Town, moments, order_of
from experiments.benchmarks.moody_server import NAME, digest
from experiments.benchmarks.started import started
from experiments.claims import Json, Outcome
from experiments.errors import ROOT

IN_FLIGHT, LATENCY = 64, 0.05  # calls; seconds a call
CHUNK = 256  # decisions of a batch of the embedded model
DECISIONS = 5_000  # at least
SIZE = (
    *("first_episodes=6", "mixed_episodes=1", "check_episodes=1", "base_worlds=10", "tracker_worlds=20"),
    *("base_search.generations=2", "fit.steps=40", "fit.tracker_steps=20", "fit.accounting_steps=40"),
    *("improve.iterations=5", "improve.worlds=20", "model.members=2"),
)
SMALL = (
    *("first_episodes=1", "mixed_episodes=0", "check_episodes=1", "base_worlds=2", "tracker_worlds=2"),
    *("base_search.generations=1", "fit.steps=2", "fit.tracker_steps=2", "fit.accounting_steps=2"),
    *("improve.iterations=1", "improve.worlds=2", "model.members=2"),
)


@dataclass(frozen=True)
class Witness:
    """Knows every question that reached the model, in order, and how a kept call is named there."""

    asked: Callable[[], list[str]]
    name_of: Callable[[Mapping[str, object]], str]
    limit: int  # calls that may be under way at a time


@dataclass(frozen=True)
class Kill:
    """What there was right after one."""

    phase: str
    hit: bool  # did it come before the end of the run?
    asked: int  # questions that had reached the model
    kept: frozenset[str]  # those whose answer was committed
    lost: int  # calls that the journal counts as lost, so far


@dataclass(frozen=True)
class Found:
    """One engine, undisturbed and killed."""

    decisions: int
    calls: int
    kills: list[Kill]
    asked_again: int  # questions that reached the model more than once
    kept_asked_again: int  # of them, those whose answer had been committed
    kept_lost: int  # committed answers that were no longer there at the end
    lost: int  # calls that the journal counts as lost, after all kills
    most_lost: int  # of one kill
    limit: int
    whole: bool  # does SQLite find the journal sound, with the same calls as that of the undisturbed run?
    same: bool  # the same table, episodes and learned numbers, bit for bit?

    @property
    def good(self) -> bool:
        """Was nothing lost, nothing asked again that was kept, and is the end the same?"""
        right = self.whole and self.same and all(kill.hit for kill in self.kills)
        counted = self.asked_again <= self.lost and self.most_lost <= self.limit
        return right and counted and self.kept_asked_again == self.kept_lost == 0

    def plain(self) -> dict[str, Json]:
        """For JSON."""
        phases = Counter(kill.phase for kill in self.kills)
        return {
            **{name: getattr(self, name) for name in ("decisions", "calls", "asked_again", "kept_asked_again")},
            **{name: getattr(self, name) for name in ("kept_lost", "lost", "most_lost", "limit", "whole", "same")},
            "kills": sum(kill.hit for kill in self.kills),
            "kills_by_phase": {phase: phases[phase] for phase in PHASES},
        }


def claim(smoke: bool) -> Outcome:
    """Both engines."""
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: play(Path(folder) / name, 3 if smoke else 100, smoke)
            for name, play in (("batches", embedded), ("call by call", served))
        }
    both = list(found.values())
    kills, again = sum(kill.hit for own in both for kill in own.kills), sum(own.asked_again for own in both)
    return Outcome(
        claim="a run killed at random points and started again ends as if nothing had happened",
        passed=all(own.good and (smoke or own.decisions >= DECISIONS) for own in both),
        figure=f"{kills} kills of runs of {min(own.decisions for own in both):,} decisions: "
        f"{sum(own.kept_asked_again for own in both)} kept calls asked again, "
        f"{sum(own.kept_lost for own in both)} lost, {again:,} in flight asked again and counted; "
        f"the same end: {all(own.same for own in both)}",
        bar=f"{2 * len(both[0].kills)} kills, 0, 0, all counted, the same",
        figures={name: own.plain() for name, own in found.items()},
        seeds=(0,),
        smoke=smoke,
    )


def embedded(folder: Path, kills: int, small: bool, fresh: bool = True) -> Found:
    """The model in this process, which answers batches."""

    def witness(town: Town) -> Witness:
        return Witness(lambda: _lines(town.folder / "asked"), lambda row: str(row["key"]), CHUNK)

    straight, killed = _towns(folder, small, fresh, "population.model=embedded")
    return _found(straight, killed, witness(straight), witness(killed), kills)


def served(folder: Path, kills: int, small: bool, fresh: bool = True) -> Found:
    """A model behind a server: one for the undisturbed run and one for the killed."""
    with started("moody_server", *_latency()) as one, started("moody_server", *_latency()) as other:
        straight, _ = _towns(folder, small, fresh, *_at(one))
        _, killed = _towns(folder, small, fresh, *_at(other))
        return _found(straight, killed, _server(one), _server(other), kills)


def _latency() -> tuple[str, str]:
    return "--latency", str(LATENCY)


def _at(url: str) -> tuple[str, ...]:
    model = (f"population.model=vllm:{NAME}", f"population.base_url={url}")
    return (*model, f"population.settings.max_in_flight={IN_FLIGHT}")


def _server(url: str) -> Witness:
    def asked() -> list[str]:
        with urllib.request.urlopen(f"{url}/asked") as answer:
            return json.load(answer)

    return Witness(asked, lambda row: digest(str(row["system"]), str(row["user"]), None), IN_FLIGHT)


def _towns(folder: Path, small: bool, fresh: bool, *words: str) -> tuple[Town, Town]:
    """For the undisturbed run and for the killed one."""
    size = [f"method.settings.{setting}" for setting in (SMALL if small else SIZE)]
    rest = ("baselines=[us_federal]", f"evaluation.communities={2 if small else 3}")
    command = ("run", str(ROOT / "experiments/configs/demo.yaml"), "--json", *rest, *size, *words)
    for name in ("undisturbed", "killed"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Town(folder / "undisturbed", command, fresh), Town(folder / "killed", command, fresh)


def _found(straight: Town, town: Town, before: Witness, witness: Witness, kills: int) -> Found:
    marks = straight.finish("whole").marked()
    points = moments(marks, kills, random.Random(0))
    done = [
        _killed(town, witness, str(i), point.phase, town.killed_at(point, str(i), order_of(marks)))
        for i, point in enumerate(points)
    ]
    town.finish("last")
    asked, kept = witness.asked(), _kept(town, witness)
    ledger = _reader(town).ledger()
    lost = [kill.lost for kill in done]
    return Found(
        decisions=ledger.decisions,
        calls=ledger.calls,
        kills=done,
        asked_again=len(asked) - len(set(asked)),
        kept_asked_again=sum(len(kill.kept & set(asked[kill.asked :])) for kill in done),
        kept_lost=sum(len(kill.kept - kept) for kill in done),
        lost=ledger.lost,
        most_lost=max(b - a for a, b in pairwise([0, *lost])),
        limit=witness.limit,
        whole=_sound(town) and kept == _kept(straight, before) == set(asked),
        same=straight.table("whole") == town.table("last") and numbers(straight) == numbers(town),
    )


def _killed(town: Town, witness: Witness, name: str, phase: str, hit: bool) -> Kill:
    there = _journal(town) is not None
    lost = _reader(town).ledger().lost if there else 0
    return Kill(phase, hit, len(witness.asked()), frozenset(_kept(town, witness)), lost)


def _kept(town: Town, witness: Witness) -> set[str]:
    """The calls whose answers are committed, by their names."""
    journal = _journal(town)
    return set() if journal is None else {witness.name_of(row) for row in calls(journal)}


def _reader(town: Town) -> JournalReader:
    (journal,) = town.folder.glob("*/journal.sqlite")
    return JournalReader(journal)


def _journal(town: Town) -> Path | None:
    """Once it has its tables."""
    for journal in town.folder.glob("*/journal.sqlite"):
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
            if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                return journal
    return None


def _sound(town: Town) -> bool:
    journal = _journal(town)
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        return db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def numbers(town: Town) -> dict[str, str]:
    """The hash of every file of numbers: episodes and what is sealed of them, world models, policies, people."""
    kinds = ("safetensors", "parquet", "jsonl")
    files = sorted(f for kind in kinds for f in town.folder.glob(f"*/**/*.{kind}") if f.name != "metrics.jsonl")
    return {str(f.relative_to(town.folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []
