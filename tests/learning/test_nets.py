"""Networks start as said, and the normaliser keeps exact totals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from learning.nets import Normaliser, Parallel, mlp


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_orthogonal_with_gains() -> None:
    net = mlp([6, 8, 3], nn.ReLU, out_gain=0.01, generator=_generator())
    first, last = net[0], net[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    torch.testing.assert_close(first.weight.T @ first.weight, 2.0 * torch.eye(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(last.weight @ last.weight.T, 1e-4 * torch.eye(3), atol=1e-8, rtol=0)
    assert not first.bias.any()
    assert [type(m) for m in net] == [nn.Linear, nn.ReLU, nn.Linear]


def test_same_generator_same_net_and_the_global_state_is_untouched() -> None:
    before = torch.get_rng_state()
    a, b, c = (mlp([3, 4, 2], generator=_generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    x = torch.ones(1, 3)
    assert torch.equal(a(x), b(x))
    assert not torch.equal(a(x), c(x))


def test_one_size_is_refused() -> None:
    with pytest.raises(ValueError, match="input and an output"):
        mlp([3], generator=_generator())


@settings(max_examples=30)
@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), min_size=1, max_size=5))
def test_merging_batches_is_one_batch(parts: list[list[float]]) -> None:
    seen = Normaliser(1)
    for part in parts:
        seen.update(torch.tensor(part, dtype=torch.float64)[:, None])
    whole = torch.tensor([x for part in parts for x in part], dtype=torch.float64)
    torch.testing.assert_close(seen.mean[0], whole.mean(), atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(seen.variance[0], whole.var(unbiased=False), atol=1e-6, rtol=1e-6)


def test_normalised_inputs_have_mean_0_and_variance_1() -> None:
    x = 5.0 + 3.0 * torch.randn(50, 40, 2, generator=_generator())  # [B, N, F]
    seen = Normaliser(2)
    torch.testing.assert_close(seen(x[:1]), x[:1].clamp(-10, 10), atol=1e-6, rtol=0)  # nothing seen yet: as it came
    seen.update(x)
    y = seen(x).reshape(-1, 2)
    torch.testing.assert_close(y.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(0, unbiased=False), torch.ones(2), atol=1e-4, rtol=0)
    assert float(seen(torch.full((2,), 1e9)).max()) == 10.0


def test_frozen_stays_and_survives_saving() -> None:
    seen = Normaliser(1)
    seen.update(torch.tensor([[1.0], [3.0]]))
    seen.freeze()
    seen.update(torch.tensor([[100.0]]))
    assert float(seen.mean) == 2.0
    again = Normaliser(1)
    again.load_state_dict(seen.state_dict())
    again.update(torch.tensor([[100.0]]))
    assert float(again.mean) == 2.0
    again.freeze(False)
    again.update(torch.tensor([[5.0]]))
    assert math.isclose(float(again.mean), 3.0)


def test_copies_side_by_side_are_as_each_by_itself() -> None:
    copies = Parallel(5, [3, 8, 2], nn.SiLU, 1.0, generator=torch.Generator().manual_seed(0))
    x, which = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(1)), torch.arange(28).view(7, 4) % 4
    (w1, w2), (b1, b2) = copies.weights, copies.biases
    for world in range(7):
        for agent in range(4):
            i = int(which[world, agent])
            hidden = copies.activation(w1[i] @ x[world, agent] + b1[i])
            torch.testing.assert_close(copies(x, which)[world, agent], w2[i] @ hidden + b2[i])
    assert copies(x[:1, :1], torch.full((1, 1), 4)).shape == (1, 1, 2)
    copies(x, which).sum().backward()
    used = copies.weights[0].grad
    assert used is not None
    assert (used.abs().sum((1, 2)) > 0).tolist() == [True, True, True, True, False]
