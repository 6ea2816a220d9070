"""vLLM's own server as an engine: many calls in flight at once, over as many servers as there are.

`distribution` costs one token out: the answer is begun for the model, and what is asked for is the chance of every
token that may come next, of which each choice is one (`agents.llm.token_choices`). vLLM tells these before any grammar
and, unless it was started with another `--logprobs-mode`, before any temperature and any other setting of sampling; so
what is not a choice shows as missing.
"""

import asyncio
import math
import operator
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from agents.base import Question
from agents.llm.checks import Limits, check_temperature, check_whole
from agents.llm.engine import Reply, Request, Setting, Way
from agents.llm.in_flight import InFlight, complete
from agents.llm.openai_form import log_prob, token_count
from agents.llm.prompts import Message, answer_schema, in_words, messages
from agents.llm.redact import redact, refuse_secret_values
from agents.llm.replies import shown
from agents.llm.sending import Failed, Sender
from agents.llm.server import root
from agents.llm.token_choices import NoTokens, TokenChoices, begun, token_choices

LIKELIEST, _FEWER = (
    64,
    20,
)  # tokens whose chance is asked for; a server allows the second unless it is told to allow more
SAMPLING = (
    *("top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "min_tokens"),
    *("stop", "logit_bias"),
)
"""Settings that are passed on to the server; they hold for single actions."""
_T = TypeVar("_T")
_CHAT, _TOKENIZE = "/v1/chat/completions", "/tokenize"


class VllmEngine:
    """The model NAME on one or several vLLM servers, as `vllm:NAME`. `key`: what the servers want as a key, if any.

    A question is asked by its choices where each is one token of the model's tokenizer, else by letters as labels.
    ValueError: a setting that cannot be, or no server.
    """

    def __init__(
        self,
        model: str,
        base_urls: Sequence[str],
        key: str | None = None,
        temperature: float | None = 1.0,
        max_tokens: int = 512,
        limits: Limits = Limits(),
        **more: Setting,
    ) -> None:
        check_temperature(temperature)
        check_whole("max_tokens", max_tokens)
        refuse_secret_values(more)
        _check_sampling(more)
        self.model, self._name = model, model.partition(":")[2]
        self.ways: frozenset[Way] = frozenset({"sample", "distribution", "words"})
        self.parameters: dict[str, Setting] = {"temperature": temperature, "max_tokens": max_tokens, **more}
        self._sender = Sender([root(url) for url in base_urls], limits, key)
        self.max_in_flight, self._likeliest = limits.max_in_flight, LIKELIEST
        self._choices: dict[tuple[str, tuple[str, ...]], asyncio.Task[TokenChoices]] = {}

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """All at once, at most `max_in_flight` at a time."""
        return complete(self, requests)

    def tokens(self, request: Request) -> int:
        """Of the whole prompt, as the server splits it."""
        return len(self._told_by_server(self._split(self.sent(request))))

    def sent(self, request: Request) -> list[Message]:
        """The messages; where the chances of choices are asked for, the answer is begun for the model."""
        if request.way != "distribution":
            return messages(request)
        return self._told_by_server(self._token_choices(request.question)).messages(request)

    def _told_by_server(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            return self._sender.loop.run(work)
        except Failed as failure:
            raise ValueError(f"{self.model} does not tell how a prompt is split into tokens: {failure}") from None

    def line(self) -> InFlight:
        """Calls in flight to all servers."""
        return InFlight(self._sender.loop, self._one)

    async def _one(self, request: Request) -> Reply:
        began, ends = time.perf_counter(), self._sender.deadline()
        try:
            reply = await (self._told if request.way == "distribution" else self._said)(request, ends)
        except Failed as failure:
            reply = Reply("", error=str(failure), faults=failure.faults)
        except Exception as error:  # whatever a server's answer may lead to: it is named, counted and retried
            cause = "" if isinstance(error, NoTokens) else f"{type(error).__name__}: "
            reply = Reply("", error=f"{cause}{shown(redact(str(error)), 400)}")
        return replace(reply, seconds=time.perf_counter() - began)

    async def _said(self, request: Request, ends: float) -> Reply:
        """One action, in words that the server holds to the answer's form; or free words."""
        form = {"structured_outputs": {"json": answer_schema(request.question)}} if request.way == "sample" else {}
        asked = {
            **self._body(messages(request)),
            **{name: value for name, value in self.parameters.items() if value is not None},
            "seed": request.draw % 2**31,
            **form,
            "max_tokens": self._most_tokens(request),
        }
        body, faults = await self._sender.post(_CHAT, asked, ends)
        return _read(body, faults)

    def _most_tokens(self, request: Request) -> Setting:
        most = self.parameters["max_tokens"]
        return min(request.limit, most) if request.limit and isinstance(most, int) else most

    async def _told(self, request: Request, ends: float) -> Reply:
        """The chance of every choice."""
        choices = await self._token_choices(request.question)
        asked = {
            **self._body(choices.messages(request)),
            "max_tokens": 1,
            "temperature": 1.0,
            "logprobs": True,
            "return_tokens_as_token_ids": True,
        }
        body, faults = await self._with_likeliest(asked, ends)
        return _chances(_read(body, faults), body, request, choices)

    async def _with_likeliest(self, asked: Mapping[str, Any], ends: float) -> tuple[Any, list[str]]:
        """With as many of the likeliest tokens as the server tells. It is asked for fewer from when that alone has
        helped.
        """
        most, fewer = self._likeliest, _FEWER
        try:
            return await self._sender.post(_CHAT, {**asked, "top_logprobs": most}, ends)
        except Failed as failure:
            if failure.status != 400 or most == fewer:
                raise
        answer = await self._sender.post(_CHAT, {**asked, "top_logprobs": fewer}, ends)
        self._likeliest = fewer
        return answer

    async def _token_choices(self, question: Question) -> TokenChoices:
        """Found once for every set of choices, whoever asks first."""
        form = question.key, question.choices
        task = self._choices.get(form)
        if task is None:
            task = self._choices[form] = asyncio.ensure_future(token_choices(question, self._tokens))
        try:
            return await asyncio.shield(task)
        except NoTokens:
            raise
        except Exception:
            if self._choices.get(form) is task:
                del self._choices[form]  # the next call tries again
            raise

    async def _tokens(self, question: Question, beginning: str) -> list[int]:
        return await self._split(begun(Request(question, "distribution"), beginning))

    async def _split(self, told: Sequence[Message]) -> list[int]:
        try:
            body, _ = await self._sender.post(_TOKENIZE, self._body(told), self._sender.deadline())
            return [operator.index(token) for token in body["tokens"]]
        except Failed as failure:
            if failure.status != 404:
                raise
            raise Failed("no /tokenize: the server is not vLLM's own; name it openai:NAME", may_pass=False) from None
        except (KeyError, TypeError):
            raise Failed("unreadable answer: of the server's /tokenize", may_pass=False) from None

    def _body(self, told: Sequence[Message]) -> dict[str, Any]:
        """Where the last of the messages is the model's own, it is to go on from there."""
        body = {"model": self._name, "messages": [{"role": role, "content": text} for role, text in told]}
        going_on = {"add_generation_prompt": False, "continue_final_message": True}
        return {**body, **going_on} if told[-1][0] == "assistant" else body


def _check_sampling(settings: Mapping[str, Setting]) -> None:
    for name in settings:
        if name not in SAMPLING:
            known = ("temperature", "max_tokens", *(f.name for f in fields(Limits)), *SAMPLING)
            raise ValueError(f"{name!r} is no setting of a vLLM server; allowed: {', '.join(known)}")


def _read(body: Any, faults: Sequence[str]) -> Reply:
    """The words and what they cost. Failed: they are of another form."""
    try:
        text, usage = body["choices"][0]["message"]["content"], body.get("usage") or {}
        tokens = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Failed("unreadable answer: no message in it") from None
    return Reply(str(text or ""), None, *tokens, faults=tuple(faults))


def _chances(reply: Reply, body: Any, request: Request, choices: TokenChoices) -> Reply:
    try:
        told = body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        likely = {_token_id(one["token"]): log_prob(one["logprob"]) for one in told}
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError):
        return replace(reply, text="", error="no log-probabilities that can be read")
    return chances(reply, likely, request, choices)


def chances(reply: Reply, likely: Mapping[int, float], request: Request, choices: TokenChoices) -> Reply:
    """The reply with the log-probability of each choice; those that are not among the likeliest tokens have none. Its
    words are those of the likeliest choice: which token was drawn says nothing more.
    """
    log_probs = tuple(likely.get(token, -math.inf) for token in choices.tokens)
    most = max(range(len(log_probs)), key=log_probs.__getitem__)
    return replace(reply, text=in_words(request, most), log_probs=log_probs)


def _token_id(told: Any) -> int:
    """Of "token_id:123"."""
    return int(str(told).partition(":")[2])
