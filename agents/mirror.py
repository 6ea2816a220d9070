"""People who learn while they live, by magnetic mirror descent (Sokota et al. 2023, arXiv 2206.05825).

In every step each moves from what it did so far towards better choices, and towards a magnet, all choices alike:

    log p'  =  (log p + step (q + temperature log m)) / (1 + step temperature)  + constant

with q what each choice is worth, in the scripted people's own units: with temperature 1 it rests where these are at
once, in the quantal response; with less, people are surer of what is best; with more, they care less. So the
temperature is how rational somebody is, and the step how fast. Everyone has a temperature of its own, which is hidden.
Shapes: B worlds, N agents, K choices.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.base import Decisions, Round
from agents.rl import SHUT
from learning.draws import Draws
from personas.people import People


@dataclass(frozen=True)
class MirrorSettings:
    """How rational people are, and how fast they learn."""

    temperature: float = 1.0  # of the middle one, in those of the scripted people
    spread: float = 0.5  # standard deviation of its logarithm among people
    step: float = 1.0


class MirrorPopulation:
    """See the module. ValueError for settings that make no sense. `tells_distribution`: as for scripted people."""

    def __init__(self, settings: MirrorSettings, tells_distribution: bool = True) -> None:
        if not (0 < settings.temperature < math.inf and 0 < settings.step < math.inf and 0 <= settings.spread < 10):
            raise ValueError(f"{settings}: temperature and step must be above 0 and finite, spread 0 to 10")
        self.settings, self.tells_distribution = settings, tells_distribution

    def start(self, people: People) -> None:
        """Nobody has done anything yet."""
        return None

    def decide(self, memory: Tensor | None, round: Round, draws: Draws) -> tuple[Tensor, Decisions]:
        """The memory is log p [B, N, K]; at first that of the magnet, which nothing that is shut belongs to."""
        open_ = round.choices
        even = torch.zeros(open_.shape).masked_fill(~open_, SHUT).log_softmax(-1)
        before = even if memory is None else memory.masked_fill(~open_, SHUT).log_softmax(-1)
        heat = self.temperatures(round.people, draws)[..., None]
        pull = round.teacher() + heat * even
        log_probs = ((before + self.settings.step * pull) / (1 + self.settings.step * heat)).log_softmax(-1)
        action = torch.where(open_.any(-1), draws.choice("decision", round.step, log_probs), -1)
        return log_probs, Decisions(action, log_probs if self.tells_distribution else None)

    def temperatures(self, people: People, draws: Draws) -> Tensor:
        """[B, N] of everyone, for an episode."""
        lots = draws.normal("temperature", 0, people.agents)
        return self.settings.temperature * (self.settings.spread * lots).exp()
