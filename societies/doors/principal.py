"""The principal's problem as a Gymnasium environment: set the rules, step by step, for people who answer them."""

import re
from typing import Any

import gymnasium
from gymnasium import Space
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray
from torch import Tensor

from agents.base import Population
from societies.base import Society
from societies.doors.governed import Governed
from societies.doors.spaces import Numbers, batch_of, first, rules_space, to_actions
from societies.stage import Rosters


class PrincipalEnv(gymnasium.Env[dict[str, Numbers], Any]):
    """One world. An episode is one roster; it ends (terminated) with the society's last step.

    Action: rules scaled to [-1, 1], or the number of an option (the last number takes none). What the principal may
    not set now is ignored, as in `play`. Observation: `Governed.space`, all public. Reward: the welfare of the step
    where it counts, else 0, so that rewards add up to `Episode.returns` times the number of counted steps.
    The same seed brings the same episodes as `Stage(society, population, rosters, seed)`; without one, `reset` goes on
    to the next.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (gymnasium's own form)

    def __init__(
        self, society: Society, population: Population, rosters: Rosters, seed: int = 0, tells_choices: bool = False
    ) -> None:
        self.society = society
        self._worlds = Governed(society, population, rosters, 1, seed, tells_choices)
        self.observation_space: Space[Any] = self._worlds.space
        self.action_space = rules_space(society)

        def again(**_: Any) -> PrincipalEnv:
            return PrincipalEnv(society, population, rosters, seed, tells_choices)

        self.spec = EnvSpec(_id(society), entry_point=again)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Numbers], dict[str, Any]]:
        """The next episode; with a seed the first of that seed; with options {"episode": n} number n."""
        super().reset(seed=seed)
        self._worlds.begin(seed, options)
        return first(self._worlds.observed()), self._info()

    def step(self, action: Any) -> tuple[dict[str, Numbers], float, bool, bool, dict[str, Any]]:
        """ValueError for an action that is not in the space, and after the last step."""
        self._worlds.govern(batch_of(self.society, action, 1))
        over = self._worlds.moment.over
        return first(self._worlds.observed()), float(self._worlds.reward()[0]), over, False, self._info()

    def action_masks(self) -> NDArray[Any]:
        """[M + 1] bool: see `Governed.action_masks`."""
        return self._worlds.action_masks()[0]

    def action_of(self, rules: Tensor) -> Any:
        """The action that stands for rules [M]."""
        return to_actions(self.society, rules[None])[0]

    def _info(self) -> dict[str, Any]:
        told = first(self._worlds.told())
        return {name: value.item() if value.ndim == 0 else value for name, value in told.items()}


def _id(society: Society) -> str:
    return f"solon/{re.sub(r'[^a-zA-Z0-9_.-]+', '-', society.name)}-v0"
