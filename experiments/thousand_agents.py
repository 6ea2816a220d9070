"""Claim: a society of a thousand language-model people is played on a laptop, and its account is right.

One world of 1,000 workers who are all different people pays income tax for 20 years. The embedded model answers them on
two cores; the decisions are put in words, asked, journalled, read and settled. What reaches the model is counted in
front of it, apart from the journal. It runs in a process of its own, whose peak memory is the kernel's figure.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from agents.embedded.engine import EmbeddedEngine
from agents.llm.engine import Reply, Request, Setting, Way, parameters_of
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from experiments.claims import Outcome
from experiments.errors import ROOT
from learning.draws import draws
from personas.rosters import open_rosters
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, play

AGENTS, YEARS = 1_000, 20
RATE, MEMORY = 300.0, 4.0  # bars: decisions a second, GiB
CORES = 2
PEOPLE = ROOT / "personas/populations/communities.yaml"


@dataclass
class Counted:
    """An engine that counts what it is asked."""

    engine: EmbeddedEngine
    calls: int = 0
    model: str = "embedded"
    ways: frozenset[Way] = frozenset({"distribution", "sample"})
    parameters: Mapping[str, Setting] = field(default_factory=dict[str, Setting])

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """All at once."""
        self.calls += len(requests)
        return self.engine.complete(requests)


@dataclass(frozen=True)
class Found:
    """What one run took, in a process of its own."""

    people: int  # who differ from all others
    decisions: int
    calls: int  # that reached the model
    ledger_decisions: int
    ledger_calls: int
    failed: int
    seconds: float
    memory: float  # GiB, the most this process held at once


def claim(smoke: bool) -> Outcome:
    """One run, in a process of its own."""
    agents, years = (40, 4) if smoke else (AGENTS, YEARS)
    command = [sys.executable, "-m", "experiments.thousand_agents", str(agents), str(years)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found = Found(**json.loads(done.stdout))
    rate = found.decisions / found.seconds
    right = found.people == agents and found.failed == 0 and found.decisions == agents * years == found.ledger_decisions
    return Outcome(
        claim="a thousand language-model people are played on a laptop, and their account is right",
        passed=right and found.calls == found.ledger_calls and rate >= RATE and found.memory <= MEMORY,
        figure=f"{rate:,.0f} decisions/s on {CORES} cores, {found.memory:.1f} GiB at most; "
        f"{found.ledger_calls:,} calls in the ledger, {found.calls:,} counted",
        bar=f"{RATE:,.0f}/s, {MEMORY:g} GiB, as many",
        figures={**asdict(found), "decisions_a_second": round(rate, 1)},
        seeds=(0,),
        smoke=smoke,
    )


def measured(agents: int, years: int) -> Found:
    """Plays one world, in this process."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    torch.set_num_threads(CORES)
    society = _Society(agents, years)
    lots = draws(0, 0, 1)
    people = open_rosters(PEOPLE, agents).people(lots)
    engine = EmbeddedEngine(threads=CORES)
    counted = Counted(engine, ways=engine.ways, parameters=parameters_of(engine))
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        population = LanguagePopulation(counted, journal)
        began = time.perf_counter()
        played = play(society, population, people, Fixed(society.default_mechanism()), lots)
        seconds = time.perf_counter() - began
        ledger = journal.ledger()
    return Found(
        people=len({str(people.persona(0, n)) for n in range(agents)}),
        decisions=int((played.episode.action >= 0).sum()),
        calls=counted.calls,
        ledger_decisions=ledger.decisions,
        ledger_calls=ledger.calls,
        failed=ledger.failed,
        seconds=seconds,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    )


class _Society(IncomeTax):
    """With as many people, for as many years, the two of warm-up among them."""

    def __init__(self, agents: int, years: int) -> None:
        self.agents, self.years = agents, years - self.warm_up
        super().__init__()


if __name__ == "__main__":
    print(json.dumps(asdict(measured(*map(int, sys.argv[1:3])))))  # noqa: T201
