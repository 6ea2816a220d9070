"""The principal's problem in B worlds at once, as Stable-Baselines3 takes it."""

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from societies.doors.spaces import Numbers
from societies.doors.vector import PrincipalVectorEnv


class SB3Worlds(VecEnv):
    """A `PrincipalVectorEnv` as a `VecEnv`: worlds begin anew by themselves, in the same step (SB3's own way).

    Infos tell each world's "episode" as Monitor does, so that SB3's logger and `evaluate_policy` know the returns.
    """

    def __init__(self, worlds: PrincipalVectorEnv) -> None:
        self.inner = worlds
        self._returns = np.zeros(worlds.num_envs)
        self._actions: Any = None
        super().__init__(worlds.num_envs, worlds.single_observation_space, worlds.single_action_space)

    def reset(self) -> dict[str, Numbers]:
        """The next episodes; the first of a seed after `seed`."""
        observed, _ = self.inner.reset(seed=self._seeds[0])
        self._reset_seeds()
        self._returns[:] = 0
        return observed

    def step_async(self, actions: Numbers) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[dict[str, Numbers], Numbers, Numbers, list[dict[str, Any]]]:
        observed, reward, over, _, told = self.inner.step(self._actions)
        self._returns += reward
        infos = [self._info(told, world) for world in range(self.num_envs)]
        if over.all():
            self._returns[:] = 0
        return observed, reward.astype(np.float32), over, infos

    def _info(self, told: dict[str, Any], world: int) -> dict[str, Any]:
        if "final_obs" not in told:
            return {}
        length = self.inner.society.steps
        episode = {"r": float(self._returns[world]), "l": length, "t": 0.0}
        return {"terminal_observation": told["final_obs"][world], "episode": episode, "TimeLimit.truncated": False}

    def action_masks(self) -> Numbers:
        """[B, M + 1] bool: the options that are open in each world. ValueError where rules are numbers."""
        return self.inner.action_masks()

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """`action_masks` alone: the worlds are one environment, which has no parts to be called."""
        if method_name != "action_masks":
            raise ValueError(f"the worlds have no method {method_name!r} each; they have action_masks")
        masks = self.action_masks()
        return [masks[world] for world in self._get_indices(indices)]

    def has_attr(self, attr_name: str) -> bool:
        return attr_name == "action_masks" or hasattr(self.inner, attr_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same for every world."""
        return [getattr(self.inner, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self.inner, attr_name, value)

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """By nothing but what tells the returns, which is what SB3 asks about."""
        from stable_baselines3.common.monitor import Monitor

        return [wrapper_class is Monitor for _ in self._get_indices(indices)]

    def close(self) -> None:
        self.inner.close()
