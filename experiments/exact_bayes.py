"""What an exact observer could know of scripted workers: Bayes by importance sampling from the true prior.

It knows the teacher's formula and the population's laws, so no learned tracker can beat it by learning; a tracker
that pools a whole roster may beat the row in which each worker is looked at alone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from learning.draws import Draws
from personas.incomes import HOURS_PER_YEAR, standing
from personas.people import People, Persona
from personas.sample import Sampler
from societies.base import Episode
from societies.library.income_tax import TEMPERATURE, Utility, full_time_income, utility
from world_model.records import Records


@dataclass(frozen=True)
class Setting:
    """What the observer is told."""

    particles: int
    knows_community: bool  # the roster's own community draws are given away
    soft: bool  # it sees whole distributions
    weight: float = 1.0  # how many observations one reply counts as


def next_choice(episode: Episode, data: Records, rosters: Sampler, seed: int, step: int, setting: Setting) -> Tensor:
    """[B, N, K] the predictive distribution of the choice at `step` from the history before it."""
    predictive = torch.empty_like(data.choice[:, step])
    hours = data.prospects[0, 0, 0, :, 2]  # [K] in units of 40
    for world in range(len(episode.ids)):
        particles = _particles(rosters, seed, int(episode.ids[world]), data, world, setting)  # of every agent [N, P]
        log_weight = torch.zeros_like(particles.elasticity)
        for t in range(step):
            seen = data.choice[world, t] if setting.soft else _one_hot(episode.action[world, t], len(hours))
            log_p = _log_choice(particles, data, world, t, hours)  # [N, P, K]
            log_weight += setting.weight * (seen[:, None] * log_p).sum(-1)
        weight = log_weight.softmax(-1)  # [N, P]
        predictive[world] = (weight[..., None] * _log_choice(particles, data, world, step, hours).exp()).sum(1)
    return predictive


def _one_hot(action: Tensor, size: int) -> Tensor:
    return torch.nn.functional.one_hot(action, size).float()


def _log_choice(particles: Utility, data: Records, world: int, t: int, hours: Tensor) -> Tensor:
    """[N, P, K] for every particle of every agent of one world."""
    net = data.prospects[world, t, :, None, :, 0]  # [N, 1, K]
    last = data.features[world, t, :, None]  # [N, 1, F]
    return (utility(particles, net, hours, last) / TEMPERATURE).log_softmax(-1)


def _particles(rosters: Sampler, seed: int, episode: int, data: Records, world: int, setting: Setting) -> Utility:
    """Draws from the prior of each agent given its wage: every parameter [N, P].

    A fresh roster per particle brings fresh traits and community draws; only the wage that elasticity leans on is
    the agent's own.
    """
    income = full_time_income(data.features[world : world + 1, 0])  # [1, N]
    told = rosters.community_draws(Draws(seed, torch.tensor([episode]))) if setting.knows_community else None
    particles = Draws(seed + 1, torch.arange(setting.particles) + 10**6 * (episode + 1))
    traits = rosters.traits_given(particles, standing(income.double()), told)  # [P, N, Z]
    names = tuple(rosters.population.traits)
    people = People(("wage",), (income / HOURS_PER_YEAR)[..., None], names, traits.transpose(0, 1), _nobody)
    return Utility.of(people)


def _nobody(world: int, agent: int) -> Persona:
    raise AssertionError("particles have no words")
