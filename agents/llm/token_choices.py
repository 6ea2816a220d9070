"""Choices as single tokens of a model's own tokenizer, so that one forward pass tells the chance of each.

Where every choice is one token at the place where the answer names it, the answer is asked for as it is. Where not (a
tokenizer that writes 45 as 4 and 5), choices get letters as labels, and the letter is asked for.
"""

import json
import string
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from agents.base import Question
from agents.llm.prompts import json_value

LABELS = string.ascii_uppercase + string.ascii_lowercase + string.digits
Tokenize = Callable[[Question, str], Awaitable[list[int]]]
"""(question, beginning of the answer) -> tokens of the whole prompt with that beginning"""


class NoTokens(ValueError):
    """A tokenizer has no single token for each choice, nor for labels of them."""


@dataclass(frozen=True)
class TokenChoices:
    """How the choices of a question are asked for as single tokens."""

    beginning: str  # of the answer, up to the choice
    tokens: tuple[int, ...]  # [K]
    labelled: bool

    def asked(self, question: Question) -> Question:
        """The question as it is put to the model."""
        return labelled(question) if self.labelled else question


async def token_choices(question: Question, tokenize: Tokenize) -> TokenChoices:
    """For this question, and all with the same key and choices. NoTokens: see there."""
    for with_labels in (False, True):
        if with_labels and len(question.choices) > len(LABELS):
            break
        asked = labelled(question) if with_labels else question
        beginning = answer_beginning(asked)
        found = await _single_tokens(asked, beginning, tokenize)
        if found is not None:
            return TokenChoices(beginning, found, with_labels)
    raise NoTokens(
        f"the model's tokenizer has no token of its own for each of the {len(question.choices)} choices of "
        f"{question.key!r}, nor for letters in their place; ask with way: sample"
    )


async def _single_tokens(question: Question, beginning: str, tokenize: Tokenize) -> tuple[int, ...] | None:
    before = await tokenize(question, beginning)
    found: list[int] = []
    for choice in question.choices:
        after = await tokenize(question, beginning + choice)
        if len(after) != len(before) + 1 or after[:-1] != before:
            return None
        found.append(after[-1])
    return tuple(found) if len(set(found)) == len(found) else None


def answer_beginning(question: Question) -> str:
    """What an answer begins with, as a grammar without spaces writes it."""
    quote = "" if all(isinstance(json_value(c), int) for c in question.choices) else '"'
    return f"{{{json.dumps(question.key)}:{quote}"


def labelled(question: Question) -> Question:
    """The same question, whose answer is the label of a choice."""
    labels = LABELS[: len(question.choices)]
    lines = "\n".join(f"{label} = {choice}" for label, choice in zip(labels, question.choices, strict=True))
    words = f'{question.user}\n\nAnswer with the letter of your choice, in the form {{"{question.key}":"A"}}:\n{lines}'
    return replace(question, user=words, choices=tuple(labels))
