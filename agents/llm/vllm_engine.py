"""vLLM's own server as an engine: whole rounds in flight at once, over as many servers as there are.

`distribution` costs one token out: the answer is begun for the model, and what is asked for is the chance of every
token that may come next, of which each choice is one (`agents.llm.token_choices`). vLLM tells these before any grammar
and before any temperature, so that what is not a choice shows as missing.
"""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agents.base import Question
from agents.llm.checks import Limits, check_temperature, check_whole
from agents.llm.engine import Reply, Request, Setting, Way
from agents.llm.openai_form import log_prob, token_count
from agents.llm.prompts import answer_schema, in_words, messages
from agents.llm.redact import refuse_secret_values
from agents.llm.sending import Failed, Sender
from agents.llm.server import root
from agents.llm.token_choices import NoTokens, TokenChoices, token_choices

_LIKELIEST = (64, 20)  # tokens whose chance is asked for: what `solon serve` allows, what every server does
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
        self.model, self._name = model, model.partition(":")[2]
        self.ways: frozenset[Way] = frozenset({"sample", "distribution"})
        self.parameters: dict[str, Setting] = {"temperature": temperature, "max_tokens": max_tokens, **more}
        self._sender = Sender([root(url) for url in base_urls], limits, key)
        self._most_at_once, self._likeliest = limits.max_in_flight, list(_LIKELIEST)
        self._choices: dict[tuple[str, tuple[str, ...]], asyncio.Task[TokenChoices]] = {}

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """All at once, at most `max_in_flight` at a time."""
        return self._sender.loop.run(self._all(requests))

    async def _all(self, requests: Sequence[Request]) -> list[Reply]:
        gate = asyncio.Semaphore(self._most_at_once)

        async def one(request: Request) -> Reply:
            async with gate:
                return await self._one(request)

        return list(await asyncio.gather(*(one(r) for r in requests)))

    async def _one(self, request: Request) -> Reply:
        began = time.perf_counter()
        try:
            reply = await (self._told(request) if request.way == "distribution" else self._said(request))
        except (Failed, NoTokens) as failure:
            reply = Reply("", error=str(failure))
        return replace(reply, seconds=time.perf_counter() - began)

    async def _said(self, request: Request) -> Reply:
        """One action, in words that the server holds to the answer's form."""
        asked = {
            **self._message(request, request.question),
            **{name: value for name, value in self.parameters.items() if value is not None},
            "seed": request.draw % 2**31,
            "structured_outputs": {"json": answer_schema(request.question)},
        }
        body, faults = await self._sender.post(_CHAT, asked)
        return _read(body, faults)

    async def _told(self, request: Request) -> Reply:
        """The chance of every choice."""
        choices = await self._token_choices(request.question)
        asked = {
            **self._message(request, choices.asked(request.question), choices.beginning),
            "max_tokens": 1,
            "temperature": 1.0,
            "seed": request.draw % 2**31,
            "logprobs": True,
            "return_tokens_as_token_ids": True,
        }
        body, faults = await self._with_likeliest(asked)
        return _chances(_read(body, faults), body, request, choices)

    async def _with_likeliest(self, asked: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """With as many of the likeliest tokens as the server tells."""
        while True:
            most = self._likeliest[0]
            try:
                return await self._sender.post(_CHAT, {**asked, "top_logprobs": most})
            except Failed as failure:
                if failure.status != 400 or most == _LIKELIEST[-1]:
                    raise
                if most == self._likeliest[0]:  # else another call has found out meanwhile
                    self._likeliest.pop(0)

    async def _token_choices(self, question: Question) -> TokenChoices:
        """Found once for every set of choices, whoever asks first."""
        form = question.key, question.choices
        if form not in self._choices:
            self._choices[form] = asyncio.ensure_future(token_choices(question, self._tokens))
        try:
            return await asyncio.shield(self._choices[form])
        except Failed:
            self._choices.pop(form, None)  # the next call tries again
            raise

    async def _tokens(self, question: Question, beginning: str) -> list[int]:
        body, _ = await self._sender.post(
            _TOKENIZE, self._message(Request(question, "distribution"), question, beginning)
        )
        try:
            return [int(token) for token in body["tokens"]]
        except (KeyError, TypeError, ValueError):
            raise Failed("unreadable answer: of the server's /tokenize; is it vLLM?") from None

    def _message(self, request: Request, question: Question, beginning: str | None = None) -> dict[str, Any]:
        """The words, with the beginning of the answer if the model is to go on from there."""
        told = [{"role": role, "content": text} for role, text in messages(replace(request, question=question))]
        if beginning is None:
            return {"model": self._name, "messages": told}
        told.append({"role": "assistant", "content": beginning})
        return {"model": self._name, "messages": told, "add_generation_prompt": False, "continue_final_message": True}


def _read(body: Any, faults: Sequence[str]) -> Reply:
    """The words and what they cost. Failed: they are of another form."""
    try:
        text, usage = body["choices"][0]["message"]["content"], body.get("usage") or {}
        tokens = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Failed("unreadable answer: no message in it") from None
    return Reply(str(text or ""), None, *tokens, faults=tuple(faults))


def _chances(reply: Reply, body: Any, request: Request, choices: TokenChoices) -> Reply:
    """With the log-probability of each choice; those that are not among the likeliest tokens have none."""
    try:
        place = body["choices"][0]["logprobs"]["content"][0]
        likely = {_token_id(told["token"]): log_prob(told["logprob"]) for told in place["top_logprobs"]}
        drawn = _token_id(place["token"])
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return replace(reply, text=choices.beginning + reply.text)
    log_probs = tuple(likely.get(token, -math.inf) for token in choices.tokens)
    named = drawn in choices.tokens
    text = in_words(request, choices.tokens.index(drawn)) if named else choices.beginning + reply.text
    return replace(reply, text=text, log_probs=log_probs)


def _token_id(told: str) -> int:
    """Of "token_id:123"."""
    return int(told.partition(":")[2])
