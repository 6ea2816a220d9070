"""A run that the kill test starts, kills and starts again.

The engine's log-probabilities depend on the whole batch, so another batch would give other floats, and the next
round's words depend on all actions so far. Some replies are unusable and some calls fail, depending on the words only.
"""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from agents.llm.engine import Reply, Request, Way
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from tests.agents.llm.town import K, a_round, draws

WORLDS, AGENTS, STEPS = 3, 10, 12


def digest(*texts: str) -> bytes:
    return hashlib.sha256("|".join(texts).encode()).digest()


class Batchy:
    """Writes down what it is asked before it answers."""

    model = "batchy"
    ways: frozenset[Way] = frozenset({"distribution"})

    def __init__(self, log: Path) -> None:
        self.log = log

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        words = [f"{r.question.system}|{r.question.user}|{r.complaint}" for r in requests]
        with self.log.open("a") as log:
            log.write("".join(digest(w).hex() + "\n" for w in words))
        batch = digest(*words)
        time.sleep(0.004)
        return [self._reply(r, digest(w), batch) for r, w in zip(requests, words, strict=True)]

    def _reply(self, request: Request, own: bytes, batch: bytes) -> Reply:
        if own[30] < 8:
            return Reply("", error="timed out: 1 s")
        if own[31] < 40 and request.complaint is None:
            return Reply(f"what? {own[0]}", None, 10, 3)
        weights = torch.tensor([own[k] / 64 + batch[k] / 1e3 for k in range(K)])
        return Reply('{"hours":40}', tuple(weights.log_softmax(0).tolist()), 10, 3)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with Journal(folder / "journal.sqlite") as journal:
        people = LanguagePopulation(Batchy(folder / "asked.txt"), journal, chunk=8, retries=1, max_fallback_share=1)
        memory, story, sums = people.start(a_round(0, WORLDS, AGENTS).people), "", hashlib.sha256()
        for step in range(STEPS):
            told = story
            round_ = a_round(step, WORLDS, AGENTS, news=lambda w, n, told=told: f"{told} {w // 2}")  # some words repeat
            memory, decisions = people.decide(memory, round_, draws(WORLDS))
            for part in (decisions.action, decisions.log_probs):
                sums.update(b"" if part is None else part.numpy().tobytes())
            sums.update(repr(decisions.fallbacks).encode())
            story = sums.hexdigest()[:16]
        (folder / "result.txt").write_text(sums.hexdigest())
