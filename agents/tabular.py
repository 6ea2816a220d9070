"""People who choose by a table of what every choice is worth in every situation, as Q-learning fills it.

A situation is the step, what the society makes of a view (`societies.base.Tabular`), and in which part of its range
each of one's own private traits lies. All people share one table, or each seat has its own, so that people who
are alike can come to do different things. A table does not hold the rules in force: it is for rules that stay.
`societies.tabular` fills it. Shapes: B worlds, N agents, K choices, S situations.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from agents.base import Decisions, Round
from agents.rl import SHUT
from learning.draws import Draws
from personas.people import People


@dataclass(frozen=True)
class Form:
    """What a table was made for."""

    society: str
    seats: int  # N, where each seat has a table of its own; 1 = one for all
    steps: int  # T
    situations: int  # of the society alone
    choices: int  # K
    traits: tuple[str, ...]
    parts: int  # of the range of each trait, all of the same width
    payoffs: str = ""  # of the game, where there are any

    @property
    def rows(self) -> int:
        """S, the step and one's traits included."""
        return self.steps * self.situations * self.parts ** len(self.traits)


@dataclass(frozen=True)
class Table:
    """`worth` [N, S, K]: payoff that is expected of each choice, and of what comes after it."""

    form: Form
    worth: Tensor

    def row(self, round: Round) -> Tensor:
        """[B, N] int64 the situation of everyone, counted through all seats.

        ValueError where the society tells none, or others, or has other seats.
        """
        if round.situation is None:
            raise ValueError(f"people with a table need a society with few situations, such as {self.form.society}")
        row = round.situation() + self.form.situations * round.step
        for name in self.form.traits:
            part = (self.form.parts * round.people.trait(name)).long().clamp_max(self.form.parts - 1)
            row = row * self.form.parts + part
        seats, choices = round.choices.shape[1:]
        if self.form.seats not in (1, seats) or choices != self.form.choices or int(row.max()) >= self.form.rows:
            raise ValueError(
                f"these people learned in {self.form.society}, {self.form.seats} to a world (1 = any number) and with "
                f"{self.form.choices} choices; this is another society, or another number of people"
            )
        return row + self.form.rows * torch.arange(self.form.seats)


class TabularPopulation:
    """People who do what is worth most to them by the table. `tells_distribution`: as for scripted people."""

    def __init__(self, table: Table, tells_distribution: bool = True) -> None:
        self.table, self.tells_distribution = table, tells_distribution

    def start(self, people: People) -> None:
        return None

    def log_probs(self, worth: Tensor, open_: Tensor) -> Tensor:
        """[B, N, K] one of the open choices for sure, by what each is worth [B, N, K]."""
        best = worth.masked_fill(~open_, -torch.inf).argmax(-1, keepdim=True)
        return torch.full_like(worth, SHUT).scatter(-1, best, 0.0).masked_fill(~open_, SHUT)

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        log_probs = self.log_probs(self.table.worth.flatten(0, 1)[self.table.row(round)], round.choices)
        action = draws.choice("decision", round.step, log_probs)
        action = torch.where(round.choices.any(-1), action, -1)
        return None, Decisions(action, log_probs if self.tells_distribution else None)


def save_table(table: Table, path: Path) -> None:
    """One safetensors file: the table, and its form as JSON in the header."""
    path.write_bytes(save({"worth": table.worth.contiguous()}, {"form": json.dumps(asdict(table.form))}))


def load_table(path: Path) -> Table:
    """What `save_table` wrote. ValueError naming the file where it is not there or no such table."""
    try:
        with safe_open(path, "pt") as file:
            told: dict[str, Any] = json.loads((file.metadata() or {})["form"])
            told["traits"] = tuple(told["traits"])  # JSON knows no tuples
            form = Form(**told)
            worth = file.get_tensor("worth")
        if worth.shape != (form.seats, form.rows, form.choices):
            raise ValueError(f"tables of {list(worth.shape)}, not {[form.seats, form.rows, form.choices]}")
        if not worth.isfinite().all():
            raise ValueError("what choices are worth is not finite everywhere")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no people with a table ({error}): train them anew") from error
    return Table(form, worth)
