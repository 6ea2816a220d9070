"""Is the assumed form of people wrong? A gate: would a richer model foretell episodes better that neither has seen?

A world model of kinds assumes that everyone is of one of Z kinds for a whole episode, independently of others, and that
what somebody did last matters through the prospects only. Four richer models each give up one of that: one more kind,
kinds that change, kinds that are alike among neighbours, people who repeat themselves. Both are fitted to one half of
the episodes and foretell the other, in turn (two-fold cross-validation); the gate fires where a richer one gains more
than twice the standard error over episodes.

Shapes: E episodes, T steps, N agents, Z kinds.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from societies.base import Society
from world_model.fit import FitSettings, Progress, quiet
from world_model.fit_kinds import fit_kinds
from world_model.kinds import KindPrior
from world_model.model import ModelSettings, WorldModel
from world_model.records import Records

ERRORS = 2.0  # standard errors that a gain must come to
LEAST = 4  # episodes: a standard error needs two in each half
CHANGING = (0.02, 0.05, 0.1, 0.2, 0.3)  # chances of a new kind in a step that are tried
REPEATING = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # chances of doing the same again
ALIKE = (-0.5, 0.2, 0.5, 1.0, 2.0, 4.0)  # log-odds that a neighbour surely of a kind adds to it
NEIGHBOUR = 3  # the distance to the third-nearest is near


@dataclass(frozen=True)
class Doubt:
    """One richer model against the assumed one."""

    richer: str  # what it allows
    gain: float  # nats an episode by which it foretells better what neither has seen
    error: float  # standard error of that

    @property
    def fires(self) -> bool:
        """Is the assumed form wrong in this, beyond chance?"""
        return self.gain > ERRORS * self.error


@dataclass(frozen=True)
class _Told:
    """What a fitted model says of some episodes."""

    told: Tensor  # [E, T, N, Z] log-likelihood of each decision, were everyone of each kind in turn
    prior: Tensor  # [E, N, Z] log-chances
    repeats: Tensor  # [E, T, N] bool: the same choice as in the step before
    near: Tensor  # [E, N, N] weight of each other agent as a neighbour

    def assumed(self) -> Tensor:
        """[E, N] log-likelihood of whole trajectories."""
        return _mixed(self.prior, self.told)

    def changing(self, chance: float) -> Tensor:
        """The same where in every step somebody's kind is drawn anew with that chance (a hidden Markov model)."""
        held = self.prior + self.told[:, 0]  # [E, N, Z] of the history and the kind now
        for t in range(1, self.told.shape[1]):
            drawn = held.logsumexp(-1, keepdim=True) + self.prior + math.log(chance)
            held = torch.logaddexp(held + math.log(1 - chance), drawn) + self.told[:, t]
        return held.logsumexp(-1)

    def repeating(self, chance: float) -> Tensor:
        """The same where from the second step on somebody does the same again with that chance, whatever it is."""
        again = torch.where(self.repeats[..., None], math.log(chance), -torch.inf)
        told = torch.logaddexp(self.told + math.log(1 - chance), again)
        return _mixed(self.prior, torch.cat([self.told[:, :1], told[:, 1:]], 1))

    def alike(self, weight: float) -> Tensor:
        """The same where neighbours' kinds, as far as what they did tells of them, shift one's own chances (the
        pseudo-likelihood of Besag 1975)."""
        leaning = (self.prior + self.told.sum(1)).softmax(-1) - self.prior.exp()  # [E, N, Z]
        return _mixed((self.prior + weight * (self.near @ leaning)).log_softmax(-1), self.told)


def doubts(
    society: Society, model: ModelSettings, data: Records, settings: FitSettings, seed: int, progress: Progress = quiet
) -> tuple[Doubt, ...]:
    """The four richer models against one of kinds, on real episodes under rules that are not all alike.

    ValueError for fewer than four episodes, for replies that are distributions, and for traits that are not kinds.
    """
    _check(model, data)
    halves = torch.arange(data.episodes) % 2 == 0
    parts = [_gains(society, model, (data.take(half), data.take(~half)), settings, seed) for half in (halves, ~halves)]
    gains = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}  # each [E]
    progress("asking whether people are of that form", 1, 1, max(float(gain.mean()) for gain in gains.values()))
    return tuple(
        Doubt(name, float(gain.mean()), float(gain.std() / math.sqrt(len(gain)))) for name, gain in gains.items()
    )


def _check(model: ModelSettings, data: Records) -> None:
    if model.latent != "kinds":
        raise ValueError(f"only a world model of kinds can be doubted so, not one of latent {model.latent!r}")
    if data.episodes < LEAST:
        raise ValueError(f"{data.episodes} episodes are too few to doubt people's form by; give at least {LEAST}")
    if not bool(((data.choice == 0) | (data.choice == 1)).all()):
        raise ValueError("people's form is doubted by single actions; these replies are whole distributions")


def _gains(
    society: Society, model: ModelSettings, halves: tuple[Records, Records], settings: FitSettings, seed: int
) -> dict[str, Tensor]:
    """[E'] log-likelihood of each episode of the second half gained over the assumed form, by richer model."""

    def fitted(kinds: int) -> tuple[_Told, _Told]:
        known = WorldModel(society, replace(model, traits=kinds), seed)
        fit_kinds(known, halves[0], settings, seed)
        return _told(known, halves[0]), _told(known, halves[1])

    (seen, unseen), (_, more) = fitted(model.traits), fitted(model.traits + 1)
    found = {
        "one more kind": more.assumed(),
        "kinds that change": _best(seen.changing, unseen.changing, CHANGING),
        "neighbours who are alike": _best(seen.alike, unseen.alike, ALIKE),
        "people who repeat themselves": _best(seen.repeating, unseen.repeating, REPEATING),
    }
    return {name: (own - unseen.assumed()).sum(-1) for name, own in found.items()}


def _best(seen: Callable[[float], Tensor], unseen: Callable[[float], Tensor], tried: Sequence[float]) -> Tensor:
    """What the number that suits the seen episodes best says of the unseen ones."""
    return unseen(max(tried, key=lambda number: float(seen(number).mean())))


def _told(model: WorldModel, data: Records) -> _Told:
    assert isinstance(model.prior, KindPrior)
    with torch.no_grad():
        told = model.evidence(data.prospects, data.features, data.choice, data.open)
        same = (data.choice[:, 1:] * data.choice[:, :-1]).sum(-1) > 0  # [E, T - 1, N]
        repeats = torch.cat([torch.zeros_like(same[:, :1]), same], 1)
        return _Told(told, model.prior.log_chances(data.covariates), repeats, _near(data.covariates))


def _near(covariates: Tensor) -> Tensor:
    """[E, N, N] weights that fall off with the distance of public facts [E, N, V]; none where nothing is public."""
    n = covariates.shape[1]
    apart = (covariates[:, :, None] - covariates[:, None]).abs().sum(-1)
    if covariates.shape[-1] == 0 or n <= NEIGHBOUR:
        return torch.zeros_like(apart)
    usual = apart.sort(-1).values[..., NEIGHBOUR].mean().clamp_min(1e-6)
    return (-apart / usual).exp() * (1 - torch.eye(n))


def _mixed(prior: Tensor, told: Tensor) -> Tensor:
    """[E, N] of people of one kind for the whole episode."""
    return (prior + told.sum(1)).logsumexp(-1)
