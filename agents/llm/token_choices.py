"""Choices as single tokens of a model's own tokenizer, so that one forward pass tells the chance of each.

Where every choice is one token at the place where the answer names it, the answer is asked for as it is. Where not (a
tokenizer that writes 45 as 4 and 5), choices get letters as labels, and the letter is asked for.
"""

import asyncio
import json
import string
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from agents.base import Question
from agents.llm.engine import Request
from agents.llm.prompts import Message, json_value, messages

LETTERS = string.ascii_uppercase + string.ascii_lowercase
Tokenize = Callable[[Question, str], Awaitable[list[int]]]
"""(question, beginning of the answer) -> tokens of the whole prompt with that beginning"""


class NoTokens(ValueError):
    """A tokenizer has no single token for each choice, nor for labels of them."""


@dataclass(frozen=True)
class TokenChoices:
    """How the choices of a question are asked for as single tokens."""

    beginning: str  # of the answer, up to the choice
    tokens: tuple[int, ...]  # [K]
    labels: str  # a letter for each choice; "" = choices are asked for as they are

    def put(self, request: Request) -> Request:
        """The request as the model gets it. Under letters a complaint, which speaks of the choices, is left out."""
        if not self.labels:
            return request
        return replace(request, question=labelled(request.question, self.labels), complaint=None, said=None)

    def messages(self, request: Request) -> list[Message]:
        """The request in words, with the beginning of the answer, from where the model is to go on."""
        return begun(self.put(request), self.beginning)


def begun(request: Request, beginning: str) -> list[Message]:
    """A request in words, and the beginning of its answer."""
    return [*messages(request), ("assistant", beginning)]


async def token_choices(question: Question, tokenize: Tokenize) -> TokenChoices:
    """For this question, and all with the same key and choices. NoTokens: see there."""
    for form in forms(question):
        split = await asyncio.gather(*(tokenize(form.asked, text) for text in form.texts))
        if (found := form.single_tokens(split)) is not None:
            return found
    raise _no_tokens(question)


def local_token_choices(question: Question, tokenize: Callable[[Question, str], list[int]]) -> TokenChoices:
    """The same, with a tokenizer that is here."""
    for form in forms(question):
        if (found := form.single_tokens([tokenize(form.asked, text) for text in form.texts])) is not None:
            return found
    raise _no_tokens(question)


@dataclass(frozen=True)
class Form:
    """One way to ask for the choices, which may have tokens of their own in it."""

    asked: Question
    letters: str

    @property
    def beginning(self) -> str:
        """Of the answer."""
        return answer_beginning(self.asked)

    @property
    def texts(self) -> list[str]:
        """What has to be split into tokens to know: the beginning, and with each choice."""
        return [self.beginning, *(self.beginning + choice for choice in self.asked.choices)]

    def single_tokens(self, split: Sequence[list[int]]) -> TokenChoices | None:
        """`split`: the tokens of each of the texts."""
        before, *after = split
        if any(len(tokens) != len(before) + 1 or tokens[:-1] != before for tokens in after):
            return None
        found = tuple(tokens[-1] for tokens in after)
        return TokenChoices(self.beginning, found, self.letters) if len(set(found)) == len(found) else None


def forms(question: Question) -> Iterator[Form]:
    """As it is, then with letters."""
    yield Form(question, "")
    if letters := labels(question.choices):
        yield Form(labelled(question, letters), letters)


def _no_tokens(question: Question) -> NoTokens:
    return NoTokens(
        f"the model's tokenizer has no token of its own for each of the {len(question.choices)} choices of "
        f"{question.key!r}, nor for letters in their place; ask with way: sample"
    )


def answer_beginning(question: Question) -> str:
    """What an answer begins with, as a grammar without spaces writes it."""
    quote = "" if all(isinstance(json_value(c), int) for c in question.choices) else '"'
    return f"{{{json.dumps(question.key)}:{quote}"


def labels(choices: tuple[str, ...]) -> str:
    """A letter for each choice, none of which begins a choice: it would be taken for it. "" = there are too few."""
    free = [letter for letter in LETTERS if not any(choice.startswith(letter) for choice in choices)]
    return "".join(free[: len(choices)]) if len(choices) <= len(free) else ""


def labelled(question: Question, letters: str) -> Question:
    """The same question, whose answer is the letter of a choice."""
    lines = "\n".join(f"{letter} = {choice}" for letter, choice in zip(letters, question.choices, strict=True))
    form = f'{{"{question.key}":"{letters[0]}"}}'
    words = f"{question.user}\n\nAnswer with the letter of your choice, in the form {form}:\n{lines}"
    return replace(question, user=words, choices=tuple(letters))
