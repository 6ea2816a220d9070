"""What a run's journal tells its report: decisions to read, and what was asked at what cost."""

from contextlib import closing

from agents.llm.reader import JournalReader, Look
from experiments.pipeline import Finished
from experiments.report_data import Account, Asked
from experiments.runs import Run

SHOWN = 8  # decisions in the report's table, with trouble and without
READ = 5_000  # decisions of each purpose that are looked through for trouble


def asked(run: Run) -> tuple[Asked, ...]:
    """Decisions to read: what went wrong first, then some from all over the run."""
    with closing(JournalReader(run.journal)) as reader:
        found = [_look(look) for purpose in reader.purposes() for look in reader.decisions(READ, purpose)]
    bad, good = [a for a in found if a.trouble], [a for a in found if not a.trouble]
    return (*bad[:SHOWN], *good[:: max(1, len(good) // SHOWN)][:SHOWN])


def _look(look: Look) -> Asked:
    status = look.problem or look.error or ("read" if look.attempts == 1 else f"read after {look.attempts} calls")
    if look.fallback:
        status = f"fallback {look.fallback}: {status}"
    return Asked(
        f"{look.purpose}, community {look.episode}, step {look.step + 1}, person {look.agent + 1}",
        look.system,
        look.user,
        look.reply,
        look.choices[look.action] if 0 <= look.action < len(look.choices) else "none",
        status,
        look.fallback is not None or look.problem is not None,
        look.cached,
    )


def ledger(run: Run, finished: Finished) -> tuple[Account, ...]:
    """What was asked for every purpose, and what it cost; imagination, which asks nobody, beside it."""
    with closing(JournalReader(run.journal)) as reader:
        accounts = [_account(reader, name) for name in reader.purposes()]
        lost = reader.ledger().lost
    gone = [Account("broken off", 0, 0, 0, 0, 0, 0, lost, 0, 0, 0.0)] if lost else []
    return (*accounts[:1], _imagined(run, finished), *accounts[1:], *gone)


def _account(reader: JournalReader, purpose: str) -> Account:
    found = reader.ledger(purpose)
    return Account(
        purpose,
        found.real,
        found.cached,
        found.retried,
        found.failed,
        0,
        found.calls,
        0,  # the journal knows what was lost, but not what for
        found.tokens_in,
        found.tokens_out,
        found.seconds,
    )


def _imagined(run: Run, finished: Finished) -> Account:
    per_episode = finished.cast.society.steps * finished.cast.society.agents
    decisions = finished.outcome.imagined_episodes * per_episode
    taken = run.stages.seconds()
    seconds = sum(s for name, s in taken.items() if name.startswith(("people-", "rules-")))
    return Account("imagination", 0, 0, 0, 0, decisions, 0, 0, 0, 0, seconds)
