"""Two-level learning: people learn what pays for themselves while a principal learns their rules.

After the AI Economist (Zheng et al. 2022, arXiv 2108.02755): both are PPO, in the real society. What keeps the two from
chasing each other is there too: people first learn alone, under the default rules (curriculum); the principal takes one
step for several of theirs (time scales); and its rules reach further from the default ones only as it goes on
(tax annealing). It lives here, above the principals' own room, for it holds both people, who know themselves, and a
principal, who must not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from agents.rl import Policy, RLPopulation
from learning.draws import Draws, child_seed
from learning.ppo import PPOSettings, ppo_update
from mechanism.improve import ImproveSettings, Lived, ppo_round, prepare
from mechanism.policy import Learned, untrained
from mechanism.policy import Policy as RulePolicy
from societies.base import Options, Principal, PublicStep, Society
from societies.people_ppo import BestResponseSettings, School, Trainer, check
from societies.play import Fixed
from societies.stage import Rosters, Stage
from world_model.fit import Progress

ALONE, TOGETHER = "people learn alone", "people and principal learn"


@dataclass(frozen=True)
class TwoLevelSettings(BestResponseSettings):
    """How people learn, and a principal beside them. `iterations` counts batches of the people's, all of them."""

    iterations: int = 400
    alone: int = 50  # of these batches, the first ones: under the default rules, without a principal
    lag: int = 2  # batches that people learn from for one of the principal's
    reach: float = 0.1  # of the way from the default rules to those that the principal says, at first
    annealed: float = 0.5  # share of the principal's time after which they go all of it
    worlds: int = 50  # episodes of a batch of the principal's
    principal_rate: float = 3e-3  # learning rate, falling evenly
    principal_entropy: float = 0.01  # bonus

    @property
    def rounds(self) -> int:
        """How often the principal learns."""
        return (self.iterations - self.alone) // self.lag

    @property
    def improve(self) -> ImproveSettings:
        """The principal's, for the core."""
        ppo = PPOSettings(learning_rate=self.principal_rate, entropy=self.principal_entropy)
        return ImproveSettings(self.rounds, self.worlds, 1, ppo)


def check_two_level(settings: TwoLevelSettings) -> None:
    """ValueError naming a setting that is out of its range."""
    check(settings)
    for name, least in (("alone", 0), ("lag", 1), ("worlds", 2)):
        if getattr(settings, name) < least:
            raise ValueError(f"two-level learning: {name} is {getattr(settings, name)}; it must be at least {least}")
    for name in ("reach", "annealed", "principal_rate", "principal_entropy"):
        if not 0 <= getattr(settings, name) <= 1:
            raise ValueError(f"two-level learning: {name} is {getattr(settings, name):g}; it must be from 0 to 1")
    if settings.rounds < 1:
        raise ValueError(
            f"two-level learning: of {settings.iterations} iterations {settings.alone} are alone, which leaves none "
            f"for a principal that learns with every {settings.lag}; raise iterations, or lower alone"
        )


@dataclass(frozen=True)
class Within:
    """A principal whose numbers go only a part of the way from the default rules; options are as they are."""

    principal: Principal
    society: Society
    reach: float  # 0: the default rules; 1: what the principal says

    def start(self, worlds: int) -> Any:
        """As the principal starts."""
        return self.principal.start(worlds)

    def propose(self, memory: Any, seen: PublicStep) -> tuple[Any, Tensor]:
        """[B, M]"""
        memory, rules = self.principal.propose(memory, seen)
        if isinstance(self.society.mechanism, Options):
            return memory, rules
        default = self.society.default_mechanism()
        return memory, default + self.reach * (rules - default)


@dataclass(frozen=True)
class _Reaching(Lived):
    """Real episodes as rewards, under rules that reach only so far."""

    reach: float = 1.0

    def __call__(self, principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
        """As `Rewards`."""
        return super().__call__(Within(principal, self.stage.society, self.reach), start, worlds, copies)


@dataclass(frozen=True)
class TwoLevel:
    """What both came to."""

    people: Policy
    principal: Learned  # it sees public aggregates, no beliefs
    welfare: tuple[float, ...]  # mean reward of a step, by round, under exploring rules


def two_level(
    society: Society, rosters: Rosters, settings: TwoLevelSettings, seed: int, progress: Progress
) -> TwoLevel:
    """Both learn from nothing. ValueError for settings that make no sense."""
    check_two_level(settings)
    alone = Fixed(society.default_mechanism())
    trainer = Trainer(School(society, rosters, settings, child_seed(seed, "people")), lambda draws: alone)
    for i in range(settings.alone):
        progress(ALONE, i + 1, settings.alone, trainer.learn(lambda draws: alone))
    learned = untrained(society, None, child_seed(seed, "principal"))
    if isinstance(learned.policy, RulePolicy):
        with torch.no_grad():
            learned.policy.base.zero_()  # the middle of its range: no noise leads away from an end
    stage = Stage(society, RLPopulation(trainer.policy), rosters, child_seed(seed, "stage"))
    welfare = _together(trainer, learned, stage, settings, progress)
    trainer.policy.normaliser.freeze()
    return TwoLevel(trainer.policy, learned, tuple(welfare))


def _together(
    trainer: Trainer, learned: Learned, stage: Stage, settings: TwoLevelSettings, progress: Progress
) -> list[float]:
    """Mean reward by round."""
    improve, seed, welfare = settings.improve, stage.seed, list[float]()
    scale = prepare(learned, _Reaching(stage, settings.reach), seed, settings.worlds)
    optimizer = torch.optim.Adam(learned.policy.parameters(), lr=settings.principal_rate, eps=1e-5, fused=True)
    generator = torch.Generator().manual_seed(seed)
    for i in range(settings.rounds):
        left, reach = 1 - i / settings.rounds, reach_of(settings, i)
        for _ in range(settings.lag):
            trainer.learn(_explored(learned, reach), left)
        batch, reward = ppo_round(learned, _Reaching(stage, reach), scale, improve, (seed, (i + 1) * settings.worlds))
        for group in optimizer.param_groups:
            group["lr"] = settings.principal_rate * max(0.05, left)
        ppo_update(learned.policy, optimizer, batch, improve.ppo, generator)
        welfare.append(reward)
        progress(TOGETHER, i + 1, settings.rounds, reward)
    return welfare


def reach_of(settings: TwoLevelSettings, done: int) -> float:
    """How far rules reach in round number `done`: from `reach` evenly to all of it."""
    grown = done / max(1.0, settings.annealed * settings.rounds)
    return min(1.0, settings.reach + (1 - settings.reach) * grown)


def _explored(learned: Learned, reach: float) -> Callable[[Draws], Principal]:
    """The principal's rules as people meet them while it learns: with its noise."""
    return lambda draws: Within(replace(learned, explore=draws, taken=[]), learned.society, reach)
