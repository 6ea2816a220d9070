"""Prompts as tokens, by the tokenizer and the chat template of a model that runs in this process."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.base import Question
from agents.llm.engine import Request
from agents.llm.prompts import Message
from agents.llm.token_choices import TokenChoices, begun, local_token_choices


class TooLong(ValueError):
    """A prompt does not fit into what a model can read."""


class LocalTokens:
    """A tokenizer of `transformers`. `longest`: tokens that the model can read, its reply included; None = not known.
    ValueError: it has no chat template.
    """

    def __init__(self, tokenizer: Any, model: str, longest: int | None = None) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise ValueError(
                f"{model} has no chat template, so it cannot be told who it is; name a model that is made for chats "
                "(an -Instruct one), or put a chat_template.jinja into its folder"
            )
        self._tokenizer, self.longest = tokenizer, longest
        self._choices: dict[tuple[str, tuple[str, ...]], TokenChoices] = {}

    def choices(self, question: Question) -> TokenChoices:
        """How its choices are single tokens. NoTokens: they are none."""
        form = question.key, question.choices
        if form not in self._choices:
            told = local_token_choices(question, lambda asked, text: self.prompt(begun(Request(asked, "sample"), text)))
            self._choices[form] = told
        return self._choices[form]

    def prompt(self, told: Sequence[Message]) -> list[int]:
        """The tokens of messages. Where the last is the model's own, it is to go on from there. TooLong."""
        begun = told[-1][0] == "assistant"
        more: Mapping[str, Any] = {"continue_final_message": True} if begun else {"add_generation_prompt": True}
        chat = [{"role": role, "content": text} for role, text in told]
        tokens = list(self._tokenizer.apply_chat_template(chat, tokenize=True, return_dict=False, **more))
        if self.longest is not None and len(tokens) >= self.longest:
            raise TooLong(f"prompt too long: {len(tokens):,} tokens, of {self.longest:,} that the model can read")
        return tokens

    def words(self, tokens: list[int]) -> str:
        """What they spell, without the marks that end a message."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))
