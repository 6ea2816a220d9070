"""How an agent with latent trait z answers a mechanism: p(choice | prospects, state, z), as an ensemble of networks.

S members are evaluated together: every tensor has a leading member dimension. All members share one latent space,
so that one belief about a person serves the whole ensemble; they differ in initialisation and in the episodes they
weigh (bootstrap), and their disagreement is what the principal is penalised for.

`UtilityHead` is a random-utility model (McFadden 1974) with learned parts: each choice has a learned basis of what
it would bring (its prospects), tastes over that basis, which are functions of z and of the agent's public state, and a
choice-specific constant, the same for everybody: were it a function of z too, every person would have a table of their
own to learn instead of tastes, which few single actions can tell. `LinearHead` is the same with the prospects
themselves for a basis and tastes linear in z and state (a mixed logit: Revelt & Train 1998): far less to be learned.
`MLPHead` maps the whole situation to K logits.
"""

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

Form = Literal["utility", "linear", "mlp"]
SHUT = -1e4  # the utility of a choice that is not open: its chance is exactly 0, and its logarithm is still a number


class MemberLinear(nn.Module):
    """A linear layer for each of S members: [S, ..., fan_in] -> [S, ..., fan_out]."""

    def __init__(self, members: int, fan_in: int, fan_out: int, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        scale = gain / math.sqrt(max(1, fan_in))  # nothing comes in where neither traits nor states tell people apart
        self.weight = nn.Parameter(torch.randn(members, fan_in, fan_out, generator=generator) * scale)
        self.bias = nn.Parameter(torch.zeros(members, fan_out))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1, -2)
        out = torch.baddbmm(self.bias[:, None], flat, self.weight)
        return out.reshape(*x.shape[:-1], -1)


@dataclass(frozen=True)
class Sizes:
    """What a head needs to know of the society and of the latent space."""

    members: int  # S
    choices: int  # K
    prospects: int  # D, after standardising
    state: int  # what an agent's own situation is told in
    traits: int  # Z
    hidden: int


class Utilities(nn.Module, ABC):
    """log p = log softmax U, U_k = value of what choice k would bring to this person + constant_k."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.members, self.traits = sizes.members, sizes.traits
        self.constant = nn.Parameter(torch.zeros(sizes.members, sizes.choices))

    @abstractmethod
    def value(self, prospects: Tensor, state: Tensor, z: Tensor) -> Tensor:
        """[S, ..., X] of each of X prospects [S, ..., X, D], whose leading dimensions may be 1 to broadcast."""

    def forward(self, prospects: Tensor, state: Tensor, z: Tensor, open_: Tensor | None = None) -> Tensor:
        return _among(self.logits(prospects, state, z), open_)

    def logits(self, prospects: Tensor, state: Tensor, z: Tensor) -> Tensor:
        """U [S, ..., K], of whatever is open."""
        value = self.value(prospects, state, z)
        return value + self.constant.reshape(len(self.constant), *[1] * (value.dim() - 2), -1)


class LinearHead(Utilities):
    """U_k = <A (z, state, 1), prospects_k> + constant_k."""

    def __init__(self, sizes: Sizes, generator: torch.Generator) -> None:
        super().__init__(sizes)
        self.linear = sizes.prospects // 2  # the scaler gives every prospect twice, linear first
        self.taste = MemberLinear(sizes.members, sizes.traits + sizes.state, self.linear, 0.3, generator)

    def value(self, prospects: Tensor, state: Tensor, z: Tensor) -> Tensor:
        taste = self.taste(torch.cat([z, state], -1))
        if prospects.shape[-3] == 1:  # the same for everyone in the last dimension but one: one product for all of them
            return taste @ prospects[..., 0, :, : self.linear].mT
        return (prospects[..., : self.linear] @ taste[..., None])[..., 0]

    def pooled(self) -> "LinearHead":
        """One member, whose utilities are the mean of those of all members."""
        one = copy.deepcopy(self)
        one.members = 1
        for own in one.parameters():
            own.data = own.data.mean(0, keepdim=True)
        return one


class UtilityHead(Utilities):
    """U_k = <tastes(z, state), basis(prospects_k)> + constant_k."""

    BASIS = 12  # learned functions of a choice's prospects

    def __init__(self, sizes: Sizes, generator: torch.Generator) -> None:
        super().__init__(sizes)
        s, h = sizes.members, sizes.hidden
        self.basis_in = MemberLinear(s, sizes.prospects, h, 1.0, generator)
        self.basis_out = MemberLinear(s, h, self.BASIS, 1.0, generator)
        self.taste_in = MemberLinear(s, sizes.traits + sizes.state, h, 1.0, generator)
        self.taste_out = MemberLinear(s, h, self.BASIS, 0.5, generator)

    def value(self, prospects: Tensor, state: Tensor, z: Tensor) -> Tensor:
        basis = self.basis_out(silu(self.basis_in(prospects)))  # [S, ..., K, J]
        taste = self.taste_out(silu(self.taste_in(torch.cat([z, state], -1))))  # [S, ..., J]
        return (basis * taste[..., None, :]).sum(-1)  # faster than many tiny products


class MLPHead(nn.Module):
    """K logits from every choice's prospects side by side, the state and z: no structure is assumed."""

    def __init__(self, sizes: Sizes, generator: torch.Generator) -> None:
        super().__init__()
        s, h = sizes.members, 2 * sizes.hidden
        self.members, self.traits = s, sizes.traits
        fan_in = sizes.choices * sizes.prospects + sizes.state + sizes.traits
        self.first = MemberLinear(s, fan_in, h, 1.0, generator)
        self.second = MemberLinear(s, h, h, 1.0, generator)
        self.out = MemberLinear(s, h, sizes.choices, 0.5, generator)

    def forward(self, prospects: Tensor, state: Tensor, z: Tensor, open_: Tensor | None = None) -> Tensor:
        situation = torch.cat([prospects.flatten(-2), state, z], -1)
        return _among(self.out(silu(self.second(silu(self.first(situation))))), open_)


def _among(utilities: Tensor, open_: Tensor | None) -> Tensor:
    """log p [..., K] of a logit choice among those that are open; None = all are."""
    return (utilities if open_ is None else utilities.masked_fill(~open_, SHUT)).log_softmax(-1)


def make_head(form: Form, sizes: Sizes, generator: torch.Generator) -> Utilities | MLPHead:
    """The head of that name. ValueError: no such head."""
    heads = {"utility": UtilityHead, "linear": LinearHead, "mlp": MLPHead}
    if form not in heads:
        raise ValueError(f"there is no response head {form!r}; choose one of: {', '.join(heads)}")
    return heads[form](sizes, generator)
