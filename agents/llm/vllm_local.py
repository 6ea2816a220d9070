"""vLLM in this process: a model on this machine's GPU, asked in batches, without a server."""

import importlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agents.llm.checks import check_temperature, check_whole
from agents.llm.engine import Reply, Request, Setting, Way
from agents.llm.local_tokens import LocalTokens, TooLong
from agents.llm.prompts import answer_schema, messages
from agents.llm.redact import refuse_secret_values
from agents.llm.replies import shown
from agents.llm.token_choices import NoTokens, TokenChoices
from agents.llm.vllm_engine import LIKELIEST, SAMPLING, chances

_QUIET = {"VLLM_LOGGING_LEVEL": "WARNING", "VLLM_NO_USAGE_STATS": "1", "VLLM_WORKER_MULTIPROC_METHOD": "spawn"}


class LocalVllmEngine:
    """The model NAME, a folder or a name that vLLM knows, as `vllm:NAME` without an address.

    `more`: of sampling (`SAMPLING`), which holds for single actions, and vLLM's own of its engine (dtype,
    max_model_len, tensor_parallel_size, gpu_memory_utilization, ...).
    ValueError: vLLM is not installed or cannot run the model, or a setting that it does not know.
    """

    def __init__(self, model: str, temperature: float | None = 1.0, max_tokens: int = 512, **more: Setting) -> None:
        check_temperature(temperature)
        check_whole("max_tokens", max_tokens)
        refuse_secret_values(more)
        self.model, self.ways = model, frozenset[Way]({"sample", "distribution", "words"})
        self.parameters: dict[str, Setting] = {"temperature": temperature, "max_tokens": max_tokens, **more}
        self._max_tokens = max_tokens
        self._sampling = {
            name: value for name, value in self.parameters.items() if name not in more or name in SAMPLING
        }
        self._llm = _started(model, {name: more[name] for name in more if name not in SAMPLING})
        self._sampling_params = importlib.import_module("vllm.sampling_params")
        longest: int = self._llm.llm_engine.model_config.max_model_len
        self._tokens = LocalTokens(self._llm.get_tokenizer(), model, longest)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """All as one batch, which vLLM schedules itself."""
        began = time.perf_counter()
        found: dict[int, Reply] = {}
        prompts: dict[int, tuple[list[int], Any, TokenChoices | None]] = {}
        for place, request in enumerate(requests):
            try:
                prompts[place] = self._prompt(request)
            except (NoTokens, TooLong) as error:
                found[place] = Reply("", error=str(error))
        outs = self._llm.generate(
            [{"prompt_token_ids": ids} for ids, _, _ in prompts.values()],
            [how for _, how, _ in prompts.values()],
            use_tqdm=False,
        )
        seconds = (time.perf_counter() - began) / max(1, len(requests))
        for (place, (ids, _, choices)), out in zip(prompts.items(), outs, strict=True):
            found[place] = replace(_read(requests[place], choices, out.outputs[0], len(ids)), seconds=seconds)
        return [found[place] for place in range(len(requests))]

    def _prompt(self, request: Request) -> tuple[list[int], Any, TokenChoices | None]:
        """Tokens, how they are gone on from, and which tokens the choices are where their chances are asked for."""
        how, form = self._sampling_params.SamplingParams, self._sampling_params.StructuredOutputsParams
        if request.way != "distribution":
            held = form(json=answer_schema(request.question)) if request.way == "sample" else None
            given = {name: value for name, value in self._sampling.items() if value is not None}
            given["max_tokens"] = min(request.limit or self._max_tokens, self._max_tokens)
            params = how(**given, seed=request.draw % 2**31, structured_outputs=held)
            return self._tokens.prompt(messages(request)), params, None
        choices = self._tokens.choices(request.question)
        tokens = self._tokens.prompt(choices.messages(request))
        return tokens, how(max_tokens=1, logprobs=LIKELIEST), choices


def _library(model: str) -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("vllm")
    except ImportError as error:
        raise ValueError(
            f"{model} needs vLLM in this process, which cannot be loaded ({shown(str(error), 200)}): install it with "
            "pip install '.[gpu]' in Solon's folder, or name a server with population.base_url=http://HOST:PORT"
        ) from None


def _started(model: str, settings: Mapping[str, Setting]) -> Any:
    vllm = _library(model)
    on_cpu = importlib.import_module("vllm.platforms").current_platform.is_cpu()
    usual: dict[str, Any] = {
        "max_logprobs": LIKELIEST,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        # without a GPU: no minutes of compiling, and no parts of prompts, at which its seeds fail
        **({"enforce_eager": True, "enable_chunked_prefill": False} if on_cpu else {}),
    }
    try:
        return vllm.LLM(model=model.partition(":")[2], **{**usual, **settings})
    except Exception as error:
        raise ValueError(f"vLLM cannot run {model}: {type(error).__name__}: {shown(str(error), 400)}") from error


def _read(request: Request, choices: TokenChoices | None, out: Any, read: int) -> Reply:
    if choices is None:
        return Reply(out.text, None, read, len(out.token_ids))
    likely = {token: told.logprob for token, told in out.logprobs[0].items()}
    return chances(Reply("", None, read, len(out.token_ids)), likely, request, choices)
