"""Small networks: orthogonally initialised perceptrons and a running input normaliser."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(
    sizes: Sequence[int],
    activation: Callable[[], nn.Module] = nn.Tanh,
    out_gain: float = 1.0,
    *,
    generator: torch.Generator,
) -> nn.Sequential:
    """A perceptron sizes[0] -> ... -> sizes[-1] with `activation` between layers and none at the end.

    Weights are orthogonal (Saxe et al. 2014, arXiv 1312.6120) with gain sqrt(2), the last layer with `out_gain`;
    biases are zero. `generator` (on the CPU) draws them; the global random state is neither read nor moved.
    ValueError for fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(f"a network needs an input and an output size, got {list(sizes)}")
    last = len(sizes) - 2
    layers = list[nn.Module]()
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers.append(linear(inputs, outputs, out_gain if place == last else math.sqrt(2.0), generator))
        if place < last:
            layers.append(activation())
    return nn.Sequential(*layers)


class Parallel(nn.Module):
    """As many perceptrons of the same sizes as `copies`, each with weights of its own, drawn one after another."""

    def __init__(
        self,
        copies: int,
        sizes: Sequence[int],
        activation: Callable[[], nn.Module],
        out_gain: float,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        made = [mlp(sizes, activation, out_gain, generator=generator) for _ in range(copies)]
        layers = [[m for m in one if isinstance(m, nn.Linear)] for one in made]
        self.activation = activation()
        self.weights = nn.ParameterList(
            torch.stack([one.weight.detach() for one in row]) for row in zip(*layers, strict=True)
        )
        self.biases = nn.ParameterList(
            torch.stack([one.bias.detach() for one in row]) for row in zip(*layers, strict=True)
        )

    def forward(self, x: Tensor, which: Tensor) -> Tensor:
        """Inputs [..., X] of the perceptrons numbered [...] int64 -> [..., Y]."""
        number = which.flatten()  # [S]
        slot = _slots(number, len(self.weights[0]))  # [S]
        hidden = x.new_zeros(len(self.weights[0]), int(slot.max()) + 1, x.shape[-1])  # [C, most of one copy, X]
        hidden = hidden.index_put((number, slot), x.flatten(0, -2))
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = self.activation(hidden) if place else hidden
            hidden = torch.baddbmm(bias[:, None], hidden, weight.transpose(1, 2))
        return hidden[number, slot].unflatten(0, which.shape)


def _slots(number: Tensor, copies: int) -> Tensor:
    """[S] the how manieth of its copy each sample is, so that each copy has its samples side by side: to fetch the
    weights of each sample instead takes several times as long.
    """
    order, counts = number.argsort(stable=True), torch.bincount(number, minlength=copies)
    sorted_slots = torch.arange(len(number), device=number.device) - (counts.cumsum(0) - counts)[number[order]]
    return torch.empty_like(order).scatter(0, order, sorted_slots)


def linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    """A linear layer with orthogonal weights of that gain and zero bias."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")  # no draw from the global state
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


class Normaliser(nn.Module):
    """Running mean and variance of features [..., F]; brings inputs to mean 0 and variance 1.

    `update` merges a batch into the totals (Chan, Golub & LeVeque 1983, parallel variance); `forward` never does.
    Everything, the frozen flag included, is in the state dict. Before the first update it changes nothing.
    """

    def __init__(self, size: int, clip: float = 10.0) -> None:
        super().__init__()
        self.clip = clip  # in standard deviations
        self.mean: Tensor
        self.variance: Tensor
        self.count: Tensor
        self.frozen: Tensor
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))

    def freeze(self, frozen: bool = True) -> None:
        """Later calls of `update` change nothing."""
        self.frozen.fill_(frozen)

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Merge observations [..., F]."""
        if bool(self.frozen):
            return
        rows = x.reshape(-1, x.shape[-1]).to(self.mean.dtype)  # [S, F]
        total = self.count + len(rows)
        shift = rows.mean(0) - self.mean  # [F]
        spread = rows.var(0, unbiased=False) * len(rows) + self.variance * self.count
        self.variance.copy_((spread + shift**2 * self.count * len(rows) / total) / total)
        self.mean.add_(shift * len(rows) / total)
        self.count.copy_(total)

    def forward(self, x: Tensor) -> Tensor:
        """[..., F] -> [..., F] in standard deviations, clipped."""
        scale = (self.variance + 1e-8).rsqrt()
        return ((x - self.mean.to(x.dtype)) * scale.to(x.dtype)).clamp(-self.clip, self.clip)
