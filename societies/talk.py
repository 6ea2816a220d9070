"""Who hears whom: what was said in one step reaches some of the others before the next."""

import torch
from torch import Tensor

from agents.base import Message, Talk
from learning.draws import Draws
from societies.base import State, Talkative


def heard_of(said: tuple[Message, ...], society: Talkative, state: State, draws: Draws) -> Talk | None:
    """The talk of this step: everyone hears some of the others who spoke in the last one, drawn at random. None where
    nobody hears anybody.
    """
    hears = society.hears
    if hears == 0:
        return None
    words = {(message.world, message.agent): message.text for message in said}
    order = _order(state, draws) if words else None  # [B, N, N]

    def heard(world: int, agent: int) -> tuple[str, ...]:
        if order is None:
            return ()
        others = (words.get((world, other)) for other in order[world, agent].tolist() if other != agent)
        return tuple(text for text in others if text is not None)[:hears]

    last = state.step == society.steps - 1
    return Talk(0 if last else society.longest_message, heard)


def _order(state: State, draws: Draws) -> Tensor:
    """[B, N, N] for everyone, all agents in a random order."""
    agents = state.people.agents
    return torch.argsort(draws.uniform("heard", state.step, agents, agents), dim=-1)
