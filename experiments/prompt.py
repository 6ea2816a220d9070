"""One prompt as a model gets it: what a society tells somebody."""

from dataclasses import dataclass
from pathlib import Path

from agents.base import Question
from agents.llm.engine import Request
from agents.llm.models import engine_for
from agents.llm.prompts import Message, messages
from experiments.errors import UserError
from experiments.estimate import LETTERS, at_hand, questions, tokens
from personas.load import load_persona, read_tree
from personas.rosters import Rosters, Village, open_rosters, shared_numbers
from societies.base import Society
from societies.catalog import load


@dataclass(frozen=True)
class Prompt:
    """The messages, and how long they are."""

    question: Question
    messages: list[Message]
    tokens: int
    counted: bool  # by the model's own tokenizer

    @property
    def length(self) -> str:
        """In words."""
        return (
            f"{self.tokens:,} tokens" if self.counted else f"about {self.tokens:,} tokens ({LETTERS} characters each)"
        )


def society(name: str) -> Society:
    """UserError: there is none of that name."""
    try:
        return load(name)
    except ValueError as error:
        raise UserError(str(error), where=name) from None


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


def prompt(society: Society, rosters: Rosters, step: int, model: str, base_url: str | None) -> Prompt:
    """What the first of them is told at `step`, where all follow the society's scripted rules under random mechanisms.
    UserError: there is no such step.
    """
    asked = questions(society, rosters, 0)[:: society.agents]
    if not 0 <= step < len(asked):
        raise UserError("there is no such step", where=f"--step {step}", fix=f"give one from 0 to {len(asked) - 1}")
    told = messages(Request(asked[step], "sample"))
    count, counted = tokens(engine_for(model, base_url) if at_hand(model, base_url) else None, [asked[step]])
    return Prompt(asked[step], told, round(count), counted)
