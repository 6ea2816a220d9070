"""Muon (Jordan et al. 2024): momentum whose matrices are made orthogonal before each step.

The same rule as torch.optim.Muon, but in float32 and with matrices of one shape worked on together: on a processor
without bfloat16 arithmetic torch's own costs as much as the rest of a training step.
"""

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315  # Newton-Schulz coefficients of the paper


def orthogonal(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Matrices [n, rows, columns] with their singular values brought near 1."""
    flip = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if flip else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x.mT if flip else x


class Muon(torch.optim.Optimizer):
    """For the matrices inside the layers. `lr` is the spectral size of a step for square matrices."""

    def __init__(self, weights: list[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            shapes = {p.shape: [q for q in group["params"] if q.shape == p.shape] for p in group["params"]}
            for same in shapes.values():
                self._move(same, group["lr"], group["momentum"])

    def _move(self, same: list[torch.nn.Parameter], lr: float, momentum: float) -> None:
        pushes = list[Tensor]()
        for p in same:
            assert p.grad is not None
            speed = self.state[p].setdefault("momentum", torch.zeros_like(p))
            speed.lerp_(p.grad, 1 - momentum)
            pushes.append(p.grad.lerp(speed, momentum))  # Nesterov
        rows, columns = same[0].shape
        scale = lr * max(1.0, rows / columns) ** 0.5
        for p, push in zip(same, orthogonal(torch.stack(pushes)), strict=True):
            p.mul_(1 - 0.01 * lr).sub_(push, alpha=scale)
