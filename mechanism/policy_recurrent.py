"""A policy over options that remembers: a recurrent network reads every agent's steps one by one, with shared weights.

Its state is the agent's encoding, which the groups of an option then pool as in `mechanism.policy_options`; so the
order of the agents does not matter here either. The sequence is in the observation (`mechanism.observe_sequence`), and
gradients pass through all of it (Werbos 1990).
"""

import torch
from torch import Tensor, nn

from learning.nets import linear
from mechanism.policy_options import OptionPolicy
from societies.base import Society


class AgentMemory(nn.Module):
    """Sequences [B, N, T, C + 1], the last number of a step marking it as seen -> the state after the last seen step
    [B, N, W] of a gated recurrent unit (Cho et al. 2014, arXiv 1406.1078) with one layer before it.
    """

    def __init__(self, facts: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.enter = linear(facts, width, 2**0.5, generator)
        self.gru = nn.GRU(width, width, batch_first=True, device="meta").to_empty(device="cpu")  # no global draw
        for weight in self.gru.parameters():
            if weight.dim() == 1:
                nn.init.zeros_(weight)
                continue
            for gate in weight.detach().chunk(3):
                nn.init.orthogonal_(gate, generator=generator)

    def forward(self, sequence: Tensor) -> Tensor:
        length = sequence[..., -1].sum(-1).long()  # [B, N]
        told = sequence[:, :, : int(length.max()), :-1].flatten(0, 1)  # [B N, t, C]
        states, _ = self.gru(nn.functional.silu(self.enter(told)))  # [B N, t, W]
        rows = torch.arange(len(states), device=states.device)
        return states[rows, length.flatten() - 1].unflatten(0, length.shape)


class RecurrentPolicy(OptionPolicy):
    """Observation [B, N, F + T (C + 1) + 2 M] of `SequenceObserver` -> one of M options. `facts` is C.

    ValueError where rules are not options.
    """

    def __init__(self, society: Society, facts: int, seed: int, hidden: int = 64) -> None:
        super().__init__(society, facts, seed, hidden)
        self.facts = facts

    def encoder(self, channels: int, width: int, generator: torch.Generator) -> nn.Module:
        return AgentMemory(channels, width, generator)

    def standard(self, known: Tensor) -> Tensor:
        """[B, N, T (C + 1)] -> [B, N, T, C + 1], with the marks as they are."""
        steps = self._steps(known)
        return torch.cat([self.normaliser(steps[..., :-1]), steps[..., -1:]], -1)

    def evidence(self, known: Tensor) -> Tensor:
        """[..., T (C + 1)] -> [R, C], of every step that was seen."""
        steps = self._steps(known)
        return steps[steps[..., -1] > 0][:, :-1]

    def _steps(self, known: Tensor) -> Tensor:
        return known.unflatten(-1, (-1, self.facts + 1))
