"""The embedded model as an engine: choices scored in one pass, each person's part of a prompt computed once."""

import hashlib
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from agents.base import Question
from agents.embedded.network import Network
from agents.embedded.prefixes import PrefixCache
from agents.embedded.taught import FILE, Taught, read_taught
from agents.embedded.tokenizer import begun, encode, ended, news_text, prefix_text, token_ids
from agents.embedded.vocabulary import MODEL_FOLDER, ModelMissing
from agents.llm.drawing import draw
from agents.llm.engine import Reply, Request, Way

BATCH = 64  # prompts computed at once
CACHE_BYTES = 1 << 30  # of computed prompt beginnings, about 2,500 people


class EmbeddedEngine:
    """Answers questions with the model in `path`. ModelMissing if there is none.

    The same batch brings the same numbers to the bit; another batch size may move a log-probability by about 1e-6.
    """

    model = "embedded"
    ways: frozenset[Way] = frozenset({"sample", "distribution"})

    def __init__(self, path: Path = MODEL_FOLDER, threads: int = 1, cache_bytes: int = CACHE_BYTES) -> None:
        self.threads = threads
        self.tokenizer, self.weights = load(path)
        self.network = Network(self.weights)
        self.prefixes = PrefixCache(self.network, self._ids, cache_bytes)
        self.parameters = {"weights": _fingerprint(path)}
        self.societies = _societies(path)
        self._choices: dict[tuple[str, ...], Tensor] = {}  # [K] token ids

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request; a question that the model was not made for gets a reply with an error."""
        began = time.perf_counter()
        faults = [self._fault(request.question) for request in requests]
        asked = [request.question for request, fault in zip(requests, faults, strict=True) if fault is None]
        with _threads(self.threads), torch.inference_mode():
            scored = iter(self._scores(asked))
        seconds = (time.perf_counter() - began) / max(1, len(requests))
        return [
            Reply("", error=fault, seconds=seconds) if fault else _reply(request, *next(scored), seconds)
            for request, fault in zip(requests, faults, strict=True)
        ]

    def scores(self, questions: Sequence[Question]) -> list[Tensor]:
        """Log-probabilities [K] over each question's choices. ValueError for a question it was not made for."""
        faults = [fault for q in questions if (fault := self._fault(q)) is not None]
        if faults:
            raise ValueError(faults[0])
        with _threads(self.threads), torch.inference_mode():
            return [log_probs for log_probs, _ in self._scores(questions)]

    def tokens(self, request: Request) -> int:
        """Of the whole prompt. ValueError: it would not be answered."""
        question = request.question
        if (fault := self._fault(question)) is not None:
            raise ValueError(fault)
        return sum(map(len, self._ids([prefix_text(question.system), news_text(question)])))

    def taught(self, system: str) -> Taught | None:
        """The society whose rules a system message begins with; None if the model was not taught them."""
        return next((society for society in self.societies if system.startswith(society.rules)), None)

    def _fault(self, question: Question) -> str | None:
        """Why this question cannot be answered, or None."""
        society = self.taught(question.system)
        if society is None:
            return "the embedded model was not taught the rules of this society; use another model, or train it anew"
        if question.choices not in self._choices:
            self._choices[question.choices] = torch.tensor(token_ids(self.tokenizer, question.choices))
        return society.fault(question.key, question.choices)

    def _scores(self, questions: Sequence[Question]) -> list[tuple[Tensor, int]]:
        """Log-probabilities [K] and tokens read, one per question."""
        news = self._ids([news_text(q) for q in questions])
        found: dict[int, tuple[Tensor, int]] = {}
        for rows in _batches([(len(ids), q.choices) for ids, q in zip(news, questions, strict=True)]):
            prefix = self.prefixes.get([prefix_text(questions[i].system) for i in rows])
            logits = self.network.follow(prefix, torch.tensor([news[i] for i in rows])[:, None])[:, 0, 0]  # [P, V]
            scored = logits[:, self._choices[questions[rows[0]].choices]].log_softmax(-1)  # [P, K]
            for i, row, length in zip(rows, scored, prefix.lengths.tolist(), strict=True):
                found[i] = (row, length + len(news[i]))
        return [found[i] for i in range(len(questions))]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return encode(self.tokenizer, texts)


def load(path: Path) -> tuple[PreTrainedTokenizerFast, LlamaForCausalLM]:
    """Tokenizer and model of a folder. ModelMissing, naming the folder and what is wrong, if they cannot be had."""
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        if not (path / name).is_file():
            raise ModelMissing(path, "no such folder" if not path.is_dir() else f"{name} is not there")
    disable_progress_bar()  # of loading, a second's work
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype=torch.float32)
    except Exception as error:
        raise ModelMissing(path, f"it cannot be loaded ({error})") from error
    if not isinstance(model, LlamaForCausalLM):
        raise ModelMissing(path, f"it holds a {type(model).__name__}, not the embedded model")
    return tokenizer, model.eval()


def _fingerprint(path: Path) -> str:
    """What tells these weights and words from others: answers kept of other weights are not taken for theirs."""
    both = hashlib.blake2b(digest_size=8)
    for name in ("model.safetensors", "tokenizer.json"):
        both.update((path / name).read_bytes())
    return both.hexdigest()


def answer(question: Question, choice: str) -> str:
    """The JSON text of an answer."""
    return f"{begun(question)}{choice}{ended(question)}"


def _societies(path: Path) -> tuple[Taught, ...]:
    try:
        return read_taught(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelMissing(path, f"{FILE} cannot be read ({error})") from error


def _reply(request: Request, log_probs: Tensor, read: int, seconds: float) -> Reply:
    q = request.question
    if request.way == "sample":
        return Reply(answer(q, q.choices[draw(log_probs, q, request.draw)]), None, read, 1, seconds)
    best = q.choices[int(log_probs.argmax())]
    return Reply(answer(q, best), tuple(log_probs.tolist()), read, 1, seconds)


def _batches(kinds: list[tuple[int, tuple[str, ...]]]) -> Iterator[list[int]]:
    """Places of one kind (length of the news, choices), BATCH at a time, in their order."""
    places: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for i, kind in enumerate(kinds):
        places.setdefault(kind, []).append(i)
    for same in places.values():
        yield from (same[i : i + BATCH] for i in range(0, len(same), BATCH))


@contextmanager
def _threads(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
