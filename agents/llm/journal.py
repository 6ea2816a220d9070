"""The journal: every call to a model, durable before its answer is used.

It is the cache (no call with a kept answer is made again), the cost ledger, the resume point and the tape that a
recorded run is replayed from. One process writes it at a time.
"""

import sqlite3
import time
from array import array
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from agents.base import Question
from agents.llm.budget import Spent, Used
from agents.llm.engine import Reply, Request, Way
from agents.llm.ledger import HowAsked, Ledger, how_asked, summarise
from agents.llm.prompts import NO_ANSWER, CallKeys, canonical, prompt_bytes
from agents.llm.replies import Verdict
from agents.llm.storage import JournalError, Lock, open_to_write

_FIND = """SELECT c.key, c.id, c.reply, c.log_probs, c.tokens_in, c.tokens_out, c.seconds, c.error, c.choice,
    c.problem, c.missing, p.name, c.seed, c.episode, c.step, c.agent
    FROM calls c JOIN purposes p ON p.id = c.purpose WHERE c.void = 0 AND c.attempt = ? AND c.key IN """

_BYTES = f"""length(CAST(s.text AS BLOB)) + length(CAST(c.user AS BLOB)) + CASE WHEN c.complaint IS NULL THEN 0 ELSE
    length(CAST(coalesce(nullif(c.said, ''), '{NO_ANSWER}') AS BLOB)) + length(CAST(c.complaint AS BLOB)) END"""
_SPENT = f"""SELECT m.model, count(*), sum(tokens_in), sum(tokens_out), max(tokens_in), max(tokens_out),
    max(tokens_in + tokens_out), max(1.0 * tokens_in / max(1, {_BYTES}))
    FROM calls c JOIN models m ON m.id = c.model JOIN texts s ON s.id = c.system GROUP BY m.model"""


class Tag(NamedTuple):
    """Which decision a call is for. `purpose` is free: a method, a split, a seed."""

    purpose: str
    seed: int
    episode: int
    step: int
    agent: int


@dataclass(frozen=True)
class Call:
    """One call to a model."""

    key: bytes
    attempt: int
    request: Request
    tag: Tag


@dataclass(frozen=True)
class Entry:
    """One kept call: what was answered, what can be used of it, and for which decision it was made."""

    id: int
    reply: Reply
    verdict: Verdict
    tag: Tag


@dataclass(frozen=True)
class Decided:
    """How one decision came about."""

    tag: Tag
    call: int  # the last call about it
    cached: bool  # every call about it had been made for another decision
    attempts: int
    action: int
    fallback: str | None = None
    reason: str | None = None


class Journal:
    """The open journal of a run; a context manager. JournalError: in use, damaged, or no journal at all."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.path)
        try:
            self._db = open_to_write(self.path)
        except BaseException:
            self._lock.release()
            raise
        self.last_call, self.spent = self._totals()
        self._ids: dict[tuple[str, ...], int] = {}  # of models, texts and purposes that are in the file
        self._forms: dict[tuple[str, tuple[str, ...], Way], int] = {}

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file and lets the next writer in."""
        self._db.close()
        self._lock.release()

    def find(self, keys: Iterable[bytes], attempt: int) -> dict[bytes, Entry]:
        """The kept calls among `keys`."""
        wanted = list(dict.fromkeys(keys))
        rows = self._db.execute(f"{_FIND}({','.join('?' * len(wanted))})", (attempt, *wanted))
        return {row[0]: _entry(row) for row in rows}

    def sending(self, calls: int) -> int:
        """Notes that calls are about to be made, so that they are counted if they get lost. Returns the note's id."""
        with self._commit():
            done = self._db.execute("INSERT INTO in_flight(calls, created) VALUES (?, ?)", (calls, time.time()))
        return done.lastrowid or 0

    def still_sending(self, note: int, calls: int) -> None:
        """From now on the note stands for that many calls."""
        with self._commit():
            self._db.execute("UPDATE in_flight SET calls = ? WHERE id = ?", (calls, note))

    def keep(
        self,
        note: int,
        model: CallKeys,
        calls: Sequence[Call],
        answers: Sequence[tuple[Reply, Verdict]],
        in_flight: int = 0,
    ) -> list[Entry]:
        """Commits these answers together. When this returns they are on the disk.

        in_flight: as many of the note's calls are still to come.
        """
        first = self.last_call + 1
        pairs = list(zip(calls, answers, strict=True))
        with self._commit(durable=True):
            which, now = self._model(model), time.time()
            rows = [self._row(first + i, which, call, *answer, now) for i, (call, answer) in enumerate(pairs)]
            self._db.executemany(f"INSERT INTO calls VALUES ({','.join('?' * 25)}, 0)", rows)
            faults = [(first + i, *fault) for i, (_, (reply, _)) in enumerate(pairs) for fault in _by_cause(reply)]
            self._db.executemany("INSERT INTO faults VALUES (?, ?, ?)", faults)
            self._db.execute("UPDATE in_flight SET calls = ? WHERE id = ?", (in_flight, note))
            self._db.execute("DELETE FROM in_flight WHERE calls = 0")
        self.last_call += len(rows)
        self._count(model.model, calls, [reply for reply, _ in answers])
        return [Entry(first + i, *answer, call.tag) for i, (call, answer) in enumerate(pairs)]

    def decided(self, decisions: Sequence[Decided]) -> None:
        """Keeps how decisions came about. A decision that is there already is left as it is."""
        with self._commit():
            rows = [
                (self._purpose(d.tag.purpose), *d.tag[1:], d.call, d.cached, d.attempts, d.action, d.fallback, d.reason)
                for d in decisions
            ]
            self._db.executemany(f"INSERT OR IGNORE INTO decisions VALUES ({','.join('?' * 11)})", rows)

    def void(self, calls: Iterable[int]) -> None:
        """Failed calls of a run that stops because of them: they stay in the account, and are made again."""
        with self._commit():
            self._db.executemany("UPDATE calls SET void = 1 WHERE id = ?", [(call,) for call in calls])

    def ledger(self, purpose: str | None = None) -> Ledger:
        """The account so far, of everything or of one purpose."""
        return summarise(self._db, purpose)

    def how_asked(self, model: str) -> HowAsked:
        """How everything was asked of a model, and answered, so far."""
        return how_asked(self._db, model)

    def _row(self, id_: int, model: int, call: Call, reply: Reply, verdict: Verdict, now: float) -> tuple[Any, ...]:
        r, q = call.request, call.request.question
        return (
            *(id_, call.key, call.attempt, model, self._text(q.system), q.user, r.said, r.complaint),
            *(self._form(q, r.way), r.draw, reply.text, pack(reply.log_probs), reply.error),
            *(verdict.choice, verdict.problem, verdict.missing, reply.tokens_in, reply.tokens_out, reply.seconds),
            *(self._purpose(call.tag.purpose), *call.tag[1:], now),
        )

    def _form(self, question: Question, way: Way) -> int:
        """The id of JSON [key, choices, way]."""
        known = self._forms.get((question.key, question.choices, way))
        if known is None:
            known = self._text(canonical([question.key, question.choices, way]))
            self._forms[question.key, question.choices, way] = known
        return known

    def _model(self, model: CallKeys) -> int:
        return self._id("models", "model, parameters", model.model, model.parameters_json)

    def _purpose(self, name: str) -> int:
        return self._id("purposes", "name", name)

    def _text(self, text: str) -> int:
        return self._ids.get(("texts", text)) or self._new_text(text)

    def _new_text(self, text: str) -> int:
        digest = sha256(text.encode()).digest()
        self._db.execute("INSERT OR IGNORE INTO texts(sha256, text) VALUES (?, ?)", (digest, text))
        row = self._db.execute("SELECT id FROM texts WHERE sha256 = ?", (digest,)).fetchone()
        return self._ids.setdefault(("texts", text), row[0])

    def _id(self, table: str, columns: str, *values: str) -> int:
        """The id of a row of a table of names, written now if it is new."""
        known = self._ids.get((table, *values))
        if known is None:
            marks = ",".join("?" * len(values))
            self._db.execute(f"INSERT OR IGNORE INTO {table}({columns}) VALUES ({marks})", values)
            row = self._db.execute(f"SELECT id FROM {table} WHERE ({columns}) = ({marks})", values).fetchone()
            known = self._ids[(table, *values)] = row[0]
        return known

    def _totals(self) -> tuple[int, Spent]:
        last: int = self._db.execute("SELECT coalesce(max(id), 0) FROM calls").fetchone()[0]
        found = self._db.execute(_SPENT)
        return last, Spent({model: Used(*numbers) for model, *numbers in found})

    def _count(self, model: str, calls: Sequence[Call], replies: Sequence[Reply]) -> None:
        lengths = [max(1, prompt_bytes(call.request)) for call in calls]
        ins, outs = [r.tokens_in for r in replies], [r.tokens_out for r in replies]
        u = self.spent.of(model)
        used = Used(
            u.calls + len(replies),
            u.tokens_in + sum(ins),
            u.tokens_out + sum(outs),
            max(u.largest_in, *ins),
            max(u.largest_out, *outs),
            max(u.largest_call, *map(sum, zip(ins, outs, strict=True))),
            max(u.tokens_per_byte, *(used / length for used, length in zip(ins, lengths, strict=True))),
        )
        self.spent = Spent({**self.spent.by_model, model: used})

    @contextmanager
    def _commit(self, durable: bool = False) -> Generator[None]:
        """All or nothing. Whatever is committed outlives this process; what is `durable`, a power cut as well."""
        try:
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            self._forms.clear()
            self._ids.clear()  # some of them may not be in the file
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if not isinstance(error, sqlite3.OperationalError):
                raise
            raise JournalError(
                f"{self.path} cannot be written: {error}. What was committed before is safe; make room on the disk, or "
                "let it be written, and issue the same command again"
            ) from error


def pack(numbers: Sequence[float] | None) -> bytes | None:
    """Numbers without loss: four bytes each where that is exact, else eight."""
    if numbers is None:
        return None
    short = array("f", numbers)
    return b"f" + short.tobytes() if short.tolist() == list(numbers) else b"d" + array("d", numbers).tobytes()


def unpack(packed: bytes | None) -> tuple[float, ...] | None:
    """What `pack` was given."""
    return None if packed is None else tuple(array(packed[:1].decode(), packed[1:]))


def _by_cause(reply: Reply) -> list[tuple[str, int]]:
    """How many tries failed before, by cause without details."""
    return list(Counter(fault.partition(":")[0] for fault in reply.faults).items())


def _entry(row: tuple[Any, ...]) -> Entry:
    _, id_, text, packed, tokens_in, tokens_out, seconds, error, choice, problem, missing, *tag = row
    reply = Reply(text, unpack(packed), tokens_in, tokens_out, seconds, error)
    return Entry(id_, reply, Verdict(choice, problem, missing), Tag(*tag))
