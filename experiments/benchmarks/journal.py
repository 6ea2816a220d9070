"""What a decision costs beside the model: python -m experiments.benchmarks.journal [ROUNDS]

Rounds of 768 decisions (24 worlds of 32 agents) with an instant engine, on a fresh journal on the disk. Making the
question is not counted. "new": everything is asked and kept; "kept": everything is read back, as on resuming.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from agents.base import Question, Round
from agents.llm.engine import Reply, Request, Way
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from learning.draws import draws
from personas.people import People, Persona

WORLDS, AGENTS = 24, 32
CHOICES = tuple(str(level) for level in range(0, 101, 5))  # [K = 21]
RULES = "You live and work in a town with a yearly income tax. " * 24  # as long as a real system message


class Instant:
    """An engine that takes no time: everything was answered before."""

    model = "instant"
    ways: frozenset[Way] = frozenset({"distribution"})

    def __init__(self) -> None:
        log_probs = torch.zeros(len(CHOICES)).log_softmax(0).tolist()
        self._reply = Reply('{"hours":40}', tuple(log_probs), 400, 5, 0.001)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._reply] * len(requests)


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=".") as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        population = LanguagePopulation(Instant(), journal)
        steps = [_round(step) for step in range(rounds)]
        for name in ("new", "kept"):
            wall, cpu = zip(*(_microseconds(population, step) for step in steps), strict=True)
            print(  # noqa: T201
                f"{name:5s} {statistics.median(wall):6.1f} us a decision (best round {min(wall):6.1f}), "
                f"of processor time {statistics.median(cpu):6.1f} (best {min(cpu):6.1f})"
            )
        size = journal.path.stat().st_size / journal.spent.calls
        print(f"{journal.spent.calls} calls, {size:.0f} bytes each")  # noqa: T201


def _microseconds(population: LanguagePopulation, round_: Round) -> tuple[float, float]:
    """Wall and processor time of one round, a decision."""
    wall, cpu = time.perf_counter(), time.process_time()
    _decide(population, round_)
    each = WORLDS * AGENTS / 1e6
    return (time.perf_counter() - wall) / each, (time.process_time() - cpu) / each


def _decide(population: LanguagePopulation, round_: Round) -> None:
    population.decide(population.start(round_.people), round_, draws(1, 0, WORLDS))


def _round(step: int) -> Round:
    """A round whose questions are made already."""
    nobody = Persona("p", "P", "", {}, frozenset(), {})
    ones = torch.ones(WORLDS, AGENTS, 1)
    table = [[_question(step, w, n) for n in range(AGENTS)] for w in range(WORLDS)]
    return Round(
        step,
        lambda: ones,
        torch.ones(WORLDS, AGENTS, len(CHOICES), dtype=torch.bool),
        People(("wage",), ones, (), ones[..., :0], lambda w, n: nobody),
        lambda w, n: table[w][n],
        lambda: torch.zeros(WORLDS, AGENTS, len(CHOICES)),
    )


def _question(step: int, world: int, agent: int) -> Question:
    news = f"Last year: {step} hours, net {world}, equality {agent}. Now: net 87, kept 90 88 85 85 82 79 79 76 76 73."
    return Question(f"{RULES}You are agent {agent} of town {world}.", news, "hours", CHOICES)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
