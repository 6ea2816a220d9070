"""A recurrent state-space model of every agent, weights shared (RSSM of DreamerV3: Hafner et al. 2023, arXiv
2301.04104, section World model learning).

Shapes: B worlds, N agents, X observation, G groups, H deterministic state, C categoricals of L classes, K choices, D
prospects. An agent's state is h (what its past says) and z (what it did last). It is moved by the option as that agent
feels it, its place in the groups of the option taken, and by the mean of what all agents' states say: neither the order
of the agents nor their number matters, and crowds can be told.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, silu

from learning.nets import linear, mlp
from mechanism.baselines.dreamer_losses import TwoHot, balanced_kl, symlog, unimixed
from mechanism.baselines.dreamer_replay import Sizes, Steps
from mechanism.baselines.dreamer_settings import DreamerSettings


@dataclass(frozen=True)
class Latent:
    """Everyone's state."""

    h: Tensor  # [B, N, H]
    z: Tensor  # [B, N, C L] one-hot in each categorical

    @property
    def known(self) -> Tensor:
        """[B, N, H + C L]"""
        return torch.cat([self.h, self.z], -1)


@dataclass(frozen=True)
class Unrolled:
    """Everyone's states along T + 1 observations, time second."""

    h: Tensor  # [B, T + 1, N, H]
    z: Tensor  # [B, T + 1, N, C L]
    posterior: Tensor  # [B, T + 1, N, C, L] log-probabilities
    prior: Tensor  # [B, T + 1, N, C, L]

    def at(self, step: int, worlds: slice) -> Latent:
        """Those worlds' states as constants."""
        return Latent(self.h[worlds, step].detach(), self.z[worlds, step].detach())


class LatentModel(nn.Module):
    """See the module."""

    def __init__(self, sizes: Sizes, settings: DreamerSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.settings, self.choices = settings, sizes.choices
        h, wide, self.said = settings.deter, settings.hidden, settings.hidden // 2
        known = h + settings.categoricals * settings.classes
        moved = settings.categoricals * settings.classes + sizes.felt + sizes.steps + self.said
        self.say = linear(known, self.said, 1.0, generator)
        self.take_in = mlp([moved, wide, wide], nn.SiLU, generator=generator)
        self.gates = linear(wide + h, 3 * h, 1.0, generator)
        self.norm = nn.LayerNorm(3 * h)
        self.prior = mlp([h, wide, known - h], nn.SiLU, generator=generator)
        self.posterior = mlp([h + sizes.observation, wide, known - h], nn.SiLU, generator=generator)
        self.decoder = mlp([known, wide, sizes.facts], nn.SiLU, generator=generator)
        self.each = mlp([known, wide, wide], nn.SiLU, generator=generator)
        self.all = mlp([wide, wide, settings.bins], nn.SiLU, out_gain=0.0, generator=generator)
        self.two_hot = TwoHot(settings.bins, settings.limit)

    def carried(self, latent: Latent, felt: Tensor, clock: Tensor) -> Tensor:
        """[B, N, H] after an option felt as [B, N, G] in a step told as one-hot [T]."""
        around = self.say(latent.known).mean(-2, keepdim=True).expand(*felt.shape[:-1], -1)
        moved = torch.cat([latent.z, felt, clock.expand(*felt.shape[:-1], -1), around], -1)
        gates = self.norm(self.gates(torch.cat([silu(self.take_in(moved)), latent.h], -1)))
        forget, new, update = gates.chunk(3, -1)
        update = (update - 1).sigmoid()  # slow to change at first, as in the paper's GRU
        return update * (forget.sigmoid() * new).tanh() + (1 - update) * latent.h

    def before(self, worlds: int, agents: int) -> Tensor:
        """[B, N, H] before anything was seen."""
        return torch.zeros(worlds, agents, self.settings.deter)

    def expected(self, h: Tensor) -> Tensor:
        """The prior's log-probabilities [B, N, C, L]."""
        return self._categoricals(self.prior(h))

    def believed(self, h: Tensor, observation: Tensor) -> Tensor:
        """The posterior's log-probabilities [B, N, C, L] once [B, N, X] is seen."""
        return self._categoricals(self.posterior(torch.cat([h, symlog(observation)], -1)))

    def _categoricals(self, logits: Tensor) -> Tensor:
        unflat = logits.unflatten(-1, (self.settings.categoricals, self.settings.classes))
        return unimixed(unflat, self.settings.unimix)

    def decoded(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of what was chosen last [..., K]; symlog prospects of it and of what stands [..., 2 D]."""
        out = self.decoder(known)
        return out[..., : self.choices].log_softmax(-1), out[..., self.choices :]

    def reward(self, known: Tensor) -> Tensor:
        """Everyone's states [..., N, H + C L] -> two-hot logits [..., J] of the reward that led here."""
        return self.all(silu(self.each(known).mean(-2)))

    def unrolled(self, steps: Steps, generator: torch.Generator) -> Unrolled:
        """States along replayed episodes, drawn from the posterior; gradients pass straight through the draws."""
        worlds, times, agents, _ = steps.observation.shape
        h, told, clocks = self.before(worlds, agents), list[tuple[Tensor, ...]](), torch.eye(times - 1)
        for t in range(times):
            posterior = self.believed(h, steps.observation[:, t])
            latent = Latent(h, drawn(posterior, lots(posterior, generator)))
            told.append((h, latent.z, posterior, self.expected(h)))
            if t < times - 1:
                h = self.carried(latent, steps.felt[:, t], clocks[t])
        return Unrolled(*[torch.stack(x, 1) for x in zip(*told, strict=True)])

    def imagined(self, latent: Latent, felt: Tensor, clock: Tensor, generator: torch.Generator) -> Latent:
        """One step ahead without seeing anything, drawn from the prior."""
        h = self.carried(latent, felt, clock)
        expected = self.expected(h)
        return Latent(h, drawn(expected, lots(expected, generator)))

    def loss(self, steps: Steps, unrolled: Unrolled) -> Tensor:
        """Negative log-likelihood of replies, prospects and rewards, and balanced KL (section World model
        learning).

        All but the reward's is per agent: the mean over worlds, steps and agents.
        """
        known = torch.cat([unrolled.h, unrolled.z], -1)  # [B, T + 1, N, .]
        log_p, prospects = self.decoded(known[:, 1:])
        reply = -(steps.choice * log_p).sum(-1).mean()
        seen = symlog(torch.cat([steps.chosen, steps.standing[:, 1:]], -1))
        facts = 0.5 * (prospects - seen).square().sum(-1).mean()
        reward = self.two_hot.loss(self.reward(known[:, 1:]), steps.reward).mean()
        s, agents = self.settings, known.shape[2]
        dynamics, representation = balanced_kl(unrolled.posterior, unrolled.prior, s.free_bits)
        kl = (s.dynamics * dynamics + s.representation * representation).mean() / agents
        return reply + facts + s.reward_weight * reward + kl


def lots(log_p: Tensor, generator: torch.Generator) -> Tensor:
    """[B, N, C] one for each categorical [B, N, C, L]."""
    return torch.rand(log_p.shape[:-1], generator=generator)


def drawn(log_p: Tensor, fall: Tensor) -> Tensor:
    """The class of each categorical [B, N, C, L] that numbers [B, N, C] in (0, 1) fall on, as one-hot [B, N, C L], with
    the gradient of its probabilities (straight-through: Bengio et al. 2013).
    """
    p = log_p.exp()
    place = (p.cumsum(-1) < fall[..., None]).sum(-1).clamp(max=p.shape[-1] - 1)
    hot = one_hot(place, p.shape[-1]).to(p.dtype)
    return (hot + p - p.detach()).flatten(-2)
