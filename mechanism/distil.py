"""Teaching a policy what planning would do: the planner plays imagined episodes, and the policy learns its options.

Planning in a good model finds better rules than policy gradients do, but costs a search at every step. A policy that
has taken over its choices costs one pass of a network, and can go on learning by PPO (expert iteration with one round:
Anthony, Tian & Barber 2017, arXiv 1705.08439).
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mechanism.dreams import Dreams
from mechanism.planning import Planner
from mechanism.policy import Learned
from mechanism.policy_options import OptionPolicy
from societies.base import PublicStep
from world_model.fit import Progress

FIRST = 3 * 10**6  # number of the first imagined episode that is played for this; no other part uses those
AT_ONCE = 100  # worlds


@dataclass(frozen=True)
class DistilSettings:
    """How much is planned, and how long it is learned from.

    The policy learns a softmax of what the planner found each option to be worth, of those with which a course in its
    beam begins: where several are nearly as good, any of them will do, and which came out first is not worth learning.
    """

    planned_episodes: int = 0  # imagined ones that the planner plays; 0 = none, and nothing is distilled
    epochs: int = 10  # passes over its decisions
    batch: int = 200  # decisions
    rate: float = 3e-3
    temperature: float = 0.01  # of that softmax, in the welfare of a whole course
    ahead: int = 1000  # steps that the planner looks at, the next one included
    decay: float = 0.1  # of the policy's weights


@dataclass(frozen=True)
class Watched:
    """The planner, with what the learner would have seen at each decision written down."""

    planner: Planner
    learner: Learned
    temperature: float
    observed: list[Tensor] = field(default_factory=list[Tensor])
    planned: list[Tensor] = field(default_factory=list[Tensor])

    def start(self, worlds: int) -> Any:
        """The memories of both."""
        return self.planner.start(worlds), self.learner.start(worlds)

    def propose(self, memory: Any, seen: PublicStep) -> tuple[Any, Tensor]:
        """[B, M]"""
        planning, values = self.planner.values(memory[0], seen)
        watching, observation = self.learner.observer.observe(memory[1], seen)
        self.observed.append(observation)
        self.planned.append((values / self.temperature).softmax(-1))
        return (planning, watching), torch.eye(values.shape[-1])[values.argmax(-1)]


def distil(
    learner: Learned, planner: Planner, dreams: Dreams, settings: DistilSettings, seed: int, progress: Progress
) -> None:
    """Improve `learner` in place: cross-entropy to the planner's softmax. ValueError for a policy over numbers."""
    policy = learner.policy
    if not isinstance(policy, OptionPolicy):
        raise ValueError(f"only options can be planned; the rules of {learner.society.name} are numbers")
    observed, planned = _decisions(learner, planner, dreams, settings, progress)
    policy.read(observed)
    optimizer = torch.optim.AdamW(policy.parameters(), settings.rate, weight_decay=settings.decay)
    generator, done = torch.Generator().manual_seed(seed), 0
    steps = settings.epochs * -(-len(observed) // settings.batch)
    for _ in range(settings.epochs):
        for rows in torch.randperm(len(observed), generator=generator).split(settings.batch):
            loss = -(policy.scores(observed[rows]).log_softmax(-1) * planned[rows]).sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * max(0.05, 1 - done / steps)
            optimizer.step()
            done += 1
            progress("learning from planning", done, steps, loss.item())


def _decisions(
    learner: Learned, planner: Planner, dreams: Dreams, settings: DistilSettings, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Observations [S, ...] and the chances that each option should have in them [S, M]."""
    watched = Watched(planner, learner, settings.temperature)
    with torch.no_grad():
        for start in range(0, settings.planned_episodes, AT_ONCE):
            worlds = min(AT_ONCE, settings.planned_episodes - start)
            dream = dreams.dream(watched, FIRST + start, worlds)
            level = float(dream.episode.returns().mean())
            progress("planning in imagination", start + worlds, settings.planned_episodes, level)
    return torch.cat(watched.observed), torch.cat(watched.planned)
