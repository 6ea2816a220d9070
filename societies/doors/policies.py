"""Checkpoints of ours as policies of the doors: RL people behind the people's, a principal behind the principal's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from agents.rl import Policy, RLPopulation
from societies.base import Principal, PublicStep, Society
from societies.doors.spaces import Numbers, to_actions
from societies.matrix import payoffs_of

if TYPE_CHECKING:
    from societies.doors.people import PeopleEnv, Seen


class RLAgents:
    """RL people (`agents.rl.load_policy`) as a policy: observations of any of the agents -> their choices.

    They draw as `RLPopulation` does, by the episode's own draws, so that an episode of theirs is the one that `play`
    gives. ValueError where they were trained in another society, or are not told who they are.
    """

    def __init__(self, env: "PeopleEnv", policy: Policy) -> None:
        sizes, society = policy.sizes, env.society
        if (sizes.society, sizes.view) != (society.name, env.view):
            raise ValueError(
                f"these RL people were trained in {sizes.society} on views of {sizes.view} numbers, and this is "
                f"{society.name} with views of {env.view}: train them for this society and this many people"
            )
        played = society.steps, len(society.choice_names), payoffs_of(society)
        if (sizes.steps, sizes.choices, sizes.payoffs) != played:
            raise ValueError(
                f"these RL people learned {society.name} in {sizes.steps} steps with {sizes.choices} choices and "
                f"payoffs {sizes.payoffs or 'that their file does not tell'}; here are {played[0]}, {played[1]} and "
                f"{played[2] or 'none'}: train them anew"
            )
        if sizes.seats not in (0, len(env.possible_agents)):
            raise ValueError(f"these RL people have a network for each of {sizes.seats} seats; here are others")
        if (sizes.attributes, sizes.traits) != (env.attributes, env.traits):
            raise ValueError(
                f"these RL people need to know their own {', '.join((*sizes.attributes, *sizes.traits))}; "
                "open the door with knows_itself=True"
            )
        self.env, self.people = env, RLPopulation(policy)

    @torch.no_grad()
    def __call__(self, observations: Mapping[str, "Seen"]) -> dict[str, int]:
        everyone, blank = self.env.possible_agents, next(iter(observations.values()))
        rows = [observations.get(agent, blank) for agent in everyone]
        told = torch.as_tensor(np.stack([row["observation"] for row in rows]))[None]  # [1, N, O + A + Z + 1]
        open_ = torch.as_tensor(np.stack([row["action_mask"] for row in rows]))[None] > 0  # [1, N, K]
        view, own, date = told.split([self.env.view, told.shape[-1] - self.env.view - 1, 1], -1)
        seats = torch.arange(float(len(everyone)))[None, :, None] if self.people.policy.sizes.seats else None
        log_probs = self.people.log_probs(self.people.policy.inputs(view, own, date, seats), open_)
        action = self.env.lots.choice("decision", self.env.moment.state.step, log_probs)[0].tolist()
        return {agent: one for agent, one in zip(everyone, action, strict=True) if agent in observations}


@dataclass
class Remembered:
    """A principal's mind, and the public state that it saw last."""

    mind: Any
    features: Tensor  # [B, N, F]


class PrincipalAgent:
    """A principal of ours, learned or not, as a policy with Stable-Baselines3's `predict`, for one world or many.

    It needs whole replies: open the door with tells_choices=True. Many worlds must be at the same step.
    """

    def __init__(self, society: Society, principal: Principal) -> None:
        self.society, self.principal = society, principal

    @torch.no_grad()
    def predict(
        self,
        observation: Mapping[str, Numbers],
        state: Remembered | None = None,
        episode_start: Numbers | None = None,
        deterministic: bool = True,
    ) -> tuple[Numbers, Remembered]:
        """The action [M] (or one number), or [B, ...] where observations are of B worlds; and what to hand in next.

        ValueError where observations lack replies, or no memory is handed in although the episode has begun.
        """
        alone = np.ndim(observation["features"]) == 2
        told = {
            name: torch.as_tensor(value)[None] if alone else torch.as_tensor(value)
            for name, value in observation.items()
        }
        seen = self._seen(told, state)
        mind = self.principal.start(len(seen.features)) if state is None or seen.step == 0 else state.mind
        mind, rules = self.principal.propose(mind, seen)
        action = to_actions(self.society, rules.expand(len(seen.features), -1))
        return action[0] if alone else action, Remembered(mind, seen.features)

    def _seen(self, told: Mapping[str, Tensor], state: Remembered | None) -> PublicStep:
        if "choice" not in told:
            raise ValueError("a principal of ours needs to see whole replies: open the door with tells_choices=True")
        step = round(float(told["time"].flatten()[0]) * self.society.steps)
        if step == 0:
            return PublicStep(0, told["features"], None, None, None, None)
        if state is None:
            raise ValueError(f"{self.society.name}, step {step}: hand in the state that the last predict gave")
        return PublicStep(step, told["features"], state.features, told["rules"], told["response"], told["choice"])
