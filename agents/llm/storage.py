"""The journal's file: its tables, how it is opened safely, and the lock that keeps a second writer out."""

import fcntl
import os
import sqlite3
from pathlib import Path

FILE_NAME = "journal.sqlite"  # in a run folder
_APPLICATION = 0x536F6C6E  # "Soln", SQLite's application_id
_VERSION = 2

_TABLES = """
CREATE TABLE texts(id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, text TEXT NOT NULL);  -- those that repeat
CREATE TABLE models(id INTEGER PRIMARY KEY, model TEXT NOT NULL, parameters TEXT NOT NULL, UNIQUE(model, parameters));
CREATE TABLE purposes(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE calls(
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,          -- SHA-256: see prompts.CallKeys
    attempt INTEGER NOT NULL,   -- 0 = first; an attempt without any answer is repeated under the same key
    model INTEGER NOT NULL REFERENCES models,
    system INTEGER NOT NULL REFERENCES texts,
    user TEXT NOT NULL,
    said TEXT, complaint TEXT,  -- the earlier reply and what was wrong with it, on a retry
    form INTEGER NOT NULL REFERENCES texts,  -- JSON [key, choices, way]
    draw INTEGER NOT NULL,
    reply TEXT NOT NULL,
    log_probs BLOB,             -- 'f' or 'd', then numbers of that type: see journal.pack
    error TEXT,                 -- why there was no answer
    choice INTEGER,             -- what the words name, an index into the choices
    problem TEXT,               -- why the reply could not be used, "cause: detail"
    missing REAL,               -- probability that the told distribution leaves out
    tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, seconds REAL NOT NULL,
    purpose INTEGER NOT NULL REFERENCES purposes,  -- for which decision it was asked
    seed INTEGER NOT NULL, episode INTEGER NOT NULL, step INTEGER NOT NULL, agent INTEGER NOT NULL,
    created REAL NOT NULL,      -- seconds since 1970
    void INTEGER NOT NULL DEFAULT 0  -- 1 = a failed call of a run that stopped; counted, but asked again
);
CREATE UNIQUE INDEX call_by_key ON calls(key, attempt) WHERE void = 0;
CREATE TABLE decisions(
    purpose INTEGER NOT NULL REFERENCES purposes,
    seed INTEGER NOT NULL, episode INTEGER NOT NULL, step INTEGER NOT NULL, agent INTEGER NOT NULL,
    call INTEGER NOT NULL REFERENCES calls,  -- the last call about it
    cached INTEGER NOT NULL,    -- 1 = the first call about it had been made for another decision
    attempts INTEGER NOT NULL,
    action INTEGER NOT NULL,    -- index into the society's choices
    fallback TEXT, reason TEXT,
    PRIMARY KEY(purpose, seed, episode, step, agent, call)
) WITHOUT ROWID;
CREATE TABLE in_flight(id INTEGER PRIMARY KEY, calls INTEGER NOT NULL, created REAL NOT NULL);  -- unanswered
"""

_FAULTS = """TABLE faults(  -- tries of a call that failed before it was answered, or given up
    call INTEGER NOT NULL REFERENCES calls, cause TEXT NOT NULL, tries INTEGER NOT NULL, PRIMARY KEY(call, cause)
) WITHOUT ROWID;"""
_STAMP = f"PRAGMA application_id={_APPLICATION}; PRAGMA user_version={_VERSION};"


class JournalError(ValueError):
    """The journal cannot be used: damaged, not a journal, or in use. The message says what to do."""


class Lock:
    """One writer at a time; the system lets go of it when the process ends, however it ends."""

    def __init__(self, journal: Path, at_work: Path | None = None) -> None:
        """`at_work`: what is locked, as the user knows it; else it is the journal."""
        self._file = os.open(f"{journal}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            raise JournalError(
                f"{at_work or journal} is being written by another run (process {holder or 'unknown'}); "
                "wait until it ends, stop it, or give this run another name"
            ) from None
        os.truncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Lets the next writer in."""
        os.close(self._file)


def open_to_write(path: Path) -> sqlite3.Connection:
    """The journal at `path`, made if it is not there."""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise _unusable(path, error) from None
    try:
        if _is_empty(connection):
            connection.executescript(f"BEGIN; {_TABLES} CREATE {_FAULTS} {_STAMP} COMMIT;")
        if _check(connection) == 1:
            connection.executescript(f"BEGIN; CREATE {_FAULTS} {_STAMP} COMMIT;")
        connection.execute("PRAGMA journal_mode=WAL")
    except (sqlite3.DatabaseError, JournalError) as error:
        connection.close()
        raise _unusable(path, error) from None
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """The journal at `path`, which may be written by another process meanwhile."""
    if not path.is_file():
        raise JournalError(f"there is no journal at {path}: name a run folder that holds {FILE_NAME}, or such a file")
    fixed = "&immutable=1" if _is_still(path) else ""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{fixed}", uri=True, isolation_level=None)
    try:
        if _check(connection) == 1:
            connection.executescript(f"CREATE TEMP {_FAULTS}".replace("REFERENCES calls", ""))  # it has counted none
    except (sqlite3.DatabaseError, JournalError) as error:
        connection.close()
        raise _unusable(path, error) from None
    return connection


def _is_still(path: Path) -> bool:
    """Is it in a folder where SQLite cannot put its index beside it, and does it need none? A process that is at work,
    or was killed, leaves its last rows in a file beside the journal.
    """
    last = Path(f"{path}-wal")
    return not os.access(path.parent, os.W_OK) and not (last.exists() and last.stat().st_size > 0)


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0


def _check(connection: sqlite3.Connection) -> int:
    """The format of the file: 1, which counts no failed tries, or 2."""
    found: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != _APPLICATION:
        raise JournalError("it is another program's database")
    if version not in (1, _VERSION):
        raise JournalError(f"it was written by another version of Solon (format {version}; this one reads {_VERSION})")
    damage: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != "ok":
        raise JournalError(f"it is damaged: {damage}")
    return version


def _unusable(path: Path, error: Exception) -> JournalError:
    return JournalError(
        f"{path} cannot be used as a journal: {error}. Nothing was changed. "
        "Move it away to start with an empty journal, or restore it from a copy"
    )


def journal_path(run_or_file: str | Path) -> Path:
    """The journal of a run folder, or the file itself."""
    path = Path(run_or_file)
    return path / FILE_NAME if path.is_dir() else path
