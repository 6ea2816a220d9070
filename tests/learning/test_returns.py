"""GAE, and the TD(lambda) returns that it implies: by hand, by a slow double sum, and against torchrl."""

import pytest
import torch
from torch import Tensor
from torchrl.objectives.value.functional import generalized_advantage_estimate, td_lambda_return_estimate

from learning.returns import gae


def test_gae_by_hand() -> None:
    rewards = torch.tensor([[1.0], [2.0], [3.0]])
    values = torch.tensor([[0.5], [1.0], [1.5], [2.0]])
    # discount .9, lam .5: delta = 1 + .9 - .5, 2 + 1.35 - 1, 3 + 1.8 - 1.5 = 1.4, 2.35, 3.3
    # A_2 = 3.3, A_1 = 2.35 + .45 * 3.3 = 3.835, A_0 = 1.4 + .45 * 3.835 = 3.12575
    expected = torch.tensor([[3.12575], [3.835], [3.3]])
    torch.testing.assert_close(gae(rewards, values, 0.9, 0.5), expected)


def test_done_cuts_by_hand() -> None:
    rewards, values = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.5], [1.0], [1.5]])
    done = torch.tensor([[True], [False]])
    # A_1 = 2 + 1.5 - 1 = 2.5; A_0 sees neither V_1 nor A_1: 1 - .5
    torch.testing.assert_close(gae(rewards, values, 1.0, 1.0, done), torch.tensor([[0.5], [2.5]]))


def test_undiscounted_monte_carlo_return() -> None:
    rewards, values = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[9.0], [8.0], [7.0], [0.0]])
    torch.testing.assert_close(gae(rewards, values, 1.0, 1.0) + values[:-1], torch.tensor([[6.0], [5.0], [3.0]]))


def _numbers(seed: int, steps: int = 7, worlds: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    rewards, values = torch.randn(steps, worlds, generator=g), torch.randn(steps + 1, worlds, generator=g)
    return rewards, values, torch.rand(steps, worlds, generator=g) < 0.25


def _slow_gae(rewards: Tensor, values: Tensor, discount: float, lam: float, done: Tensor) -> Tensor:
    """A_t = sum_k (discount lam)^k delta_{t+k}, up to the first end: the definition, one number at a time."""
    steps, worlds = rewards.shape
    out = torch.zeros(steps, worlds)
    for b in range(worlds):
        for t in range(steps):
            total = 0.0
            for k in range(steps - t):
                u = t + k
                ended = bool(done[u, b])
                following = 0.0 if ended else float(values[u + 1, b])
                total += (discount * lam) ** k * float(rewards[u, b] + discount * following - values[u, b])
                if ended:
                    break
            out[t, b] = total
    return out


@pytest.mark.parametrize(("discount", "lam"), [(1.0, 0.95), (0.9, 0.5), (0.99, 0.0), (0.95, 1.0)])
def test_gae_is_its_definition(discount: float, lam: float) -> None:
    rewards, values, done = _numbers(1)
    torch.testing.assert_close(
        gae(rewards, values, discount, lam, done), _slow_gae(rewards, values, discount, lam, done)
    )


@pytest.mark.parametrize(("discount", "lam"), [(1.0, 0.95), (0.9, 0.5)])
def test_agrees_with_torchrl(discount: float, lam: float) -> None:
    rewards, values, done = _numbers(2)

    def theirs(x: Tensor) -> Tensor:  # torchrl wants [B, T, 1]
        return x.T[..., None]

    value, following = theirs(values[:-1]), theirs(values[1:])
    advantage, target = generalized_advantage_estimate(
        discount, lam, value, following, theirs(rewards), theirs(done), theirs(done)
    )
    torch.testing.assert_close(theirs(gae(rewards, values, discount, lam, done)), advantage)
    returns = gae(rewards, values, discount, lam, done) + values[:-1]
    torch.testing.assert_close(theirs(returns), target)
    other = td_lambda_return_estimate(discount, lam, following, theirs(rewards), theirs(done), theirs(done))
    torch.testing.assert_close(theirs(returns), other)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one row more"):
        gae(torch.zeros(3, 2), torch.zeros(3, 2), 1.0, 1.0)
    with pytest.raises(ValueError, match="done"):
        gae(torch.zeros(3, 2), torch.zeros(4, 2), 1.0, 1.0, torch.zeros(2, 3, dtype=torch.bool))
