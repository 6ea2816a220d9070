"""Claim: what is beside the model costs little: a decision through the whole stack, against servers that do no work.

Decisions of the income tax are put in words, sent, journalled, read and settled, by one core; the server has the other.
Beside it, in the same run and on the same core, LangChain's own client answers the same prompts. A server with a
latency of a second and 512 slots can give 512 answers a second at most. 20,480 people ask it for six years. A year
begins when everyone has answered in the year before, so that slots stand empty at its end whoever asks; `rounds_allow`
says what would be left of the ceiling if that were all. With half as many people, as this was first measured, the bar
was missed (94.2%).
"""

import math
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from agents.llm.engine import Concurrent, Request
from agents.llm.journal import Journal
from agents.llm.loop import Loop
from agents.llm.models import engine_for
from agents.llm.population import LanguagePopulation
from agents.llm.prompts import answer_schema, messages
from experiments.benchmarks.instant_server import NAME
from experiments.benchmarks.started import started
from experiments.claims import Json, Outcome
from experiments.errors import ROOT
from experiments.estimate import questions
from learning.draws import draws
from personas.rosters import open_rosters
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, play

IN_FLIGHT = (64, 512)
RATE, TIMES, SHARE = 1_000.0, 5.0, 0.95  # bars: decisions a second, times LangChain's, of the ceiling
LATENCY, SLOTS = 1.0, 512  # seconds; answered at a time
SLOW = ("--latency", str(LATENCY), "--slots", str(SLOTS))
QUEUED = 1024  # in flight to the slow server: as many wait there as it has slots, so that none is ever empty
PEOPLE = ROOT / "personas/populations/communities.yaml"


@dataclass(frozen=True)
class Scale:
    """Worlds are of 32 people, for 12 steps each."""

    repeats: int = 5
    worlds: int = 24  # of one repeat against the instant server
    slow_worlds: int = 640  # against the slow one
    slow_years: int = 4  # that count; two of warm-up come before
    slow_repeats: int = 3
    langchain_calls: int = 512


def claim(smoke: bool) -> Outcome:
    """Repeats in turn, so that a busy moment of the machine meets both clients."""
    torch.set_num_threads(1)
    scale = Scale(1, 2, 8, 1, 1, 16) if smoke else Scale()
    with _one_core() as rest, started("instant_server", cores=rest) as url:
        ours, theirs = _instant(url, scale)
    with _one_core() as rest, started("instant_server", *SLOW, cores=rest) as url:
        town = _Town(scale.slow_years)
        slow = [_timed(town, url, QUEUED, scale.slow_worlds) for _ in range(scale.slow_repeats)]
    rates = {n: statistics.median(own) for n, own in ours.items()}
    ratios = {n: statistics.median(a / b for a, b in zip(ours[n], theirs[n], strict=True)) for n in IN_FLIGHT}
    share = statistics.median(timed.rate for timed in slow) / (SLOTS / LATENCY)
    return Outcome(
        claim="a decision through the whole stack costs little beside the model",
        passed=min(rates.values()) >= RATE and min(ratios.values()) >= TIMES and share >= SHARE,
        figure=f"{min(rates.values()):,.0f} decisions/s on one core, {min(ratios.values()):.1f} times LangChain's, "
        f"{share:.1%} of a slow server's ceiling",
        bar=f"{RATE:,.0f}/s, {TIMES:g} times, {SHARE:.0%}",
        figures={
            "decisions_a_second": _by_number(ours),
            "langchain_calls_a_second": _by_number(theirs),
            "times_langchain": {str(n): round(ratio, 2) for n, ratio in ratios.items()},
            "slow_server": [round(timed.rate, 1) for timed in slow],
            "share_of_ceiling": share,
            "rounds_allow": statistics.median(timed.allowed for timed in slow),
            "people_who_ask_the_slow_server": 32 * scale.slow_worlds,
            "in_flight_to_the_slow_server": QUEUED,
        },
        seeds=(0,),
        smoke=smoke,
    )


def _by_number(rates: dict[int, list[float]]) -> Json:
    return {str(n): [round(rate, 1) for rate in own] for n, own in rates.items()}


def _instant(url: str, scale: Scale) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    ours, theirs = {n: list[float]() for n in IN_FLIGHT}, {n: list[float]() for n in IN_FLIGHT}
    loop = Loop()  # LangChain's client keeps its connections, which belong to a loop
    for _ in range(scale.repeats):
        for n in IN_FLIGHT:
            ours[n].append(_timed(IncomeTax(), url, n, scale.worlds).rate)
            theirs[n].append(loop.run(_langchain(url, n, scale.langchain_calls)))
    return ours, theirs


class _Town(IncomeTax):
    """With so many years that count."""

    def __init__(self, years: int) -> None:
        self.years = years
        super().__init__()


@dataclass(frozen=True)
class _Timed:
    rounds: list[int]  # calls in each year
    seconds: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return sum(self.rounds) / self.seconds

    @property
    def allowed(self) -> float:
        """The share of the slow server's slots that work until each year's last call is answered, if no call waits."""
        return sum(self.rounds) / sum(SLOTS * math.ceil(calls / SLOTS) for calls in self.rounds)


def _timed(society: IncomeTax, url: str, in_flight: int, worlds: int) -> _Timed:
    """From words to accounts, with a journal on the disk. Decisions whose words repeat do not count."""
    lots = draws(0, 0, worlds)
    people = open_rosters(PEOPLE).people(lots)
    engine = engine_for(f"vllm:{NAME}", url, max_in_flight=in_flight)
    assert isinstance(engine, Concurrent)
    with tempfile.TemporaryDirectory(dir=ROOT) as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        population = LanguagePopulation(engine, journal)
        began = time.perf_counter()
        play(society, population, people, Fixed(society.default_mechanism()), lots)
        seconds = time.perf_counter() - began
        assert journal.ledger().failed == 0
        return _Timed(_calls_by_year(journal.path), seconds)


def _calls_by_year(journal: Path) -> list[int]:
    with closing(sqlite3.connect(journal)) as rows:
        return [calls for (calls,) in rows.execute("SELECT count(*) FROM calls GROUP BY step")]


async def _langchain(url: str, in_flight: int, calls: int) -> float:
    """Calls a second of LangChain's own client with structured output, without a journal."""
    from langchain_core.language_models import LanguageModelInput
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    society = IncomeTax()
    asked = questions(society, open_rosters(PEOPLE), 0)
    asked = (asked * (calls // len(asked) + 1))[:calls]
    schema = {"title": "answer", "description": "The decision.", **answer_schema(asked[0])}
    chat = ChatOpenAI(model=NAME, base_url=f"{url}/v1", api_key=SecretStr("none")).with_structured_output(
        schema, method="json_schema"
    )
    prompts: list[LanguageModelInput] = [messages(Request(question, "sample")) for question in asked]
    began = time.perf_counter()
    answers = await chat.abatch(prompts, {"max_concurrency": in_flight})
    seconds = time.perf_counter() - began
    assert all(answer == {"hours": 40} for answer in answers)
    return calls / seconds


@contextmanager
def _one_core() -> Generator[set[int]]:
    """Keeps this process on one core; yields the others."""
    cores = os.sched_getaffinity(0)
    first = min(cores)
    os.sched_setaffinity(0, {first})
    try:
        yield (cores - {first}) or cores
    finally:
        os.sched_setaffinity(0, cores)
