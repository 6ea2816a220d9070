"""Models by name: `embedded`, `openai:NAME`, `recorded:RUN`, `mock:uniform`, ..."""

import importlib
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from agents.llm.checks import Limits
from agents.llm.engine import Engine, Setting
from agents.llm.mock import MOCKS, mock
from agents.llm.recorded import RecordedEngine
from agents.llm.redact import redact
from agents.llm.server import check_server, root

_VLLM_KEY = "VLLM_API_KEY"

POSSIBLE = f"""  embedded                the small model that ships with Solon
  embedded:FOLDER         a model folder made by `solon train-embedded`
  openai:NAME             OpenAI, or with base_url=http://HOST:PORT/v1 any OpenAI-compatible server (vLLM, Ollama, ...)
  vllm:NAME               vLLM's own server at base_url=http://HOST:PORT, or several of them; faster than openai:NAME
  vllm:NAME               without base_url: vLLM in this process, on this machine's GPU
  transformers:FOLDER     a chat model in a folder, in this process
  PROVIDER:NAME           any provider that LangChain knows (anthropic:..., google_genai:..., mistralai:...)
  recorded:RUN            the answers in a run folder or journal file, without any model
  recorded:RUN#MODEL      those of one of several models in it
  {", ".join(f"mock:{name}" for name in MOCKS)}   stand-ins for dry runs"""


def engine_for(model: str, base_url: str | Sequence[str] | None = None, **settings: Setting) -> Engine:
    """The engine of that name. `settings` (temperature, max_in_flight, ...) go to the provider's engine.

    ValueError: an unknown name, a missing folder, an unreachable server; the message lists what is possible.
    """
    kind, _, name = model.partition(":")
    local = {"embedded": _embedded, "recorded": _recorded, "mock": _mock}
    if kind in local:
        if base_url is not None or settings:
            extra = ", ".join([*(["base_url"] if base_url else []), *settings])
            raise ValueError(
                f"model {model!r} takes no settings; remove: {extra}; or name the model that they are for, such as "
                "openai:NAME"
            )
        return local[kind](name)
    if not name:
        raise ValueError(f"model {model!r} is not known; choose one of:\n{POSSIBLE}")
    urls = [base_url] if isinstance(base_url, str) else list(base_url or ())
    if base_url is not None and not urls:
        raise ValueError("base_url is an empty list; give an address, or leave it out")
    if kind == "transformers":
        return _transformers(model, urls, settings)
    if kind == "vllm":
        return _vllm(model, urls, settings)
    if len(urls) > 1:
        raise ValueError(f"model {model!r} is asked at one base_url; several are for vllm:NAME")
    return _provider(model, next(iter(urls), None), settings)


def check_name(model: str, base_url: str | Sequence[str] | None = None, **settings: Setting) -> None:
    """ValueError: there can be no such model. No key, package or server is needed to know."""
    kind, _, name = model.partition(":")
    if kind in ("recorded", "mock") or not name:
        engine_for(model, base_url, **settings)
    elif kind not in ("embedded", "vllm", "transformers"):
        module = importlib.import_module("agents.llm.langchain_engine")
        try:
            module.check_provider(model)
        except module.UnknownProvider as error:
            raise _unknown(model, error) from None


def _unknown(model: str, error: Exception) -> ValueError:
    return ValueError(f"model {model!r} is not known ({error}); choose one of:\n{POSSIBLE}")


def _embedded(folder: str) -> Engine:
    """Imported on demand, like the rest: each of these libraries takes seconds to load."""
    if folder and not Path(folder).is_dir():
        raise ValueError(f"there is no model folder {folder}: make one with `solon train-embedded`, or use `embedded`")
    made = importlib.import_module("agents.embedded.engine").EmbeddedEngine
    return cast(Engine, made(Path(folder)) if folder else made())


def _mock(name: str) -> Engine:
    return mock(name or "uniform")


def _recorded(run: str) -> Engine:
    if not run:
        raise ValueError("`recorded` needs a run folder or a journal file: recorded:runs/NAME")
    folder, mark, model = run.partition("#")
    return RecordedEngine(folder, model) if mark and not Path(run).exists() else RecordedEngine(run)


def _transformers(model: str, urls: Sequence[str], settings: dict[str, Setting]) -> Engine:
    if urls:
        raise ValueError(f"{model} runs in this process; take base_url out, or name the server's model openai:NAME")
    known = ("temperature", "dtype", "device", "batch_size", "max_tokens")
    if unknown := [name for name in settings if name not in known]:
        raise ValueError(f"{unknown[0]!r} is no setting of {model}; allowed: {', '.join(known)}")
    return cast(Engine, importlib.import_module("agents.llm.transformers_engine").TransformersEngine(model, **settings))


def _vllm(model: str, urls: Sequence[str], settings: dict[str, Setting]) -> Engine:
    if not urls:
        return cast(Engine, importlib.import_module("agents.llm.vllm_local").LocalVllmEngine(model, **settings))
    key = os.environ.get(_VLLM_KEY)
    for url in urls:
        if urlsplit(url).query:
            raise ValueError(f"base_url {redact(url)!r} has a query, which leads nowhere here; give http://HOST:PORT")
        check_server(f"{root(url)}/v1", model.partition(":")[2], key, _VLLM_KEY)
    limits: dict[str, Any] = {f.name: settings[f.name] for f in fields(Limits) if f.name in settings}
    rest = {name: value for name, value in settings.items() if name not in limits}
    made = importlib.import_module("agents.llm.vllm_engine").VllmEngine
    return cast(Engine, made(model, urls, key, limits=Limits(**limits), **rest))


def _provider(model: str, base_url: str | None, settings: dict[str, Setting]) -> Engine:
    module = importlib.import_module("agents.llm.langchain_engine")
    try:
        return cast(Engine, module.LangChainEngine(model, base_url, **settings))
    except module.UnknownProvider as error:
        raise _unknown(model, error) from None
