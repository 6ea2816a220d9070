"""The principal's problem in B worlds at once, as a Gymnasium vector environment: one tensor step for all of them."""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from agents.base import Population
from societies.base import Society
from societies.doors.governed import Governed
from societies.doors.spaces import Numbers, batch_of, rules_space
from societies.stage import Rosters


class PrincipalVectorEnv(VectorEnv[dict[str, Numbers], Any, Numbers]):
    """B worlds as B copies of `PrincipalEnv` that play the episodes 0 .. B - 1 of a seed, then B .. 2 B - 1, ...

    All end with the same step. SAME_STEP (the default): the observation after it is the next episodes' first, and the
    last one is in infos["final_obs"]. DISABLED: call `reset`. ValueError for NEXT_STEP, which would spend a step of
    all worlds on nothing.
    """

    def __init__(
        self,
        society: Society,
        population: Population,
        rosters: Rosters,
        worlds: int,
        seed: int = 0,
        tells_choices: bool = False,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    ) -> None:
        if autoreset_mode is AutoresetMode.NEXT_STEP:
            raise ValueError("these worlds all end at once: use AutoresetMode.SAME_STEP, or DISABLED")
        self.society, self.num_envs, self.autoreset_mode = society, worlds, autoreset_mode
        self.metadata = {"autoreset_mode": autoreset_mode, "render_modes": []}
        self._worlds = Governed(society, population, rosters, worlds, seed, tells_choices)
        self.single_observation_space, self.single_action_space = self._worlds.space, rules_space(society)
        self.observation_space = batch_space(self.single_observation_space, worlds)
        self.action_space = batch_space(self.single_action_space, worlds)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Numbers], dict[str, Any]]:
        """The next episodes; with a seed the first of that seed; with options {"episode": n}, n and those after it."""
        if not np.all((options or {}).get("reset_mask", True)):
            raise ValueError("these worlds all end at once, so they are all reset at once: reset_mask must be all True")
        super().reset(seed=seed)
        self._worlds.begin(seed, options)
        return self._worlds.observed(), self._infos()

    def step(self, actions: Any) -> tuple[dict[str, Numbers], Numbers, Numbers, Numbers, dict[str, Any]]:
        """ValueError for actions that are not in the space, and after the last step where nothing resets by itself."""
        self._worlds.govern(batch_of(self.society, actions, self.num_envs))
        reward, over = self._worlds.reward(), np.full(self.num_envs, self._worlds.moment.over)
        observed, infos = self._worlds.observed(), self._infos()
        if over.all() and self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = {"final_obs": _rows(observed), "final_info": infos, "_final_obs": over, "_final_info": over}
            self._worlds.begin(None, None)
            observed, infos = self._worlds.observed(), {**final, **self._infos()}
        return observed, reward, over, np.zeros_like(over), infos

    def action_masks(self) -> Numbers:
        """[B, M + 1] bool: see `Governed.action_masks`."""
        return self._worlds.action_masks()

    def _infos(self) -> dict[str, Any]:
        told = self._worlds.told()
        return {**told, **{f"_{name}": np.ones(self.num_envs, bool) for name in told}}


def _rows(observed: dict[str, Numbers]) -> Numbers:
    """[B] one observation each, as gymnasium tells the last ones."""
    worlds = len(observed["time"])
    rows = np.empty(worlds, dtype=object)
    rows[:] = [{name: np.array(value[world]) for name, value in observed.items()} for world in range(worlds)]
    return rows
