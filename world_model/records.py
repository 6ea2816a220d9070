"""Episodes as the world model reads them: standardised prospects and states, replies, and who is who in public."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softsign

from societies.base import Episode, Society


class Scaler(nn.Module):
    """Standardises prospects and features by what the real episodes showed. `fixed`: those of a fit before, in whose
    units the weights are that are gone on with.
    """

    def __init__(self, prospects: int, own: int) -> None:
        super().__init__()
        self.fixed = False
        self.prospect_mean: Tensor
        self.prospect_sd: Tensor
        self.feature_mean: Tensor
        self.feature_sd: Tensor
        self.register_buffer("prospect_mean", torch.zeros(prospects))
        self.register_buffer("prospect_sd", torch.ones(prospects))
        self.register_buffer("feature_mean", torch.zeros(own))
        self.register_buffer("feature_sd", torch.ones(own))

    def read(self, prospects: Tensor, own: Tensor) -> None:
        """Take means and spreads from [..., D] and from everyone's own situation [..., O]."""
        if self.fixed:
            return
        self.prospect_mean, self.prospect_sd = _mean_sd(prospects)
        self.feature_mean, self.feature_sd = _mean_sd(own)

    def prospects(self, raw: Tensor) -> Tensor:
        """[..., D] -> [..., 2 D]: linear up to 5 spreads, and x / (1 + |x|) for the tails and for what is near zero."""
        x = self._standard(raw)
        tails = x / (x.abs() / 2 + 1 / 6)  # 2 softsign(3 x), with less work
        return torch.cat([x.clamp(-5, 5), tails], -1)

    def linear(self, raw: Tensor) -> Tensor:
        """[..., D] -> [..., D]: the linear half of `prospects`, for those who need no more."""
        return self._standard(raw).clamp_(-5, 5)

    def _standard(self, raw: Tensor) -> Tensor:
        rate = 1 / self.prospect_sd
        return torch.addcmul(-self.prospect_mean * rate, raw, rate)  # one pass over what is the largest tensor here

    def state(self, own: Tensor) -> Tensor:
        """[..., O] -> [..., O]."""
        return ((own - self.feature_mean) / self.feature_sd).clamp(-5, 5)


class Standard(nn.Module):
    """Standardises one kind of number by what the real episodes showed. `fixed`: as of `Scaler`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.fixed = False
        self.mean: Tensor
        self.sd: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("sd", torch.ones(size))

    def read(self, raw: Tensor) -> None:
        """Take mean and spread from [..., X]."""
        if self.fixed:
            return
        self.mean, self.sd = _mean_sd(raw)

    def forward(self, raw: Tensor) -> Tensor:
        """[..., X] -> [..., X], at most 5 spreads from the mean."""
        return ((raw - self.mean) / self.sd).clamp(-5, 5)

    def twofold(self, raw: Tensor) -> Tensor:
        """[..., X] -> [..., 2 X]: linear, and x / (1 + |x|) for the tails and for what is near the mean."""
        return torch.cat([self(raw), 2 * softsign(3 * (raw - self.mean) / self.sd)], -1)

    def back(self, standard: Tensor) -> Tensor:
        """[..., X] -> [..., X] in the raw units."""
        return self.mean + self.sd * standard


def _mean_sd(x: Tensor) -> tuple[Tensor, Tensor]:
    flat = x.flatten(0, -2)
    return flat.mean(0), (flat.std(0) if flat.numel() else flat.new_zeros(0)).clamp_min(1e-3)


@dataclass(frozen=True)
class Records:
    """E real episodes, ready to fit."""

    prospects: Tensor  # [E, T, N, K, D] as the society computes them
    features: Tensor  # [E, T, N, F] before each step
    open: Tensor  # [E, T, N, K] bool: what could be chosen
    choice: Tensor  # [E, T, N, K] whole replies or one-hot
    mechanism: Tensor  # [E, T, M]
    response: Tensor  # [E, T, N, R]
    after: Tensor  # [E, T, N, F] after each step
    welfare: Tensor  # [E, T] the objective in each step, as the principal was told
    covariates: Tensor  # [E, N, V] public facts about the person

    @property
    def episodes(self) -> int:
        return len(self.features)

    def take(self, which: Tensor) -> "Records":
        """Some of the episodes, by number or by mask [E]."""
        return Records(*(part[which] for part in vars(self).values()))


def personal(society: Society, features: Tensor) -> Tensor:
    """The public facts that describe a person and never change: [..., N, F] -> [..., N, V], clipped to +-2."""
    places = [society.feature_names.index(name) for name in society.personal]
    return features[..., places].clamp(-2, 2)


def records(society: Society, episode: Episode) -> Records:
    """What the world model may learn from an episode."""
    before = episode.features[:, :-1]  # [E, T, N, F]
    steps = range(before.shape[1])
    prospects = [society.prospects(before[:, t], episode.mechanism[:, t]) for t in steps]
    open_ = [society.choices(t, before[:, t], episode.mechanism[:, t]) for t in steps]
    return Records(
        prospects=torch.stack(prospects, 1),
        open=torch.stack(open_, 1),
        features=before,
        choice=episode.choice,
        mechanism=episode.mechanism,
        response=episode.response,
        after=episode.features[:, 1:],
        welfare=episode.welfare,
        covariates=personal(society, before[:, 0]),
    )
