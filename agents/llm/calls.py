"""The calls in a journal as rows, chosen by what they were for; whole, in the order in which they were kept."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.llm.journal import unpack
from agents.llm.storage import journal_path, open_to_read

_ROWS = """SELECT c.id, hex(c.key) AS key, c.attempt, m.model, m.parameters, p.name AS purpose, c.seed, c.episode,
    c.step, c.agent, c.draw, f.text AS form, s.text AS system, c.user, c.said, c.complaint, c.reply, c.log_probs,
    c.choice, c.problem, c.error, c.missing, c.tokens_in, c.tokens_out, c.seconds, c.created, c.void,
    (SELECT json_group_object(cause, tries) FROM faults WHERE call = c.id) AS faults
    FROM calls c JOIN models m ON m.id = c.model JOIN purposes p ON p.id = c.purpose
    JOIN texts s ON s.id = c.system JOIN texts f ON f.id = c.form"""


@dataclass(frozen=True)
class Which:
    """What calls are wanted; None = whatever it is."""

    purpose: str | None = None
    episode: int | None = None
    step: int | None = None
    agent: int | None = None
    unusable: bool = False  # those only whose reply could not be used

    def clause(self) -> tuple[str, list[str | int]]:
        """SQL and its values."""
        columns = {"p.name": self.purpose, "c.episode": self.episode, "c.step": self.step, "c.agent": self.agent}
        wanted = {column: value for column, value in columns.items() if value is not None}
        parts = [f"{column} = ?" for column in wanted] + ["c.problem IS NOT NULL"] * self.unusable
        return (f" WHERE {' AND '.join(parts)}" if parts else ""), list(wanted.values())


def calls(run_or_file: str | Path, which: Which = Which()) -> Iterator[dict[str, Any]]:
    """One row a call, read as it is asked for. JournalError: the journal is missing or damaged."""
    clause, values = which.clause()
    db = open_to_read(journal_path(run_or_file))
    try:
        db.row_factory = sqlite3.Row
        for row in db.execute(f"{_ROWS}{clause} ORDER BY c.id", values):
            yield _row(dict(row))
    finally:
        db.close()


def _row(found: dict[str, Any]) -> dict[str, Any]:
    """With what the file packs unpacked: log-probabilities as a list, -inf as None, and the form by its parts."""
    answer_key, choices, way = json.loads(found.pop("form"))
    told = unpack(found["log_probs"])
    return {
        **found,
        "key": found["key"].lower(),
        "answer_key": answer_key,
        "choices": choices,
        "way": way,
        "log_probs": None if told is None else [None if x == float("-inf") else x for x in told],
        "void": bool(found["void"]),
    }
