"""The embedded model as people whom an exam asks: its whole distributions over what is open, without a journal."""

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.base import Decisions, Question, Round
from agents.embedded.engine import EmbeddedEngine
from experiments.embedded_held_out import narrowed
from learning.draws import Draws
from personas.people import People


def answers(engine: EmbeddedEngine, questions: Sequence[Question], offered: Tensor) -> Tensor:
    """The model's probabilities [M, K]; zero for what is not offered [M, K]."""
    found = torch.zeros(offered.shape)
    found[offered] = torch.cat(engine.scores(questions)).exp()
    return found


class Asked:
    """People who answer by the engine's distributions over what is open; the same draws as scripted people take."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self.engine = engine

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        worlds, agents, _ = round.choices.shape
        asked = [narrowed(round.question(w, n), round.choices[w, n]) for w in range(worlds) for n in range(agents)]
        told = answers(self.engine, asked, round.choices.flatten(0, 1)).unflatten(0, (worlds, agents))
        return None, Decisions(draws.choice("decision", round.step, told.log()), told.log())
