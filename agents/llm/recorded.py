"""A run's answers once more, without any model: its journal is the tape."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from agents.llm.engine import Reply, Request, Setting, Way
from agents.llm.prompts import CallKeys
from agents.llm.reader import JournalReader
from agents.llm.replies import shown


class NotOnTape(ValueError):
    """A request that the recorded run never made."""


class RecordedEngine:
    """Replays a journal under the recorded model's own name and parameters, so that keys are the same.

    `model`, and if need be its `parameters` as canonical JSON, choose among several recorded models. It can be asked in
    the ways that are on the tape. ValueError: nothing is recorded, or the choice is not clear.
    """

    def __init__(self, run_or_file: str | Path, model: str | None = None, parameters: str | None = None) -> None:
        self._tape = JournalReader(run_or_file)
        self.model, parameters = _one(self._tape, model, parameters)
        everything: frozenset[Way] = frozenset(get_args(Way))
        self.ways: frozenset[Way] = self._tape.ways(self.model, parameters) or everything  # of one who was never asked
        self.parameters: dict[str, Setting] = json.loads(parameters)
        self._keys = CallKeys(self.model, self.parameters)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """The recorded replies. NotOnTape if one of them is missing."""
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        found = self._tape.reply(self._keys.of(request))
        if found is None:
            raise NotOnTape(
                f"{self._tape.path} holds no answer of {self.model} to this question ({request.way}, draw "
                f"{request.draw}): “{shown(request.question.user)}”.\n"
                "A recorded run can only be replayed as it was: with its config, its seed and no more episodes than "
                "it had. Name a real model to go beyond it."
            )
        return found


def _one(tape: JournalReader, model: str | None, parameters: str | None) -> tuple[str, str]:
    if model is not None and parameters is not None:
        return model, parameters  # nobody may have been asked of it
    found = [pair for pair in tape.models() if model in (None, pair[0])]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{name} {parameters}" for name, parameters in tape.models()) or "none"
    raise ValueError(f"{tape.path} holds answers of these models: {names}; {_fix(model, len(found))}")


def _fix(model: str | None, found: int) -> str:
    if model is None:
        return "name the one to be replayed as recorded:RUN#MODEL"
    if found == 0:
        return f"none of them is {model}"
    return f"of {model} under several settings, of which agents.llm.recorded.RecordedEngine can be given one"
