"""A policy over options that does not care for the order of the agents, nor for that of the options.

Every agent is encoded alike from what is known of it; an option reads the mean encoding of each of its groups, and the
roster's; one network, the same for all options, makes a score of that (deep sets: Zaheer et al. 2017). So a policy that
was trained on one roster can be used on another, of another size too.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from learning.draws import Draws
from learning.nets import Normaliser, linear, mlp
from societies.base import Society
from societies.mechanisms import options, size

SHUT = -1e4  # the score of an option that is not open


class OptionNet(nn.Module):
    """What is known of the agents [B, N, ...] and the groups of each option [B, M, G, N] -> [B, M, H] of the options.

    `agent` encodes what is known of each agent alone as [B, N, H / 2].
    """

    def __init__(self, agent: nn.Module, groups: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.agent = agent
        self.first = linear((groups + 1) * (hidden // 2), hidden, math.sqrt(2.0), generator)  # groups, then the roster
        self.second = linear(hidden, hidden, 1.0, generator)

    def forward(self, known: Tensor, groups: Tensor) -> Tensor:
        encoded = self.agent(known)  # [B, N, W]
        of_groups, of_roster = self.first.weight.split([groups.shape[2] * encoded.shape[-1], encoded.shape[-1]], 1)
        around = (encoded.mean(1) @ of_roster.T + self.first.bias)[:, None]  # [B, 1, H]
        few = 2 * encoded.shape[1] <= encoded.shape[-1]  # agents, as against numbers that each is encoded in
        found = (_each_first if few else _pooled_first)(encoded, groups, of_groups)  # [B, M, H]
        return silu(self.second(silu(found + around)))


def _pooled_first(encoded: Tensor, groups: Tensor, weight: Tensor) -> Tensor:
    """[B, N, W], [B, M, G, N], [H, G W] -> [B, M, H]: the sum over an option's groups of their weighted shares."""
    m, g, n = groups.shape[1:]
    shares = (groups.flatten(1, 2) @ encoded).unflatten(1, (m, g)).flatten(2) * (g / n)  # [B, M, G W]
    return shares @ weight.T


def _each_first(encoded: Tensor, groups: Tensor, weight: Tensor) -> Tensor:
    """The same, weighted before it is summed instead of after: less work where agents are few."""
    g, n = groups.shape[2:]
    by_group = weight.unflatten(1, (g, -1)).permute(2, 1, 0).flatten(1)  # [W, G H]
    each = (encoded @ (by_group * (g / n))).unflatten(2, (g, -1)).flatten(1, 2)  # [B, N G, H]
    return groups.transpose(2, 3).flatten(2) @ each


class OptionPolicy(nn.Module):
    """Observation [B, N, F + X + 2 M] of `OptionObserver` -> one of M options; explores by drawing from its softmax.

    What an option promises enters its score as it is, times a learned trust: the network learns what to add to that.
    """

    TRUST = 30.0  # logits a unit of welfare, to begin with

    def __init__(self, society: Society, channels: int, seed: int, hidden: int = 64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.groups = options(society).groups
        self.features, self.size = len(society.feature_names), size(society)
        groups = self.groups(torch.zeros(1, 1, self.features)).shape[2]
        self.normaliser = Normaliser(channels, clip=5.0)
        self.actor, self.critic = (
            OptionNet(self.encoder(channels, hidden // 2, generator), groups, hidden, generator) for _ in range(2)
        )
        self.score = mlp([hidden, 1], out_gain=0.01, generator=generator)
        self.worth = mlp([hidden, 1], out_gain=0.1, generator=generator)
        self.trust = nn.Parameter(torch.tensor(math.log(self.TRUST)))

    def encoder(self, channels: int, width: int, generator: torch.Generator) -> nn.Module:
        """A new encoder of what `standard` makes of an agent's channels: -> [B, N, width]."""
        return mlp([channels, width, width], nn.SiLU, generator=generator)

    def standard(self, known: Tensor) -> Tensor:
        """Everyone's channels [B, N, X], normalised, as an encoder takes them."""
        return self.normaliser(known)

    def evidence(self, known: Tensor) -> Tensor:
        """Of channels [..., X], the rows that the normaliser is set by."""
        return known

    def read(self, observations: Tensor) -> None:
        """Set the normaliser, for good, by observations [..., N, F + X + 2 M]."""
        self.normaliser.update(self.evidence(self._parts(observations)[1]))
        self.normaliser.freeze()

    def scores(self, observation: Tensor) -> Tensor:
        """[B, M] logits, of shut options SHUT."""
        features, known, open_, promised = self._parts(observation)
        return self._scores(self.standard(known), self.groups(features), open_, promised)

    def value(self, observation: Tensor) -> Tensor:
        """[B]"""
        features, known, *_ = self._parts(observation)
        return self._value(self.standard(known), self.groups(features))

    def act(self, observation: Tensor, explore: Draws | None, step: int) -> tuple[Tensor, Tensor]:
        """The mechanism [B, M], and the action for `evaluate`, which is the same: the best option, or one drawn."""
        scores = self.scores(observation)
        if explore is not None:
            lots = explore.uniform("principal", step, scores.shape[-1])
            scores = scores - (-lots.log()).log()  # Gumbel noise: the best of these is a draw from the softmax
        taken = nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)
        return taken, taken

    def evaluate(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probability and entropy of one-hot actions [B, M], and value, each [B]."""
        features, raw, open_, promised = self._parts(observation)
        known, groups = self.standard(raw), self.groups(features)  # once for both: they cost as much as a network
        log_p = self._scores(known, groups, open_, promised).log_softmax(-1)
        return (log_p * action).sum(-1), -(log_p.exp() * log_p).sum(-1), self._value(known, groups)

    def _scores(self, known: Tensor, groups: Tensor, open_: Tensor, promised: Tensor) -> Tensor:
        found = self.score(self.actor(known, groups))[..., 0]
        return (found + self.trust.exp() * promised).masked_fill(~open_, SHUT)

    def _value(self, known: Tensor, groups: Tensor) -> Tensor:
        return self.worth(self.critic(known, groups).mean(1))[..., 0]

    def _parts(self, observation: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features [..., N, F], channels [..., N, X], what is open [..., M] bool, and what is promised [..., M]."""
        channels = observation.shape[-1] - self.features - 2 * self.size
        features, known, open_, promised = observation.split([self.features, channels, self.size, self.size], -1)
        return features, known, open_[..., 0, :] > 0, promised[..., 0, :]
