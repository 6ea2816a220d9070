"""Scripted people: quantal response over the society's own utility, with each persona's traits."""

import torch

from agents.base import Decisions, Round
from learning.draws import Draws
from personas.people import People


class ScriptedPopulation:
    """Draws each choice from the society's teacher distribution (McKelvey & Palfrey 1995, logit response).

    `tells_distribution`: whether the decisions carry the whole distribution, as a model that is asked for
    log-probabilities would, or the single action only.
    """

    def __init__(self, tells_distribution: bool = True) -> None:
        self.tells_distribution = tells_distribution

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        log_probs = round.teacher()  # [B, N, K]
        action = draws.choice("decision", round.step, log_probs)
        action = torch.where(round.choices.any(-1), action, -1)
        return None, Decisions(action, log_probs if self.tells_distribution else None)
