"""What a run cost: decisions by how they came about, calls, tokens, time, and what went wrong."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

_DECISIONS = """SELECT count(*), total(1 - cached), total(cached), total(attempts > 1), total(fallback IS NOT NULL)
    FROM decisions WHERE ? IS NULL OR purpose = ?"""
_CALLS = """SELECT count(*), total(tokens_in), total(tokens_out), total(seconds), total(void), avg(missing),
    max(missing) FROM calls WHERE ? IS NULL OR purpose = ?"""
_CAUSES = """SELECT CASE instr(problem, ':') WHEN 0 THEN problem ELSE substr(problem, 1, instr(problem, ':') - 1) END,
    count(*) FROM calls WHERE problem IS NOT NULL AND (? IS NULL OR purpose = ?) GROUP BY 1 ORDER BY 2 DESC, 1"""
_FAULTS = """SELECT f.cause, sum(f.tries) FROM faults f JOIN calls c ON c.id = f.call
    WHERE ? IS NULL OR c.purpose = ? GROUP BY 1 ORDER BY 2 DESC, 1"""
_TOKENS = """SELECT m.model, sum(c.tokens_in), sum(c.tokens_out) FROM calls c JOIN models m ON m.id = c.model
    WHERE ? IS NULL OR c.purpose = ? GROUP BY 1 ORDER BY 1"""
_SINGLE = """SELECT count(*), total(json_extract(f.text, '$[2]') = 'sample')
    FROM decisions d JOIN calls c ON c.id = d.call
    JOIN models m ON m.id = c.model JOIN texts f ON f.id = c.form WHERE m.model = ?"""
_WRITTEN = """SELECT count(*), total(silent) FROM (SELECT min(c.problem IS NOT NULL) AS silent FROM calls c
    JOIN models m ON m.id = c.model JOIN texts f ON f.id = c.form
    WHERE m.model = ? AND c.void = 0 AND json_extract(f.text, '$[2]') = 'words'
    GROUP BY c.purpose, c.seed, c.episode, c.step, c.agent, c.form)"""
_FALLBACKS = """SELECT fallback, count(*) FROM decisions WHERE fallback IS NOT NULL AND (? IS NULL OR purpose = ?)
    GROUP BY 1 ORDER BY 1"""


@dataclass(frozen=True)
class Ledger:
    """The account of a run, or of one purpose in it. A decision counts once, however often the run was resumed."""

    decisions: int  # = real + cached
    real: int  # decisions for which the model was asked
    cached: int  # decisions answered by a call made for another decision (the same words)
    retried: int  # decisions that took more than one call
    failed: int  # decisions that ended in a fallback
    calls: int  # answered calls, retries and failures included
    lost: int  # calls sent whose answer was never kept: in flight now, or when a run was killed
    voided: int  # failed calls of a run that stopped because of them; asked again on resuming
    tokens_in: int
    tokens_out: int
    seconds: float  # of model time, summed over calls (calls in flight together count each)
    missing_mean: float | None  # mean probability that the told distributions leave out
    missing_most: float | None
    problems: Mapping[str, int]  # cause -> calls whose reply could not be used
    faults: Mapping[str, int]  # cause -> tries of calls that were sent again
    fallbacks: Mapping[str, int]  # name -> decisions
    tokens: Mapping[str, tuple[int, int]]  # model -> tokens in and out


@dataclass(frozen=True)
class HowAsked:
    """How everything was asked of one model."""

    decisions: int
    single: int  # of them, those that were asked for as a single action in the end
    written: int  # notes, thoughts and messages that were asked for
    silent: int  # of them, those that could not be had


def how_asked(connection: sqlite3.Connection, model: str) -> HowAsked:
    """From the journal, so that it is the same however often a run was resumed."""
    found = [connection.execute(query, (model,)).fetchone() for query in (_SINGLE, _WRITTEN)]
    return HowAsked(*(int(number) for row in found for number in row))


def summarise(connection: sqlite3.Connection, purpose: str | None = None) -> Ledger:
    """The ledger of everything in a journal, or of one purpose."""
    which = None
    if purpose is not None:
        row = connection.execute("SELECT id FROM purposes WHERE name = ?", (purpose,)).fetchone()
        which = -1 if row is None else row[0]
    both = (which, which)
    decided = [int(n) for n in connection.execute(_DECISIONS, both).fetchone()]
    calls, tokens_in, tokens_out, seconds, voided, mean, most = connection.execute(_CALLS, both).fetchone()
    lost = connection.execute("SELECT total(calls) FROM in_flight").fetchone()[0]
    return Ledger(
        *decided,
        calls=calls,
        lost=int(lost),
        voided=int(voided),
        tokens_in=int(tokens_in),
        tokens_out=int(tokens_out),
        seconds=seconds,
        missing_mean=mean,
        missing_most=most,
        problems=dict(connection.execute(_CAUSES, both).fetchall()),
        faults=dict(connection.execute(_FAULTS, both).fetchall()),
        fallbacks=dict(connection.execute(_FALLBACKS, both).fetchall()),
        tokens={model: (read, said) for model, read, said in connection.execute(_TOKENS, both)},
    )
