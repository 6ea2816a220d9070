"""One batch of questions: what the journal knows is read, the rest is asked within the budget and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.llm.budget import Budget
from agents.llm.engine import Engine, Reply, Request, Setting, parameters_of
from agents.llm.journal import Call, Entry, Journal, Tag
from agents.llm.prompts import CallKeys, messages
from agents.llm.redact import redactor, refuse_secret_values
from agents.llm.replies import bounded, read


class Desk:
    """An engine behind a journal and a budget. ValueError if a setting looks like a secret."""

    def __init__(self, engine: Engine, journal: Journal, budget: Budget, parameters: Mapping[str, Setting]) -> None:
        settings = {**parameters_of(engine), **parameters}
        refuse_secret_values(settings)
        self._engine, self._journal, self._budget = engine, journal, budget
        self._keys = CallKeys(engine.model, settings)

    def answers(self, asks: Sequence[tuple[Request, Tag]], attempt: int) -> list[Entry]:
        """One kept entry per request (`Tag`: the decision it is for). Equal requests are asked once, kept ones never.

        BudgetSpent: nothing of this batch was asked.
        """
        keys = [self._keys.of(request) for request, _ in asks]
        known = self._journal.find(keys, attempt)
        calls: dict[bytes, Call] = {}
        for key, (request, tag) in zip(keys, asks, strict=True):
            if key not in known:
                calls.setdefault(key, Call(key, attempt, request, tag))
        if calls:
            known |= dict(zip(calls, self._ask(list(calls.values())), strict=True))
        return [known[key] for key in keys]

    def _ask(self, calls: list[Call]) -> list[Entry]:
        self._budget.check(self._journal.spent, len(calls), lambda: _bytes(calls), str(self._journal.path))
        note = self._journal.sending(len(calls))
        replies = self._whole(self._engine.complete([c.request for c in calls]), len(calls))
        redact = redactor()
        kept = [_counted(c, bounded(reply, redact)) for c, reply in zip(calls, replies, strict=True)]
        answers = [(reply, read(c.request, reply)) for c, reply in zip(calls, kept, strict=True)]
        return self._journal.keep(note, self._keys, calls, answers)

    def _whole(self, replies: list[Reply], expected: int) -> list[Reply]:
        if len(replies) != expected:
            raise ValueError(f"the engine {self._engine.model!r} gave {len(replies)} replies to {expected} requests")
        return replies


def _counted(call: Call, reply: Reply) -> Reply:
    """Where a server tells no token counts, one token a byte, which no tokenizer exceeds: a budget must hold anyway."""
    if reply.error is not None or reply.tokens_in + reply.tokens_out > 0:
        return reply
    return replace(reply, tokens_in=_bytes([call]), tokens_out=len(reply.text.encode("utf-8", "replace")))


def _bytes(calls: Sequence[Call]) -> int:
    """The length of all prompts."""
    return sum(len(text.encode("utf-8", "replace")) for c in calls for _, text in messages(c.request))
