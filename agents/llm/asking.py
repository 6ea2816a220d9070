"""Questions on their way to a model: what the journal knows is read, the rest is asked within the budget and kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from agents.llm.budget import Budget, Size
from agents.llm.engine import Engine, Reply, Request, Setting, parameters_of
from agents.llm.journal import Call, Entry, Journal, Tag
from agents.llm.prompts import CallKeys, prompt_bytes
from agents.llm.redact import redactor, refuse_secret_values
from agents.llm.replies import bounded, read

Key = tuple[bytes, int]  # of a call: that of its request, and which attempt it is


class Ask(NamedTuple):
    """A request, the decision that it is for, and which attempt at that it is, from 0."""

    request: Request
    tag: Tag
    attempt: int


@dataclass(frozen=True)
class Books:
    """What may still be asked, and what was answered."""

    keys: CallKeys
    journal: Journal
    budget: Budget
    longest_reply: int  # tokens, of what a call may bring; 0 = hardly any

    def find(self, asks: Sequence[Ask]) -> tuple[list[Key], dict[Key, Entry]]:
        """The key of each, and the kept answers among them."""
        keys = [(self.keys.of(ask.request), ask.attempt) for ask in asks]
        known = dict[Key, Entry]()
        for attempt in {ask.attempt for ask in asks}:
            found = self.journal.find((key for key, which in keys if which == attempt), attempt)
            known |= {(key, attempt): entry for key, entry in found.items()}
        return keys, known

    def check(self, calls: Sequence[Call]) -> None:
        """BudgetSpent: they do not all fit."""
        spent, where = self.journal.spent, str(self.journal.path)
        self.budget.check(spent, len(calls), self.keys.model, lambda: self._size(calls), where)

    def room(self, calls: Sequence[Call], in_flight: int) -> int:
        """How many of these calls fit into the budget beside those in flight."""
        spent, model = self.journal.spent, self.keys.model
        return self.budget.room(spent, len(calls), in_flight, model, lambda: self._size(calls))

    def _size(self, calls: Sequence[Call]) -> Size:
        """As large as one of them may be. Prompts: as the model's largest so far, or the longest of these at as many
        tokens a byte as any had so far; before the first one token a byte, which no tokenizer exceeds. Replies: as the
        largest so far; before the first, and for words, which may be far longer than decisions, the longest there is.
        """
        spent = self.journal.spent.of(self.keys.model)
        longest = max((prompt_bytes(call.request) for call in calls), default=0)
        words = max((call.request.limit for call in calls if call.request.way == "words"), default=0)
        reply = self.longest_reply or words  # not every provider can be told to write less
        if spent.largest_call == 0:
            return Size(longest, reply, longest + reply)
        prompt = max(spent.largest_in, math.ceil(spent.tokens_per_byte * longest))
        if not words:
            return Size(prompt, spent.largest_out, spent.largest_call + prompt - spent.largest_in)
        reply = max(spent.largest_out, reply)
        return Size(prompt, reply, prompt + reply)

    def keep(self, note: int, calls: Sequence[Call], replies: Sequence[Reply], in_flight: int = 0) -> list[Entry]:
        """Commits these answers; as many of the note's calls as `in_flight` are still to come."""
        redact = redactor()
        kept = [_counted(call, bounded(reply, redact)) for call, reply in zip(calls, replies, strict=True)]
        answers = [(reply, read(call.request, reply)) for call, reply in zip(calls, kept, strict=True)]
        return self.journal.keep(note, self.keys, calls, answers, in_flight)


class Desk:
    """An engine behind a journal and a budget. ValueError if a setting looks like a secret."""

    def __init__(self, engine: Engine, journal: Journal, budget: Budget, parameters: Mapping[str, Setting]) -> None:
        settings = {**parameters_of(engine), **parameters}
        refuse_secret_values(settings)
        most = settings.get("max_tokens")
        longest = most if isinstance(most, int) else 0
        self._engine, self.books = engine, Books(CallKeys(engine.model, settings), journal, budget, longest)

    def answers(self, asks: Sequence[Ask]) -> list[Entry]:
        """One kept entry per request. Equal requests are asked once, kept ones never, all others as one batch.

        BudgetSpent: nothing of this batch was asked.
        """
        keys, known = self.books.find(asks)
        new = dict[Key, Call]()
        for key, ask in zip(keys, asks, strict=True):
            if key not in known:
                new.setdefault(key, Call(*key, ask.request, ask.tag))
        if new:
            known |= dict(zip(new, self._ask(list(new.values())), strict=True))
        return [known[key] for key in keys]

    def _ask(self, calls: list[Call]) -> list[Entry]:
        self.books.check(calls)
        note = self.books.journal.sending(len(calls))
        return self.books.keep(note, calls, self._whole(self._engine.complete([c.request for c in calls]), len(calls)))

    def _whole(self, replies: list[Reply], expected: int) -> list[Reply]:
        if len(replies) != expected:
            raise ValueError(f"the engine {self._engine.model!r} gave {len(replies)} replies to {expected} requests")
        return replies


def _counted(call: Call, reply: Reply) -> Reply:
    """Where a server tells no token counts, one token a byte, which no tokenizer exceeds: a budget must hold anyway."""
    if reply.error is not None or reply.tokens_in + reply.tokens_out > 0:
        return reply
    return replace(reply, tokens_in=prompt_bytes(call.request), tokens_out=len(reply.text.encode("utf-8", "replace")))
