"""How fast the embedded model scores choices: with its prefix cache, with full prompts, and the naive way."""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from agents.base import Question
from agents.embedded.engine import EmbeddedEngine
from agents.embedded.tokenizer import begun, ended, messages, token_ids
from agents.llm.engine import Request


def prompt(engine: EmbeddedEngine, question: Question) -> str:
    """A whole prompt by the chat template, as any user of the folder would make it, and the answer's opening."""
    chat = messages(question.system, question.user)
    text = engine.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    return f"{text}{begun(question)}"


def full(engine: EmbeddedEngine, questions: list[Question]) -> Tensor:
    """Log-probabilities [M, K] from one ordinary forward pass of `transformers` over the whole prompts."""
    read = engine.tokenizer(
        [prompt(engine, q) for q in questions], add_special_tokens=False, padding=True, return_tensors="pt"
    )
    logits = engine.weights(**read, logits_to_keep=1).logits[:, 0]
    ids = [token_ids(engine.tokenizer, q.choices) for q in questions]
    return logits.gather(1, torch.tensor(ids)).log_softmax(-1)


def naive(engine: EmbeddedEngine, questions: list[Question]) -> Tensor:
    """The same [M, K] by scoring every whole candidate answer in a pass of its own, four decisions at a time."""
    found = list[Tensor]()
    for i in range(0, len(questions), 4):
        few = questions[i : i + 4]
        texts = [f"{prompt(engine, q)}{c}{ended(q)}" for q in few for c in q.choices]
        read = engine.tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
        logits = engine.weights(**read, logits_to_keep=3).logits[:, :2].log_softmax(-1)  # [M K, 2, V]
        score = logits.gather(2, read["input_ids"][:, -2:, None]).sum((1, 2))
        found.append(score.unflatten(0, (len(few), -1)).log_softmax(-1))
    return torch.cat(found)


def speeds(engine: EmbeddedEngine, questions: list[Question], rounds: int) -> dict[str, float]:
    """Decisions a second of the three ways, one thread, medians of `rounds` interleaved timings, and their ratios."""
    requests, few = [Request(q, "distribution") for q in questions], questions[:8]
    engine.complete(requests)  # everybody's prefix is now kept
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "cached": (lambda: engine.complete(requests), len(questions)),
        "full_prompt": (lambda: full(engine, questions), len(questions)),
        "naive": (lambda: naive(engine, few), len(few)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for _ in range(rounds):
            for name, (work, count) in ways.items():
                began = time.perf_counter()
                work()
                times[name].append((time.perf_counter() - began) / count)
    rate = {name: 1 / median(seconds) for name, seconds in times.items()}
    return {
        **{f"{name}_per_second": value for name, value in rate.items()},
        "cached_over_naive": rate["cached"] / rate["naive"],
        "cached_over_full_prompt": rate["cached"] / rate["full_prompt"],
    }
