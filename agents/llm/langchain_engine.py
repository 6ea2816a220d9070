"""Any chat model that LangChain knows, as an engine: a provider's, or an OpenAI-compatible server's."""

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from agents.base import Question
from agents.llm.checks import check_seconds, check_temperature, check_whole
from agents.llm.engine import Reply, Request, Setting, Way
from agents.llm.in_flight import InFlight, complete
from agents.llm.logprobs import choice_log_probs
from agents.llm.loop import Loop
from agents.llm.openai_form import token_count, told_tokens
from agents.llm.prompts import answer_schema, messages
from agents.llm.redact import redact, refuse_secret_values
from agents.llm.replies import shown
from agents.llm.server import check_server

_LIKELIEST = 20  # tokens whose probability OpenAI and vLLM tell at most
_OPENAI_KEY = "OPENAI_API_KEY"
_REFUSED = (400, 404, 415, 422, 501)  # statuses of a server that does not know a part of the request
_LADDER = ((True, True), (True, False), (False, True), (False, False))  # what is asked for: (schema, extras)
_PLAIN_LADDER = _LADDER[1::2]  # of providers that are asked for no extras


class UnknownProvider(ValueError):
    """LangChain knows no such provider."""


class LangChainEngine:
    """The chat model `provider:NAME`. Keys come from the provider's environment variables only.

    The answer's form is asked for as a JSON schema where the provider offers that, else by the words alone. A server
    that refuses schemas or log-probabilities is asked more plainly. `timeout` [seconds] bounds one call with its
    transport retries; `more` goes to the provider as it is (top_p, ...).
    ValueError: unknown provider or package, missing key, unreachable server, unknown model.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        temperature: float | None = 1.0,
        max_tokens: int = 512,
        timeout: float = 60.0,
        max_in_flight: int = 64,
        **more: Setting,
    ) -> None:
        provider, _, name = model.partition(":")
        check_temperature(temperature)
        check_seconds("timeout", timeout)
        check_whole("max_in_flight", max_in_flight)
        check_whole("max_tokens", max_tokens)
        refuse_secret_values(more)
        self.model = model
        given: dict[str, Setting] = {"temperature": temperature, "max_tokens": max_tokens, **more}
        self.parameters = {name: value for name, value in given.items() if name != "max_retries"}
        self._openai = provider == "openai"
        own: tuple[Way, ...] = ("sample", "words")
        self.ways: frozenset[Way] = frozenset((*own, "distribution") if self._openai else own)
        if base_url is not None and self._openai:
            check_server(base_url, name, os.environ.get(_OPENAI_KEY), _OPENAI_KEY)
        self._chat = _chat_model(model, base_url, timeout, given)
        self._timeout, self.max_in_flight, self._max_tokens = timeout, max_in_flight, max_tokens
        self._ladder, self._rung = _LADDER if self._openai else _PLAIN_LADDER, 0
        self._structured: dict[tuple[str, tuple[str, ...]], Runnable[Any, Any]] = {}
        self._loop = _loop(os.getpid())

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """All at once, at most `max_in_flight` at a time."""
        return complete(self, requests)

    def line(self) -> InFlight:
        """Calls in flight."""
        return InFlight(self._loop, self._one)

    async def _one(self, request: Request) -> Reply:
        began = time.perf_counter()
        try:
            message = await asyncio.wait_for(self._asked(request), self._timeout)
        except TimeoutError:
            return _failed(f"timed out: after {self._timeout:g} s", began)
        except Exception as error:  # whatever a provider's library raises: it is named, counted and retried
            return _cut_short(error, began) or _failed(_named(error), began)
        return _reply(message, request, began)

    async def _asked(self, request: Request) -> AIMessage:
        """The model's message, asked for as richly as the server allows."""
        for rung in range(self._rung, len(self._ladder)):
            try:
                answer = await self._runnable(request, *self._ladder[rung]).ainvoke(messages(request))
            except Exception as error:
                if rung + 1 == len(self._ladder) or not _refused(error):
                    raise
            else:
                self._rung = max(self._rung, rung)
                return answer if isinstance(answer, AIMessage) else _raw(answer)
        raise AssertionError("the last rung returns or raises")

    def _runnable(self, request: Request, schema: bool, extras: bool) -> Runnable[Any, Any]:
        schema = schema and request.way != "words"
        if not self._openai:
            return self._with_schema(request.question) if schema else self._chat
        asked: dict[str, Any] = {}
        if extras and request.way == "distribution":
            asked |= {"logprobs": True, "top_logprobs": _LIKELIEST}
        if extras and request.way != "distribution":
            asked |= {"seed": request.draw % 2**31}
        if request.limit:
            asked |= {"max_tokens": min(request.limit, self._max_tokens)}
        if schema:
            form = {"name": "answer", "schema": answer_schema(request.question), "strict": True}
            asked |= {"response_format": {"type": "json_schema", "json_schema": form}}
        return self._chat.bind(**asked) if asked else self._chat

    def _with_schema(self, question: Question) -> Runnable[Any, Any]:
        """The provider's own kind of structured output. NotImplementedError where it has none."""
        known = self._structured.get((question.key, question.choices))
        if known is None:
            schema = {"title": "answer", "description": "The decision.", **answer_schema(question)}
            known = self._chat.with_structured_output(schema, include_raw=True)
            self._structured[question.key, question.choices] = known
        return known


@cache
def _loop(process: int) -> Loop:
    """One for all: the providers' clients keep their connections in common, and these belong to a loop. Not for a
    process that was forked: it has no such thread.
    """
    return Loop()


def _chat_model(model: str, base_url: str | None, timeout: float, settings: Mapping[str, Setting]) -> BaseChatModel:
    provider, _, name = model.partition(":")
    given: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
    if base_url is not None:
        given["base_url"] = base_url
    if provider == "openai":
        given["timeout"] = timeout
        if not os.environ.get(_OPENAI_KEY):
            given["api_key"] = _no_key(model, base_url)
    try:
        return init_chat_model(name, model_provider=provider, **given)
    except ImportError as error:
        raise ValueError(f"model {model!r} needs another package: {shown(str(error))}") from None
    except Exception as error:
        kind = UnknownProvider if type(error) is ValueError else ValueError
        raise kind(f"{model} cannot be set up: {shown(redact(str(error)), 400)}") from None


def check_provider(model: str) -> None:
    """UnknownProvider: LangChain knows none of that name. Whatever else it may lack is not looked at."""
    provider, _, name = model.partition(":")
    try:
        init_chat_model(name, model_provider=provider)
    except Exception as error:
        if type(error) is ValueError:
            raise UnknownProvider(shown(redact(str(error)), 400)) from None


def _no_key(model: str, base_url: str | None) -> str:
    """Local servers want none, but the client insists on one."""
    if base_url is None:
        raise ValueError(
            f"{model} needs a key: set the environment variable {_OPENAI_KEY}; or use a server of your own with "
            "population.base_url=http://HOST:PORT/v1"
        )
    return "none"


def _raw(answer: Mapping[str, Any]) -> AIMessage:
    """The message behind a structured answer; an answer that came as a tool call is put into words."""
    message: AIMessage = answer["raw"]
    parsed = answer.get("parsed")
    return message if message.text or parsed is None else message.model_copy(update={"content": json.dumps(parsed)})


def _reply(message: AIMessage, request: Request, began: float) -> Reply:
    """What a message says. A server may send anything: what cannot be read is a failed reply, paid for nevertheless."""
    tokens = (0, 0)
    try:
        tokens, text = _used(message), message.text
    except Exception as error:
        return _failed(f"unreadable answer: {_named(error)}", began, tokens)
    return Reply(text, _log_probs(message, request), *tokens, time.perf_counter() - began)


def _log_probs(message: AIMessage, request: Request) -> tuple[float, ...] | None:
    """Of every choice; None where they were not asked for or cannot be read: the words may still be an answer."""
    if request.way != "distribution":
        return None
    try:
        return choice_log_probs(told_tokens(message.response_metadata.get("logprobs") or {}), request.question)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def _cut_short(error: Exception, began: float) -> Reply | None:
    """What the client's complaint that a reply was cut (at max_tokens) holds of it: it was paid for."""
    completion: Any = getattr(error, "completion", None)
    try:
        text, usage = completion.choices[0].message.content, completion.usage
        tokens = token_count(usage.prompt_tokens), token_count(usage.completion_tokens)
    except (AttributeError, IndexError, TypeError):
        return None
    return Reply(str(text or ""), None, *tokens, time.perf_counter() - began)


def _used(message: AIMessage) -> tuple[int, int]:
    """Tokens in and out as the server tells them; 0 where it does not."""
    told: Mapping[str, object] = message.usage_metadata or {}
    return token_count(told.get("input_tokens")), token_count(told.get("output_tokens"))


def _failed(error: str, began: float, tokens: tuple[int, int] = (0, 0)) -> Reply:
    return Reply("", None, *tokens, time.perf_counter() - began, error)


def _refused(error: Exception) -> bool:
    """Does the server, or LangChain for this provider, not know a part of the request?"""
    return isinstance(error, NotImplementedError) or _status(error) in _REFUSED


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _named(error: Exception) -> str:
    """ "cause: detail" of whatever a provider's library raised, without secrets."""
    status, kind = _status(error), type(error).__name__
    named = (("Timeout", "timed out"), ("Connection", "no connection"))
    cause = f"HTTP {status}" if status else next((name for part, name in named if part in kind), kind)
    return f"{cause}: {shown(redact(str(error)))}"
