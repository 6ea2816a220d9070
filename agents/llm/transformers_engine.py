"""Any chat model in a folder, as an engine: `transformers` computes the chance of every choice in this process."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from agents.llm.checks import check_temperature, check_whole
from agents.llm.drawing import draw
from agents.llm.engine import Reply, Request, Setting, Way
from agents.llm.local_tokens import LocalTokens, TooLong
from agents.llm.prompts import Message, in_words, messages
from agents.llm.replies import shown
from agents.llm.token_choices import NoTokens, TokenChoices
from agents.llm.written import written

_FILES = "*.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"
"""Files that decide the answers."""


class TransformersEngine:
    """The model in a folder, as `transformers:FOLDER`.

    Choices are scored as single tokens of the model's tokenizer, or as letters in their place, at the place where the
    answer names one; a single action is drawn from them, at `temperature` (0: the likeliest). Free text is written
    token by token, at most `max_tokens` of them.
    ValueError: no such folder, a model that cannot be loaded or has no chat template, a setting that cannot be.
    """

    def __init__(
        self,
        model: str,
        temperature: float | None = 1.0,
        dtype: str = "auto",
        device: str | None = None,
        batch_size: int = 32,
        max_tokens: int = 128,
    ) -> None:
        check_temperature(temperature)
        check_whole("max_tokens", max_tokens)
        check_whole("batch_size", batch_size)
        folder = Path(model.partition(":")[2])
        self.model, self.ways = model, frozenset[Way]({"sample", "distribution", "words"})
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._tokens, self._network = _loaded(model, folder, dtype, self.device)
        self._temperature, self._batch_size = 1.0 if temperature is None else temperature, batch_size
        self._max_tokens = max_tokens
        self.parameters: dict[str, Setting] = {
            "temperature": temperature,
            "dtype": dtype,
            "max_tokens": max_tokens,
            "weights": _fingerprint(folder),
        }

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Prompts of like length are computed together. The same batch on the same machine gives the same numbers."""
        found: dict[int, Reply] = {}
        prompts: dict[int, tuple[list[int], TokenChoices]] = {}
        for place, request in enumerate(requests):
            try:
                if request.way == "words":
                    found[place] = self._written(request)
                else:
                    prompts[place] = self._prompt(request)
            except (NoTokens, TooLong) as error:
                found[place] = Reply("", error=str(error))
        for places in self._batches({place: len(ids) for place, (ids, _) in prompts.items()}):
            found |= self._answered({place: (requests[place], *prompts[place]) for place in places})
        return [found[place] for place in range(len(requests))]

    def tokens(self, request: Request) -> int:
        """Of the whole prompt."""
        return len(self._tokens.prompt(self.sent(request)))

    def sent(self, request: Request) -> list[Message]:
        """The messages; every answer but free text is begun for the model."""
        return messages(request) if request.way == "words" else self._tokens.choices(request.question).messages(request)

    def _written(self, request: Request) -> Reply:
        began, prompt = time.perf_counter(), self._tokens.prompt(messages(request))
        longest = self._max_tokens if self._tokens.longest is None else self._tokens.longest - len(prompt)
        said = written(
            self._network,
            prompt,
            request.question,
            request.draw,
            self._temperature,
            min(self._max_tokens, longest, request.limit or longest),
        )
        return Reply(self._tokens.words(said), None, len(prompt), len(said), time.perf_counter() - began)

    def _prompt(self, request: Request) -> tuple[list[int], TokenChoices]:
        choices = self._tokens.choices(request.question)
        return self._tokens.prompt(choices.messages(request)), choices

    def _batches(self, lengths: dict[int, int]) -> Iterator[list[int]]:
        places = sorted(lengths, key=lengths.__getitem__)
        yield from (places[i : i + self._batch_size] for i in range(0, len(places), self._batch_size))

    def _answered(self, asked: dict[int, tuple[Request, list[int], TokenChoices]]) -> dict[int, Reply]:
        began = time.perf_counter()
        chances = self._chances([ids for _, ids, _ in asked.values()])  # [P, V]
        seconds = (time.perf_counter() - began) / len(asked)
        return {
            place: self._reply(request, row[list(choices.tokens)], len(ids), seconds)
            for (place, (request, ids, choices)), row in zip(asked.items(), chances, strict=True)
        }

    def _chances(self, prompts: list[list[int]]) -> Tensor:
        """[P, V] log-probabilities of what comes next."""
        rows = [torch.tensor(ids) for ids in prompts]
        ids = pad_sequence(rows, batch_first=True, padding_side="left").to(self.device)  # [P, T]
        seen = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True, padding_side="left")
        seen = seen.to(self.device)
        with torch.inference_mode():
            out = self._network(
                input_ids=ids,
                attention_mask=seen,
                position_ids=(seen.cumsum(-1) - 1).clamp_min(0),
                logits_to_keep=1,
                use_cache=False,
            )
        return out.logits[:, -1].float().log_softmax(-1).cpu()

    def _reply(self, request: Request, log_probs: Tensor, read: int, seconds: float) -> Reply:
        """log_probs: [K] of the choices, which other tokens may leave less than the whole."""
        if request.way == "distribution":
            return Reply(in_words(request, int(log_probs.argmax())), tuple(log_probs.tolist()), read, 1, seconds)
        chosen = int(log_probs.argmax())
        if self._temperature > 0:
            chosen = draw((log_probs / self._temperature).log_softmax(-1), request.question, request.draw)
        return Reply(in_words(request, chosen), None, read, 1, seconds)


def _loaded(model: str, folder: Path, dtype: str, device: str) -> tuple[LocalTokens, Any]:
    if not (folder / "config.json").is_file():
        raise ValueError(f"there is no model in {folder}: {model} needs a folder with config.json and its weights")
    disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network: Any = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
        network = network.to(device).eval()
    except Exception as error:
        raise ValueError(f"{model} cannot be loaded: {shown(str(error), 400)}") from error
    longest = getattr(network.config, "max_position_embeddings", None)
    return LocalTokens(tokenizer, model, longest), network


def _fingerprint(folder: Path) -> str:
    """What tells these weights and words from others: answers kept of other weights are not taken for theirs."""
    found = hashlib.blake2b(digest_size=8)
    for file in sorted(file for pattern in _FILES for file in folder.glob(pattern)):
        with file.open("rb") as opened:
            found.update(hashlib.file_digest(opened, "blake2b").digest())
    return found.hexdigest()
