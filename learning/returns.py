"""Advantages of finite-horizon rollouts, time first: [T, B]."""

import torch
from torch import Tensor


def gae(rewards: Tensor, values: Tensor, discount: float, lam: float, done: Tensor | None = None) -> Tensor:
    """Generalised advantage estimates [T, B] (Schulman et al. 2016, arXiv 1506.02438, equations 11, 12 and 16).

        delta_t = r_t + discount * V_{t+1} * (1 - done_t) - V_t
        A_t     = delta_t + discount * lam * (1 - done_t) * A_{t+1},   A_T = 0

    rewards: [T, B]; values: [T + 1, B], the last row being the value after the last step (zeros where the episode
    really ends there); done: [T, B] bool, True where step t is the last of its episode (default: never).
    ValueError where the shapes do not fit. No gradient flows through the result.
    """
    _check(rewards, values, done)
    rewards, values = rewards.detach(), values.detach()
    goes_on = torch.ones_like(rewards) if done is None else 1.0 - done.to(rewards.dtype)  # [T, B]
    delta = rewards + discount * values[1:] * goes_on - values[:-1]  # [T, B]
    advantage = torch.empty_like(delta)
    running = torch.zeros_like(delta[0])  # [B]
    for t in reversed(range(len(delta))):
        running = delta[t] + discount * lam * goes_on[t] * running
        advantage[t] = running
    return advantage


def _check(rewards: Tensor, values: Tensor, done: Tensor | None) -> None:
    steps, *rest = rewards.shape
    if values.shape != (steps + 1, *rest):
        raise ValueError(f"values have shape {tuple(values.shape)}; rewards {tuple(rewards.shape)} need one row more")
    if done is not None and done.shape != rewards.shape:
        raise ValueError(f"done has shape {tuple(done.shape)}, rewards have {tuple(rewards.shape)}")
