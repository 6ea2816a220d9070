"""Prompts as a model gets them: what a society, and somebody's own mind, tell somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.llm.engine import Engine, Request, Rewording
from agents.llm.prompts import Message, answer_schema, messages
from experiments.cast import society_of
from experiments.config import Config, config_of
from experiments.errors import UserError
from experiments.estimate import LETTERS, questions, started, tokens
from experiments.minds import check_minds, foreseen, has_minds
from experiments.models import parts_of
from personas.load import load_persona, read_tree
from personas.rosters import Rosters, Village, open_rosters, shared_numbers
from societies.base import Society


@dataclass(frozen=True)
class Prompt:
    """One request, and how long it is."""

    request: Request
    messages: list[Message]  # as sent
    tokens: int
    counted: bool  # by the model's own tokenizer

    @property
    def begun(self) -> bool:
        """Is the answer begun for the model, which is to tell the chance of each choice as the next token?"""
        return self.messages[-1][0] == "assistant"

    @property
    def schema(self) -> dict[str, object] | None:
        """Of the answer; None where words are asked for, or the next token alone."""
        return None if self.begun or self.request.way == "words" else answer_schema(self.request.question)

    @property
    def length(self) -> str:
        """In words."""
        return (
            f"{self.tokens:,} tokens" if self.counted else f"about {self.tokens:,} tokens ({LETTERS} characters each)"
        )


def config(society: str, people: Path, model: str, base_url: str | None, words: Sequence[str]) -> Config:
    """Of a run with these people, as far as its prompts are concerned. UserError."""
    population = {"people": str(people), "model": model, "base_url": base_url}
    return config_of({"name": "prompt", "society": {"name": society}, "population": population}, words)


def neighbours(society: Society, file: Path) -> Rosters:
    """Of a persona file that person, and as many others who are the same; of a population file a roster of it.
    UserError: a person lacks what the society needs. PersonaFileError.
    """
    data = read_tree(file).data
    if not isinstance(data, dict) or "size" in data:
        return open_rosters(file, society.agents, "all", society.attributes_used, society.traits_used)
    person = load_persona(file)
    lacking = [name for name in society.attributes_used if name not in shared_numbers([person])]
    lacking += [name for name in society.traits_used if name not in person.traits]
    if lacking:
        raise UserError(
            f"{person.name} lacks what {society.name} needs: {', '.join(lacking)}",
            where=str(file),
            fix="name somebody who has that, or a population file: personas/populations has visitors.yaml for the "
            "facility towns, street.yaml for facility_line and gatherers.yaml for teams",
        )
    return Village((person,) * society.agents, society.agents)


def prompts(config: Config, step: int) -> list[Prompt]:
    """What the first of the people is asked at `step` under random rules, one after the other; the last is what they
    decide. UserError: there is no such step.
    """
    society = society_of(config)
    engine = started(parts_of(config)[0])
    check_minds(config, society, engine)
    rosters = neighbours(society, Path(config.population.people))
    asked = _of_the_first(config, society, rosters)
    if not 0 <= step < len(asked):
        raise UserError("there is no such step", where=f"--step {step}", fix=f"give one from 0 to {len(asked) - 1}")
    return [_prompt(engine, request) for request in asked[step]]


def _prompt(engine: Engine | None, request: Request) -> Prompt:
    count, exact = tokens(engine, [request])
    sent = engine.sent(request) if isinstance(engine, Rewording) else messages(request)
    return Prompt(request, sent, round(count), exact)


def _of_the_first(config: Config, society: Society, rosters: Rosters) -> list[list[Request]]:
    """Step by step."""
    if not has_minds(config, society):
        asked = questions(society, rosters, 0)[:: society.agents]
        return [[Request(question, config.population.way)] for question in asked]
    steps: list[list[Request]] = [[]]
    for wave in foreseen(config, society, rosters, 0, longest=False):
        steps[-1].append(wave[0])
        if wave[0].way != "words":
            steps.append([])
    return steps[:-1]
