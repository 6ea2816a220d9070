"""Real episodes as the latent world model reads them, and where they are kept.

Shapes: B episodes, T steps, N agents, F features, X observation, G groups, K choices, D prospects, M options.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mechanism.observe_options import offered
from societies.base import Episode, PublicStep, Society
from societies.mechanisms import options
from world_model.records import personal


@dataclass(frozen=True)
class Sizes:
    """What the networks need to know of the society."""

    steps: int  # T
    observation: int  # X
    felt: int  # G
    choices: int  # K
    prospects: int  # D

    @property
    def facts(self) -> int:
        """Numbers that a step shows of an agent: its reply, the prospects of what it chose, and of all that stands."""
        return self.choices + 2 * self.prospects


def sizes(society: Society) -> Sizes:
    """ValueError where the society's rules are numbers."""
    k, d, v = len(society.choice_names), len(society.prospect_names), len(society.personal)
    groups = options(society).groups(torch.zeros(1, 1, len(society.feature_names)))
    return Sizes(society.steps, v + k + 2 * d, groups.shape[2], k, d)


@dataclass(frozen=True)
class Steps:
    """Replayed episodes."""

    features: Tensor  # [B, T + 1, N, F] public state, for the rules only
    observation: Tensor  # [B, T + 1, N, X] before each step, and after the last
    felt: Tensor  # [B, T, N, G] each agent's place in the groups of the option that was taken
    choice: Tensor  # [B, T, N, K] replies
    chosen: Tensor  # [B, T, N, D] prospects of what was chosen
    standing: Tensor  # [B, T + 1, N, D] prospects summed over all that could be chosen if nothing were done
    reward: Tensor  # [B, T]

    def at(self, index: Tensor) -> "Steps":
        """The episodes at those places."""
        return Steps(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def observed(society: Society, seen: PublicStep) -> Tensor:
    """What is public of each agent [B, N, X]: who it is, what stands for it, its last reply, and the prospects of what
    it chose.
    """
    known = torch.cat([personal(society, seen.features), standing(society, seen.step, seen.features)], -1)
    if seen.last_features is None or seen.last_mechanism is None or seen.last_choice is None:
        nothing = known.new_zeros(*known.shape[:2], len(society.choice_names) + len(society.prospect_names))
        return torch.cat([known, nothing], -1)
    chosen = chosen_prospects(society, seen.last_features, seen.last_mechanism, seen.last_choice)
    return torch.cat([known, seen.last_choice, chosen], -1)


def standing(society: Society, step: int, features: Tensor) -> Tensor:
    """[B, N, D] the prospects of all that each agent could choose if the principal did nothing, summed."""
    return offered(society, step, features, society.default_mechanism().expand(len(features), -1))[0]


def chosen_prospects(society: Society, features: Tensor, mechanism: Tensor, choice: Tensor) -> Tensor:
    """[B, N, D] the prospects of what was chosen, or their mean where the reply [B, N, K] is a distribution."""
    return (society.prospects(features, mechanism).mT @ choice[..., None])[..., 0]


def felt(groups: Tensor, mechanism: Tensor) -> Tensor:
    """[B, N, G] the group in which the taken option puts each agent, of groups [B, M, G, N] and the one-hot mechanism
    [B, M]; zeros where none is taken.
    """
    column = groups[torch.arange(len(groups)), mechanism.argmax(-1)]  # [B, G, N]
    return (column * mechanism.sum(-1)[:, None, None]).mT


def as_steps(society: Society, episode: Episode) -> Steps:
    """What there is to learn from real episodes."""
    f, m, choice = episode.features, episode.mechanism, episode.choice
    times = range(m.shape[1])
    chosen = torch.stack([chosen_prospects(society, f[:, t], m[:, t], choice[:, t]) for t in times], 1)
    moved = torch.stack([felt(options(society).groups(f[:, t]), m[:, t]) for t in times], 1)
    stands = torch.stack([standing(society, t, f[:, t]) for t in range(f.shape[1])], 1)
    done = torch.cat([choice, chosen], -1)
    done = torch.cat([torch.zeros_like(done[:, :1]), done], 1)  # nothing is known before the first step
    observation = torch.cat([personal(society, f), stands, done], -1)
    return Steps(f, observation, moved, choice, chosen, stands, episode.welfare * episode.counted)


class Replay:
    """The newest real episodes, drawn from evenly."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: Steps | None = None

    def add(self, new: Steps) -> None:
        """Keep these too, and forget the oldest beyond the size."""
        if self.kept is not None:
            new = Steps(**{f.name: torch.cat([getattr(self.kept, f.name), getattr(new, f.name)]) for f in fields(new)})
        self.kept = new.at(torch.arange(len(new.reward))[-self.size :])

    def sample(self, episodes: int, generator: torch.Generator) -> Steps:
        """That many, with replacement. ValueError where nothing was added yet."""
        if self.kept is None:
            raise ValueError("there is nothing to replay yet: add real episodes first")
        return self.kept.at(torch.randint(len(self.kept.reward), (episodes,), generator=generator))
