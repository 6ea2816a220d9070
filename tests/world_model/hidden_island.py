"""The island with a welfare that only the islanders could work out: what they feel, and six times what is raised.

welfare = mean(2 (1 - rate) w l + taste l - l^2) + 6 rate mean(w l)
"""

from dataclasses import replace

from torch import Tensor

from agents.scripted import ScriptedPopulation
from societies.base import State, Transition
from societies.stage import Stage
from tests.world_model.island import Island, Islanders, wage

WORTH = 6.0  # of a unit of revenue


class HiddenIsland(Island):
    """See the module."""

    welfare_is_public = False
    response_is_choice = True

    def public_welfare(self, accounts: object) -> Tensor:
        raise ValueError("what the islanders feel is hidden")

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        done = Island("revenue", self.agents, self.steps).step(state, mechanism, action)
        return replace(done, welfare=felt(state, mechanism, done.response))


def felt(state: State, mechanism: Tensor, response: Tensor) -> Tensor:
    """[B] the objective of a step."""
    effort, taste = response[..., 0], 4 * (state.people.trait("taste") - 0.5)
    earned = wage(state.features) * effort
    content = (2 * (1 - mechanism) * earned + taste * effort - effort**2).mean(1)
    return content + WORTH * mechanism[:, 0] * earned.mean(1)


def hidden_stage(steps: int = 5) -> Stage:
    """The island as learning may use it."""
    return Stage(HiddenIsland(steps=steps), ScriptedPopulation(True), Islanders(), 0)
