"""A run killed at any moment goes on where it was: nothing kept is asked again, and the result is the same."""

import multiprocessing
import random
import sqlite3
import time
from dataclasses import asdict
from multiprocessing.context import ForkProcess
from pathlib import Path

import pytest

from agents.llm.reader import JournalReader
from tests.agents.llm import kill_me

KILLS = 20


def start(folder: Path) -> ForkProcess:
    """A fork, because loading the libraries anew would take most of the test's time."""
    process = multiprocessing.get_context("fork").Process(target=kill_me.main, args=(folder,))
    process.start()
    return process


def kept(folder: Path) -> set[str]:
    """The words of all kept answers, hashed as the engine's own log hashes them."""
    if not (folder / "journal.sqlite").exists():
        return set()
    with sqlite3.connect(folder / "journal.sqlite") as db:
        has_tables = db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'calls'").fetchone()[0]
        rows = db.execute(
            "SELECT t.text, c.user, c.complaint FROM calls c JOIN texts t ON t.id = c.system WHERE error IS NULL"
        )
        return {kill_me.digest(f"{s}|{u}|{c}").hex() for s, u, c in rows} if has_tables else set()


def asked(folder: Path) -> list[str]:
    log = folder / "asked.txt"
    return log.read_text().split() if log.exists() else []


def account(folder: Path) -> dict[str, object]:
    reader = JournalReader(folder / "journal.sqlite")
    ledger = asdict(reader.ledger())
    reader.close()
    return ledger


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    kill_me.main(folder)
    return folder


def test_killed_at_random_points_it_ends_the_same(tmp_path: Path, undisturbed: Path) -> None:
    whole = len(asked(undisturbed))
    moments = random.Random(3)
    for _ in range(KILLS):
        committed, before = kept(tmp_path), asked(tmp_path)
        process = start(tmp_path)
        target = len(before) + moments.randint(1, whole // KILLS)  # kill once this many further calls have begun
        while process.is_alive() and len(asked(tmp_path)) < target:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.008))  # before, in or after the commit
        process.kill()
        process.join()
        assert not committed & set(asked(tmp_path)[len(before) :])
    committed, before = kept(tmp_path), asked(tmp_path)
    assert not (tmp_path / "result.txt").exists()
    last = start(tmp_path)
    last.join()
    assert last.exitcode == 0
    assert not committed & set(asked(tmp_path)[len(before) :])
    assert (tmp_path / "result.txt").read_text() == (undisturbed / "result.txt").read_text()
    check_accounts(account(tmp_path), account(undisturbed), asked(tmp_path))


def check_accounts(killed: dict[str, object], whole: dict[str, object], calls: list[str]) -> None:
    """The same account, but for the calls that were in flight at a kill: they are counted as lost."""
    lost = killed.pop("lost")
    assert whole.pop("lost") == 0
    assert killed == whole
    assert isinstance(lost, int)
    assert lost >= len(calls) - int(str(killed["calls"]))  # sent is noted before the engine is asked
    assert killed["fallbacks"]
    assert killed["retried"]
