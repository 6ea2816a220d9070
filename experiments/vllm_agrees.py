"""Claim: real vLLM, in this process and as a server, answers like the embedded engine where it runs the embedded model.

Held-out people of three societies are asked: numbers, sites and moves are the answers. `make test-vllm` sets up the
environment that this needs.
"""

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from agents.base import Question
from agents.embedded.engine import EmbeddedEngine
from agents.embedded.vocabulary import MODEL_FOLDER
from agents.llm.engine import Engine, Request, Way
from agents.llm.models import engine_for
from agents.llm.replies import read
from experiments.claims import Json, Outcome, workplace
from experiments.embedded_exam import HELD_OUT, held_out, total_variation
from experiments.embedded_held_out import moments
from experiments.errors import UserError
from experiments.provenance import versions
from experiments.serving import Serving, served
from societies.catalog import load
from societies.library.income_tax import IncomeTax

NAME, PORT = "vllm_agrees", 8077
TV, PARSED = 0.02, 1.0  # bars
CONTEXT = 1024  # tokens, of the embedded model
COUNTS = {"income_tax": 500, "facility8": 250, "team_formation": 250}  # decisions


@dataclass(frozen=True)
class Agreement:
    """With the embedded engine, over M decisions."""

    tv: Tensor  # [M] of chances, those that are told of no choice left out
    missing: Tensor  # [M] probability on no choice
    parsed: float  # share of single actions, asked for in words, that are one of the choices

    def plain(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "decisions": len(self.tv),
            "tv": float(self.tv.mean()),
            "tv_most": float(self.tv.max()),
            "missing": float(self.missing.mean()),
            "missing_most": float(self.missing.max()),
            "parsed": self.parsed,
        }


def claim(smoke: bool) -> Outcome:
    """Both ways to run vLLM, one after the other."""
    if importlib.util.find_spec("vllm") is None:
        raise UserError("this claim needs vLLM", fix="run it by `make test-vllm`, in the environment which that makes")
    counts = {name: 8 if smoke else count for name, count in COUNTS.items()}
    asked = [question for name, count in counts.items() for question in questions(name, count)]
    found = {"server": _by_server(asked, smoke), "in_process": _in_process(asked)}
    worst = max(float(one.tv.mean()) for one in found.values())
    least = min(one.parsed for one in found.values())
    return Outcome(
        claim="vLLM, in process and as a server, gives the embedded model's choices the same chances",
        passed=worst <= TV and least >= PARSED,
        figure=f"total variation {worst:.4f} at most, {least:.1%} parsed, over {len(asked):,} decisions each",
        bar=f"{TV}, {PARSED:.0%}",
        figures={
            **{name: one.plain() for name, one in found.items()},
            "decisions": {**counts},
            "versions": {**versions()},
        },
        seeds=(HELD_OUT,),
        smoke=smoke,
    )


def questions(society: str, count: int) -> list[Question]:
    """So many decisions of held-out people, with the choices that are open to them."""
    rules = load(society)
    if isinstance(rules, IncomeTax):
        return held_out(rules, -(-count // 64), 2).questions(rules)[:count]
    found = (question for moment in moments(rules, 4) for row in moment.questions() for question in row)
    return list(islice(found, count))


def _by_server(asked: Sequence[Question], smoke: bool) -> Agreement:
    serving = Serving(str(MODEL_FOLDER), "solon", "127.0.0.1", PORT, 0, sys.executable, _flags())
    with served(serving, workplace(NAME, smoke) / "server.log"):
        return agreement(engine_for("vllm:solon", serving.url, timeout=600.0), asked)


def _flags() -> tuple[str, ...]:
    return "--dtype", "float32", "--max-model-len", str(CONTEXT)


def _in_process(asked: Sequence[Question]) -> Agreement:
    return agreement(engine_for(f"vllm:{MODEL_FOLDER}", dtype="float32", max_model_len=CONTEXT), asked)


def agreement(engine: Engine, asked: Sequence[Question]) -> Agreement:
    """Between an engine that runs the embedded model and the embedded engine."""
    whole = _chances(engine, asked)
    mass = [sum(own) for own in whole]
    pairs = zip(whole, mass, _chances(EmbeddedEngine(), asked), strict=True)
    tv = [float(total_variation(torch.tensor(own) / m, torch.tensor(other))) for own, m, other in pairs]
    return Agreement(torch.tensor(tv), 1 - torch.tensor(mass), _parsed(engine, asked))


def _chances(engine: Engine, asked: Sequence[Question]) -> list[list[float]]:
    """Of every choice, for each decision. ValueError: a question was not answered."""
    replies = engine.complete(_requests(asked, "distribution"))
    if failed := next((reply.error for reply in replies if reply.log_probs is None), None):
        raise ValueError(f"{engine.model} gave no chances: {failed}")
    return [torch.tensor(reply.log_probs, dtype=torch.float64).exp().tolist() for reply in replies]


def _parsed(engine: Engine, asked: Sequence[Question]) -> float:
    requests = _requests(asked, "sample")
    verdicts = [read(request, reply) for request, reply in zip(requests, engine.complete(requests), strict=True)]
    return sum(verdict.choice is not None for verdict in verdicts) / len(verdicts)


def _requests(asked: Sequence[Question], way: Way) -> list[Request]:
    return [Request(question, way, draw) for draw, question in enumerate(asked)]
