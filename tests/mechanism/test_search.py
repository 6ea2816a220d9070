"""Derivative-free search, on functions whose best point is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from mechanism.search import SearchSettings, search

BEST = torch.tensor([0.7, -1.2, 0.3])


def quadratic(x: Tensor, generation: int) -> float:
    return -float(((x - BEST) ** 2 * torch.tensor([1.0, 4.0, 0.5])).sum())


def found(seed: int = 0, settings: SearchSettings | None = None, start: Tensor | None = None) -> Tensor:
    start = torch.zeros(3) if start is None else start
    return search(quadratic, start, settings or SearchSettings(generations=60), seed, lambda done, mean: None)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_finds_the_best_point_of_a_quadratic(seed: int):
    torch.testing.assert_close(found(seed), BEST, atol=0.03, rtol=0)


def test_it_stays_within_its_bounds():
    tried = list[Tensor]()

    def score(x: Tensor, generation: int) -> float:
        tried.append(x)
        return float(x.sum())  # the more the better: the bound is the answer

    best = search(score, torch.zeros(2), SearchSettings(generations=40, bound=1.5), 0, lambda done, mean: None)
    assert float(torch.stack(tried).abs().max()) <= 1.5 + 1e-6
    torch.testing.assert_close(best, torch.full((2,), 1.5), atol=0.05, rtol=0)


def test_a_start_outside_the_bounds_is_taken_to_the_nearest_point_inside():
    """Default rules at the end of their range have logits of about -7, beyond the usual bound of 5."""
    torch.testing.assert_close(found(start=torch.tensor([-6.9, 0.0, 6.9])), BEST, atol=0.05, rtol=0)


def test_the_seed_decides_the_search_and_nothing_global_moves():
    np.random.seed(5)
    state = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    short = SearchSettings(generations=3)
    one = found(1, short)
    assert np.array_equal(np.random.get_state()[1], state)  # type: ignore[index]
    np.random.seed(6)
    assert torch.equal(found(1, short), one)
    assert not torch.equal(found(2, short), one)


def test_it_asks_as_often_as_the_settings_say():
    asked, told = list[int](), list[int]()

    def score(x: Tensor, generation: int) -> float:
        asked.append(generation)
        return quadratic(x, generation)

    search(score, torch.zeros(3), SearchSettings(generations=4, candidates=7), 0, lambda done, mean: told.append(done))
    assert asked == [g for g in range(4) for _ in range(7)]
    assert told == [1, 2, 3, 4]
