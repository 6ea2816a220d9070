"""Derivative-free search over a few numbers, by CMA-ES (Hansen 2016, arXiv 1604.00772) as the `cma` package has it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Score = Callable[[Tensor, int], float]
"""(candidate [P], generation) -> what is to be maximised; a generation's candidates should meet the same worlds."""


@dataclass(frozen=True)
class SearchSettings:
    """How far and how long CMA-ES looks."""

    generations: int = 25
    candidates: int = 9  # per generation
    spread: float = 1.0  # initial standard deviation
    bound: float = 5.0  # every number stays within +-bound


def search(
    score: Score, start: Tensor, settings: SearchSettings, seed: int, after: Callable[[int, Tensor], None]
) -> Tensor:
    """[P] the mean of the final search distribution; `after(generations done, mean so far)` reports on the way."""
    if not settings.generations:
        return start
    import cma  # brings Matplotlib and SciPy's statistics, for which every command would wait

    rng = np.random.default_rng(seed)
    options = {
        "randn": lambda *shape: rng.standard_normal(shape),  # the package's own draws would move NumPy's global state
        "seed": np.nan,
        "popsize": settings.candidates,
        "verbose": -9,
        "bounds": [-settings.bound, settings.bound],
    }
    inside = start.double().clamp(-settings.bound, settings.bound).numpy()
    strategy = cma.CMAEvolutionStrategy(inside, settings.spread, options)
    mean = start
    for generation in range(settings.generations):
        candidates = strategy.ask()
        tensors = [torch.as_tensor(c, dtype=torch.float32) for c in candidates]
        strategy.tell(candidates, [-score(c, generation) for c in tensors])
        mean = torch.as_tensor(strategy.result.xfavorite, dtype=torch.float32)
        after(generation + 1, mean)
    return mean
