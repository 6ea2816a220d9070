"""Best hours that are known: one worker's in the income tax, by dynamic programming, and those of LLM Economist, by its
formula; and how near to them people come who learned. See `experiments.agents_learn`.

Shapes: B worlds, T steps, N agents, K choices, J numbers of hours in the year before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.base import Decisions, Round
from agents.rl import RLPopulation
from experiments.known_responses import Gained, Stays, gained_by, held_out, rosters_of
from learning.draws import Draws
from personas.people import People
from societies.base import Episode, Principal, State
from societies.best_response import train
from societies.labour import FULL_TIME
from societies.library.income_tax import LEVELS, IncomeTax
from societies.library.llm_economist_v1 import LLMEconomist, effort
from societies.people_ppo import BestResponseSettings, Deviating, School, Trainer, deviators
from societies.play import play
from world_model.fit import quiet

WORKERS = 4
POOREST = ", the poorest tenth"  # told beside


@dataclass(frozen=True)
class Always:
    """Workers who always work as long; `mine`, [B, N] bool, do otherwise than the others' 40 hours."""

    mine: Tensor
    level: int

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        hours = torch.where(self.mine, self.level, LEVELS.index(FULL_TIME))
        return None, Decisions(hours.expand(round.choices.shape[:2]), None)


FULL_TIME_ALL = Always(torch.tensor(False), 0)


def dynamic_programming(settings: BestResponseSettings, seed: int, worlds: int) -> Gained:
    """One worker in a small town where all others work 40 hours. The plan that is best minds all years, however far
    those who learn look ahead.
    """
    town = IncomeTax()
    town.agents = WORKERS
    rosters, others = rosters_of(town, "communities"), FULL_TIME_ALL

    def rules(d: Draws) -> Principal:
        return Stays(town, d)

    policy = Trainer(School(town, rosters, settings, seed, others), rules).taught(rules, quiet)
    d = held_out(seed, worlds)
    people = rosters.people(d)
    mine = deviators(d, people)
    played = play(town, Deviating(policy, others), people, rules(d), d)
    learned = played.sealed.payoff.transpose(1, 2)[mine].mean()
    random, best = (_by_hours(town, people, played.episode.mechanism, mine, over) for over in (_mean, _most))
    return Gained(random, _constant_hours(town, people, rules(d), mine, d), float(learned), best)


def _constant_hours(town: IncomeTax, people: People, rules: Principal, mine: Tensor, d: Draws) -> float:
    """Mean payoff of a year of one worker of each world, who works the hours that are best if all of these work the
    same in all years.
    """
    paid = (play(town, Always(mine, k), people, rules, d).sealed.payoff for k in range(len(LEVELS)))
    return max(float(each.transpose(1, 2)[mine].mean()) for each in paid)


def _by_hours(town: IncomeTax, people: People, rules: Tensor, mine: Tensor, over: Callable[[Tensor], Tensor]) -> float:
    """Mean payoff of a year when hours are chosen by `over` what each brings, from rules [B, T, M] that were in force.

    Others work 40 hours, so that a state is a year and one's own hours in the year before: Bellman's equation.
    """
    steps, levels = town.steps, len(LEVELS)
    before = [[town.reset(people)]]
    rewards = list[Tensor]()
    for t in range(steps):
        taken = [[_worked(town, state, rules[:, t], mine, k) for k in range(levels)] for state in before[-1]]
        rewards.append(torch.stack([torch.stack([paid for _, paid in row], -1) for row in taken], 1))  # [B, J, K]
        before.append([state for state, _ in taken[0]])  # the year before last no longer matters
    ahead = torch.zeros(people.worlds, levels)  # [B, K] what comes after each number of hours
    for reward in reversed(rewards):
        ahead = over(reward + ahead[:, None])  # [B, J]
    return float(ahead.mean() / steps)


def _worked(town: IncomeTax, state: State, rules: Tensor, mine: Tensor, level: int) -> tuple[State, Tensor]:
    """The state after a year in which one worker of each world works that much, and what it is paid [B]."""
    action = torch.where(mine, level, LEVELS.index(FULL_TIME))
    after = town.step(state, rules, action)
    return after.state, after.payoff[mine]


def _mean(values: Tensor) -> Tensor:
    return values.mean(-1)


def _most(values: Tensor) -> Tensor:
    return values.amax(-1)


def economist(settings: BestResponseSettings, seed: int, worlds: int) -> Iterator[tuple[str, Gained]]:
    """The workers of LLM Economist, whose best hours follow from a formula: all of them, and the poorest tenth."""
    town = LLMEconomist()
    rosters = rosters_of(town, "us_incomes")
    policy = train(town, rosters, lambda d: Stays(town, d), settings, seed, quiet)
    d = held_out(seed, max(1, worlds // 10))
    e = play(town, RLPopulation(policy), rosters.people(d), Stays(town, d), d).episode
    worth, chances = _own_worth(town, e), e.choice  # [B, T, N, K]
    income = town.market.income(e.features[:, :-1])
    yield "llm_economist_v1", gained_by(worth, chances)
    poor = income <= income.flatten().quantile(0.1)
    yield f"llm_economist_v1{POOREST}", gained_by(worth[poor], chances[poor])


def _own_worth(town: LLMEconomist, e: Episode) -> Tensor:
    """[B, T, N, K] dollars, but for the lump sum, which hangs on all."""
    gross, owed, _ = town.market.money(e.features[:, :-1].flatten(0, 1), e.mechanism.flatten(0, 1))
    return (gross - owed - effort(town.market.hours)).unflatten(0, e.mechanism.shape[:2])
