"""The journal as a file: lossless, locked, and refused when it is not one."""

import math
import multiprocessing
import os
import sqlite3
import tempfile
from contextlib import closing
from multiprocessing import Queue
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.base import Question
from agents.llm.engine import Reply, Request
from agents.llm.journal import Call, Decided, Entry, Journal, Tag, pack, unpack
from agents.llm.mock import MockEngine
from agents.llm.population import LanguagePopulation
from agents.llm.prompts import CallKeys, prompt_bytes
from agents.llm.reader import JournalReader
from agents.llm.replies import Verdict
from agents.llm.storage import JournalError
from tests.agents.llm.town import K, a_round, decide, journal, one_request

TAG = Tag("swm_ap", 2**61, 5, 3, 31)
KEYS = CallKeys("embedded", {"temperature": 1.0})


def keep(journal_: Journal, request: Request, reply: Reply, attempt: int = 0, verdict: Verdict | None = None) -> Entry:
    call = Call(KEYS.of(request), attempt, request, TAG)
    read = verdict or Verdict(None, reply.error)
    return journal_.keep(journal_.sending(1), KEYS, [call], [(reply, read)])[0]


def test_what_was_kept_is_found_again_whole(tmp_path: Path) -> None:
    reply = Reply("{“ü”\u0000}", (-1.5, -math.inf, math.log(0.3)), 400, 5, 0.25)
    with journal(tmp_path) as j:
        kept = keep(j, one_request(), reply, verdict=Verdict(8, None, 0.0))
    with journal(tmp_path) as j:
        found = j.find([KEYS.of(one_request()), b"unknown"], 0)
        assert found == {KEYS.of(one_request()): kept}
        assert j.find([KEYS.of(one_request())], 1) == {}
        assert found[KEYS.of(one_request())].tag == TAG
        assert (j.spent.calls, j.spent.tokens, j.spent.of(KEYS.model).largest_call) == (1, 405, 405)


@given(st.lists(st.floats(allow_nan=False) | st.floats(allow_nan=False, width=32), max_size=30))
def test_numbers_are_kept_without_loss(numbers: list[float]) -> None:
    assert unpack(pack(numbers)) == tuple(numbers)


def test_short_numbers_take_four_bytes() -> None:
    assert pack(None) is None
    assert unpack(None) is None
    assert len(pack([0.5] * K) or b"") == 1 + 4 * K
    assert len(pack([0.1] * K) or b"") == 1 + 8 * K


def test_a_system_message_is_stored_once(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        for draw in range(20):
            keep(j, one_request(draw=draw), Reply("x"))
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        texts = [text for (text,) in db.execute("SELECT text FROM texts")]
    assert len(texts) == 2  # the system message, and the form of the answer
    assert one_request().question.system in texts


def test_a_second_kept_answer_to_one_attempt_is_impossible(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        keep(j, one_request(), Reply("x"))
        with pytest.raises(sqlite3.IntegrityError):
            keep(j, one_request(), Reply("y"))
        assert j.spent.calls == 1
        keep(j, one_request(draw=1), Reply("z"))  # and the journal is still of use
        assert j.ledger().calls == 2


def test_calls_in_flight_count_as_lost_until_they_are_answered(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        j.sending(64)
        keep(j, one_request(), Reply("x"))
    with journal(tmp_path) as j:
        assert (j.ledger().lost, j.ledger().calls) == (64, 1)


def test_a_decision_counts_once_however_often_it_is_told(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        call = keep(j, one_request(), Reply("x", error="timed out: 3 s")).id
        decided = Decided(TAG, call, False, 2, 8, "repeat_last", "timed out: 3 s")
        j.decided([decided])
        j.decided([decided])
        ledger = j.ledger("swm_ap")
    assert (ledger.decisions, ledger.real, ledger.retried, ledger.failed) == (1, 1, 1, 1)
    assert (ledger.fallbacks, ledger.problems) == ({"repeat_last": 1}, {"timed out": 1})


def test_tries_that_failed_before_an_answer_are_counted_by_cause(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        keep(j, one_request(), Reply("x", faults=("HTTP 429: slow down", "HTTP 429: slower", "timed out: after 3 s")))
        keep(j, one_request(draw=1), Reply("x", error="no connection: gone", faults=("no connection: gone",)))
        ledger = j.ledger(TAG.purpose)
        assert ledger.calls == 2
        assert ledger.faults == {"HTTP 429": 2, "no connection": 1, "timed out": 1}
        assert j.ledger("another purpose").faults == {}


def open_and_tell(path: Path, told: "Queue[str]") -> None:
    try:
        Journal(path).close()
        told.put("opened")
    except JournalError as error:
        told.put(str(error))


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path, fork = tmp_path / "journal.sqlite", multiprocessing.get_context("fork")
    told: Queue[str] = fork.Queue()
    with Journal(path):
        JournalReader(path).close()  # reading is always possible
        other = fork.Process(target=open_and_tell, args=(path, told))
        other.start()
        assert f"written by another run (process {os.getpid()})" in told.get(timeout=20)
        other.join()  # a fork shares the lock of the process it came from
        with pytest.raises(JournalError, match="another run"):
            Journal(path)
    fork.Process(target=open_and_tell, args=(path, told)).start()
    assert told.get(timeout=20) == "opened"


def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, database = tmp_path / "notes.txt", tmp_path / "shop.sqlite"
    text.write_text("my notes, which are long enough to be read as a header of a database file " * 3)
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE orders(id)")
    for path, reason in ((text, "not a database"), (database, "another program's database")):
        before = path.read_bytes()
        for opened in (Journal, JournalReader):
            with pytest.raises(JournalError, match=reason) as error:
                opened(path)
            assert str(path) in str(error.value)
        assert path.read_bytes() == before


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as j:
        for draw in range(300):
            keep(j, one_request(draw=draw, user="news " * 50), Reply("x"))
    blob = bytearray(path.read_bytes())
    middle = len(blob) // 2
    blob[middle : middle + 8192] = b"\x55" * 8192
    path.write_bytes(blob)
    with pytest.raises(JournalError, match="Move it away"):
        Journal(path)


def test_a_journal_that_counted_no_failed_tries_is_read_and_gone_on_with(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        keep(j, one_request(), Reply("x"))
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.executescript("DROP TABLE faults; PRAGMA user_version=1;")
    with closing(JournalReader(tmp_path)) as reader:
        assert (reader.ledger().calls, reader.ledger().faults) == (1, {})
    with journal(tmp_path) as j:
        keep(j, one_request(draw=1), Reply("y", faults=("HTTP 503: loading",)))
        assert (j.ledger().calls, j.ledger().faults) == (2, {"HTTP 503": 1})


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(JournalError, match="format 99"):
        Journal(path)


def test_a_missing_journal_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        JournalReader(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_not_in_the_file_yet_are_read_in_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.llm.storage.os.access", lambda *_: False)
    with journal(tmp_path) as j:
        keep(j, one_request(), Reply("x"))
        reader = JournalReader(tmp_path)
        assert reader.ledger().calls == 1
        reader.close()
    reader = JournalReader(tmp_path)
    assert reader.ledger().calls == 1
    reader.close()


@given(st.text(), st.text(), st.none() | st.text(), st.none() | st.text(), st.integers(0, 10**6))
def test_how_long_prompts_are_in_tokens_is_known_again_after_a_break(
    system: str, user: str, complaint: str | None, said: str | None, tokens: int
) -> None:
    request = Request(Question(system, user, "x", ("1",)), "sample", complaint=complaint, said=said)
    with tempfile.TemporaryDirectory() as folder:
        with journal(Path(folder)) as j:
            keep(j, request, Reply("x", None, tokens, 1))
            spent = j.spent.of("embedded")
        assert spent.tokens_per_byte == tokens / max(1, prompt_bytes(request))
        with journal(Path(folder)) as j:
            assert j.spent.of("embedded") == spent


def test_no_secret_reaches_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "zebra-zebra-zebra"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    answers = [Reply("", error=f"HTTP 401: bad key {secret}"), f"you sent {secret}", '{"hours": 40}']
    with journal(tmp_path) as j:
        decide(LanguagePopulation(MockEngine(answers), j, way="sample"), a_round(0, 1, 1))
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        everything = "\n".join(db.iterdump())
    assert "[redacted]" in everything
    assert secret not in everything
    assert all(secret.encode() not in f.read_bytes() for f in tmp_path.iterdir())


def test_the_reader_shows_decisions_with_their_words(tmp_path: Path) -> None:
    with journal(tmp_path) as j:
        population = LanguagePopulation(MockEngine(["<b>no</b>", '{"hours": 40}']), j, way="sample", purpose="check")
        decide(population, a_round(2, 1, 1))
    reader = JournalReader(tmp_path)
    (look,) = reader.decisions(10)
    assert (look.purpose, look.episode, look.step, look.agent, look.action) == ("check", 0, 2, 0, 8)
    assert (look.cached, look.attempts, look.fallback, look.problem) == (False, 2, None, None)
    assert (look.user, look.reply, look.choices[8]) == ("world 0 agent 0 step 2", '{"hours": 40}', "40")
    assert reader.decisions(10, "other") == []
    assert reader.purposes() == ["check"]
    assert reader.models() == [("mock", "{}")]
    reader.close()
