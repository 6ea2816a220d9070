"""Claim: a server that fails in every known way loses and changes nothing.

Twelve years of income tax are played against a server whose answers depend on the words alone: once without a fault,
once with a fifth of all requests failing (busy, broken, reset, too slow, cut, garbled; empty, endless, refused, out of
range, with another key), for single actions and for whole distributions. Then once with some questions that are never
answered: exactly those become fallbacks.
"""

import json
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from agents.llm.calls import calls
from agents.llm.engine import Way
from agents.llm.journal import Journal
from agents.llm.ledger import Ledger
from agents.llm.models import engine_for
from agents.llm.population import LanguagePopulation
from experiments.benchmarks.moody_server import CONTENT, NAME, RETRIES, TRANSPORT, lot
from experiments.benchmarks.started import started
from experiments.claims import Outcome
from experiments.errors import ROOT
from learning.draws import draws
from personas.rosters import open_rosters
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, play

FAULTS, HOPELESS = 0.2, 0.02  # shares of requests, of questions
TIMEOUT = 4.0  # seconds a try
PEOPLE = ROOT / "personas/populations/communities.yaml"
WAYS: tuple[Way, ...] = ("sample", "distribution")
CAUSES = {  # kind of fault -> how the ledger names it
    **{"429": "HTTP 429", "500": "HTTP 500", "503": "HTTP 503", "reset": "no connection", "slow": "timed out"},
    **{"truncated": "unreadable answer", "malformed": "unreadable answer", "empty": "empty reply"},
    **{"endless": "not JSON", "refusal": "not JSON", "cut JSON": "not JSON"},
    **{"out of range": "choice not offered", "other key": "no key 'hours'"},
}


@dataclass(frozen=True)
class Played:
    """One episode of several worlds."""

    choice: Tensor  # [B, T, N, K]
    ledger: Ledger
    faults: Mapping[str, int]  # of the server, by kind
    asked: list[str]  # the words of every decision, and its draw: what the server answers by


def claim(smoke: bool) -> Outcome:
    """Both ways, then what cannot be had."""
    torch.set_num_threads(1)
    worlds = 1 if smoke else 8
    whole = {way: _played(way, worlds) for way in WAYS}
    faulty = {way: _played(way, worlds, "--faults", str(FAULTS)) for way in WAYS}
    hopeless = _played("sample", worlds, "--hopeless", str(HOPELESS))
    same = {way: torch.equal(whole[way].choice, faulty[way].choice) for way in WAYS}
    counted = {way: _counted(faulty[way]) for way in WAYS}
    expected = sum(lot(words, "hopeless") < HOPELESS for words in hopeless.asked)
    failed = hopeless.ledger.failed
    injected = sum(sum(own.faults.values()) for own in faulty.values())
    kinds = {kind for own in faulty.values() for kind in own.faults}
    good = all(same.values()) and all(counted.values()) and failed == expected > 0
    return Outcome(
        claim="a server that fails in every known way loses and changes nothing",
        passed=good and kinds == {*TRANSPORT, *CONTENT} and not any(own.ledger.failed for own in faulty.values()),
        figure=f"{injected:,} faults of {len(kinds)} kinds, decisions the same: {all(same.values())}, all counted: "
        f"{all(counted.values())}; {failed} fallbacks where {expected} questions had no answer",
        bar="the same, all, as many",
        figures={
            "decisions": {way: own.ledger.decisions for way, own in faulty.items()},
            "injected": {way: dict(own.faults) for way, own in faulty.items()},
            "counted_as_faults": {way: dict(own.ledger.faults) for way, own in faulty.items()},
            "counted_as_problems": {way: dict(own.ledger.problems) for way, own in faulty.items()},
            "same_decisions": {**same},
            "fallbacks": failed,
            "fallbacks_expected": expected,
        },
        seeds=(0,),
        smoke=smoke,
    )


def _counted(played: Played) -> bool:
    """Is every injected fault in the ledger, under its cause?"""
    injected = dict[str, int]()
    for kind, count in played.faults.items():
        injected[CAUSES[kind]] = injected.get(CAUSES[kind], 0) + count
    found = dict(played.ledger.faults)
    for cause, count in played.ledger.problems.items():
        found[cause] = found.get(cause, 0) + count
    return found == injected


def _played(way: Way, worlds: int, *words: str) -> Played:
    society, lots = IncomeTax(), draws(0, 0, worlds)
    people = open_rosters(PEOPLE).people(lots)
    with (
        started("moody_server", *words) as url,
        tempfile.TemporaryDirectory() as folder,
        Journal(Path(folder) / "journal.sqlite") as journal,
    ):
        engine = engine_for(f"vllm:{NAME}", url, timeout=TIMEOUT, max_in_flight=64)
        population = LanguagePopulation(
            engine, journal, way=way, retries=RETRIES, fallback="repeat_last", max_fallback_share=0.5
        )
        episode = play(society, population, people, Fixed(society.default_mechanism()), lots).episode
        ledger = journal.ledger()
        asked = _asked(journal.path)
        with urllib.request.urlopen(f"{url}/counts") as answer:
            faults = json.load(answer)
    return Played(episode.choice, ledger, faults, asked)


def _asked(journal: Path) -> list[str]:
    """The words of every decision, with its draw."""
    first = (row for row in calls(journal) if row["attempt"] == 0)
    return [json.dumps([row["system"], row["user"], row["draw"] % 2**31]) for row in first]
