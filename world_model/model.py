"""The neural social world model: scaler, community prior, response ensemble and online trait tracker in one module."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from societies.base import Society
from world_model.accounting import Accounting, AccountSizes
from world_model.joint import JointBelief, JointPrior, JointTracker
from world_model.kinds import KindBelief, KindPrior, KindTracker, by_kind
from world_model.latent import CommunityPrior
from world_model.records import Scaler, Standard
from world_model.response import Form, Sizes, make_head
from world_model.traits import Belief, Tracker


@dataclass(frozen=True)
class ModelSettings:
    """Sizes of the world model."""

    form: Form = "utility"
    members: int = 5  # S, heads in the ensemble
    latent: Literal["gaussian", "kinds", "joint"] = (
        "gaussian"  # a point, one of Z kinds, or a code of the roster's class
    )
    traits: int = 6  # Z, latent trait dimensions, or kinds
    community: int = 3  # C, latent draws that a roster shares
    classes: int = 256  # of a roster, where latent is joint
    hidden: int = 32
    tracker_hidden: int = 64
    dynamics: Literal["settled", "learned"] = "settled"  # what follows a step: by the real rules, or learned


class WorldModel(nn.Module):
    """How these people answer rules, and how to tell who they are from what they did. ValueError: `check_learnable`."""

    def __init__(self, society: Society, settings: ModelSettings, seed: int) -> None:
        super().__init__()
        check_learnable(society)
        generator = torch.Generator().manual_seed(seed)
        d, o = len(society.prospect_names), len(society.own)
        k, v = len(society.choice_names), len(society.personal)
        self.settings = settings
        self.own = [society.feature_names.index(name) for name in society.own]
        self.scaler = Scaler(d, o)
        self.prior = _prior(society, settings, generator)
        sizes = Sizes(settings.members, k, 2 * d, o, settings.traits, settings.hidden)
        self.head = make_head(settings.form, sizes, generator)
        self.tracker = _tracker(self.prior, (k * d + k + o + 2 * d, v), settings, generator)
        self.accounting = _accounting(society, settings, generator)  # last, so that the rest is the same without it

    @property
    def members(self) -> int:
        return self.settings.members

    def set_out_from(self, known: Mapping[str, Tensor]) -> None:
        """Take the weights of a model of other people, and stay in its units and near to it: the next fit goes on from
        there.
        """
        self.load_state_dict(known)
        for part in self.modules():
            if isinstance(part, Scaler | Standard):
                part.fixed = True

    @property
    def sets_out(self) -> bool:
        """Does it go on from a model of other people?"""
        return self.scaler.fixed

    def state(self, features: Tensor) -> Tensor:
        """[..., F] -> [..., O] everyone's own situation, standardised."""
        return self.scaler.state(features[..., self.own])

    def log_probs(self, prospects: Tensor, features: Tensor, z: Tensor, open_: Tensor | None = None) -> Tensor:
        """Raw prospects [S, ..., K, D], features [S, ..., F], z [S, ..., Z] -> log p [S, ..., K].

        open_: [S, ..., K] bool, what may be chosen; None = everything.
        """
        return self.head(self.scaler.prospects(prospects), self.state(features), z, open_)

    def doubt(self, prospects: Tensor, features: Tensor, z: Tensor, open_: Tensor) -> Tensor:
        """log p [S, ..., K] by the next member of the ensemble, without gradient."""
        with torch.no_grad():
            return self.log_probs(*[x.roll(1, 0) for x in (prospects, features, z, open_)]).roll(-1, 0)

    def evidence(self, prospects: Tensor, features: Tensor, choice: Tensor, open_: Tensor) -> Tensor:
        """What the tracker reads of a decision: [..., K, D], [..., F], [..., K], [..., K] -> [..., K D + K + O + 2 D].

        Last what was chosen: where utility is linear in the prospects, all that a reply tells beside what was offered.
        Of kinds: the log-likelihood of each [..., Z], the mean over the members.
        """
        if isinstance(self.prior, KindPrior):
            return self._told_of_kinds(prospects, features, choice, open_)
        scaled = self.scaler.prospects(prospects)  # [..., K, 2 D], the linear half first
        chosen = (scaled.mT @ choice[..., None])[..., 0]  # [..., 2 D]
        offered = scaled[..., : prospects.shape[-1]].flatten(-2)
        return torch.cat([offered, choice, self.state(features), chosen], -1)

    def _told_of_kinds(self, prospects: Tensor, features: Tensor, choice: Tensor, open_: Tensor) -> Tensor:
        scaled, state = self.scaler.prospects(prospects), self.state(features)
        told = by_kind(self.head, *[x[None] for x in (scaled, state, open_, choice)])  # [S, 1, Z, ...]
        return told.mean(0)[0].movedim(0, -1)

    def save(self, path: Path) -> None:
        """Weights as safetensors."""
        save_file({k: v.contiguous() for k, v in self.state_dict().items()}, str(path))

    def restore(self, path: Path) -> None:
        """Weights from `save`. Raises if they belong to a model of other sizes."""
        self.load_state_dict(load_file(str(path)))


Believed = Belief | KindBelief | JointBelief
"""What a tracker believes of everyone."""
Prior = CommunityPrior | KindPrior | JointPrior


def check_learnable(society: Society) -> None:
    """ValueError where choices do not make the response: such a model would imagine steps in which nothing happens."""
    if not society.response_is_choice:
        raise ValueError(
            f"{society.name}: what is seen of people does not follow from their choices alone, "
            "and a world model learns nothing but choices"
        )


def _prior(society: Society, settings: ModelSettings, generator: torch.Generator) -> Prior:
    covariates = len(society.personal)
    if settings.latent == "kinds":
        return KindPrior(settings.traits, covariates)
    if settings.latent == "joint":
        return JointPrior(settings.classes, society.agents, settings.traits, generator)
    return CommunityPrior(settings.traits, settings.community, covariates, generator)


def _tracker(
    prior: Prior, reads: tuple[int, int], settings: ModelSettings, generator: torch.Generator
) -> Tracker | KindTracker | JointTracker:
    """reads: how long the evidence of a decision is, and how many covariates there are."""
    if isinstance(prior, KindPrior):
        return KindTracker(prior)  # no module: its prior is saved as the model's
    if isinstance(prior, JointPrior):
        return JointTracker(*reads, prior, settings.tracker_hidden, generator)
    return Tracker(*reads, settings.traits, settings.community, settings.tracker_hidden, generator)


def _accounting(society: Society, settings: ModelSettings, generator: torch.Generator) -> Accounting | None:
    """What must be learned of the accounting; None where the real rules say it all."""
    learned = settings.dynamics == "learned"
    if society.welfare_is_public and not learned:
        return None
    sizes = AccountSizes(
        members=settings.members,
        state=len(society.feature_names),
        mechanism=len(society.default_mechanism()),
        response=society.respond(torch.zeros(1, 1, dtype=torch.long)).shape[-1],
        traits=settings.traits,
        hidden=settings.hidden,
    )
    return Accounting(sizes, tuple(society.feature_names.index(p) for p in society.personal), learned, generator)
