"""Reading a journal that another process may be writing: its ledger, its models, and decisions to look at."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.llm.engine import Reply, Way
from agents.llm.journal import unpack
from agents.llm.ledger import Ledger, summarise
from agents.llm.storage import journal_path, open_to_read

_DECISIONS = """SELECT p.name, d.seed, d.episode, d.step, d.agent, d.cached, d.attempts, d.action, d.fallback,
    m.model, s.text, c.user, f.text, c.reply, c.choice, c.problem, c.error
    FROM decisions d JOIN calls c ON c.id = d.call JOIN purposes p ON p.id = d.purpose JOIN models m ON m.id = c.model
    JOIN texts s ON s.id = c.system JOIN texts f ON f.id = c.form
    WHERE ? IS NULL OR p.name = ? ORDER BY d.purpose, d.seed, d.episode, d.step, d.agent LIMIT ?"""
_REPLY = """SELECT reply, log_probs, tokens_in, tokens_out, seconds, error FROM calls
    WHERE key = ? AND void = 0 ORDER BY error IS NOT NULL, attempt LIMIT 1"""


@dataclass(frozen=True)
class Look:
    """One decision to look at, with the words that led to it. All of it is untrusted text: escape it."""

    purpose: str
    seed: int
    episode: int
    step: int
    agent: int
    cached: bool
    attempts: int
    action: int  # index into the society's choices
    fallback: str | None
    model: str
    system: str
    user: str
    choices: tuple[str, ...]  # those offered
    reply: str
    choice: int | None  # what the reply's words name, an index into `choices`
    problem: str | None
    error: str | None


class JournalReader:
    """An existing journal, or that of a run folder. JournalError if it is missing, damaged or something else."""

    def __init__(self, run_or_file: str | Path) -> None:
        self.path = journal_path(run_or_file)
        self._db = open_to_read(self.path)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def ledger(self, purpose: str | None = None) -> Ledger:
        """The account so far, of everything or of one purpose."""
        return summarise(self._db, purpose)

    def purposes(self) -> list[str]:
        """What the decisions were for, in the order of their first call."""
        return [row[0] for row in self._db.execute("SELECT name FROM purposes ORDER BY id")]

    def models(self) -> list[tuple[str, str]]:
        """(model, parameters as canonical JSON) of every model that answered, in order of appearance."""
        return self._db.execute("SELECT model, parameters FROM models ORDER BY id").fetchall()

    def ways(self, model: str, parameters: str) -> frozenset[Way]:
        """How a model was asked; with these parameters, as canonical JSON."""
        forms = self._db.execute(
            """SELECT text FROM texts WHERE id IN (SELECT DISTINCT c.form FROM calls c JOIN models m ON m.id = c.model
            WHERE m.model = ? AND m.parameters = ?)""",
            (model, parameters),
        )
        return frozenset(json.loads(text)[2] for (text,) in forms)

    def decisions(self, limit: int, purpose: str | None = None) -> list[Look]:
        """The first `limit` decisions in order of purpose, seed, episode, step, agent."""
        rows = self._db.execute(_DECISIONS, (purpose, purpose, limit))
        return [_look(row) for row in rows]

    def reply(self, key: bytes) -> Reply | None:
        """The answer to a call; where no attempt had one, its error; None if it was never made."""
        row = self._db.execute(_REPLY, (key,)).fetchone()
        return None if row is None else Reply(row[0], unpack(row[1]), *row[2:])


def _look(row: tuple[Any, ...]) -> Look:
    purpose, seed, episode, step, agent, cached, attempts, action, fallback, model, system, user, form, *reply = row
    _, choices, _ = json.loads(form)
    decided = (purpose, seed, episode, step, agent, bool(cached), attempts, action, fallback, model, system, user)
    return Look(*decided, tuple(choices), *reply)
