"""Single decisions of the income-tax society: taken from played communities, or made unusual on purpose."""

from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.embedded_schedules import schedules
from learning.draws import Draws
from personas.people import People, Persona
from personas.sample import Sampler
from societies.base import State
from societies.labour import EQUALITY, HOURS, LUMP_SUM, NET
from societies.library.income_tax import LEVELS, IncomeTax, full_time_income


@dataclass(frozen=True)
class Situations:
    """Single decisions, M of them, each in a town of its own: the public rules are then the same as in a real one."""

    features: Tensor  # [M, 1, F] as the society's, the lump sum in shares of the person's own full-time income
    mechanism: Tensor  # [M, 7]

    def take(self, rows: Tensor) -> "Situations":
        return Situations(self.features[rows], self.mechanism[rows])

    def teacher(self, society: IncomeTax, traits: Tensor, names: tuple[str, ...]) -> Tensor:
        """Log-probabilities [M, K] of scripted people with `traits` [M, Z] under `names`."""
        who = People((), torch.zeros(len(traits), 1, 0), names, traits[:, None], _nobody)
        return society.teacher(State(0, self.features, who), self.mechanism)[:, 0]

    def views(self, society: IncomeTax) -> Tensor:
        """[M, O] what is told."""
        people = People((), torch.zeros(len(self.features), 1, 0), (), torch.zeros(len(self.features), 1, 0), _nobody)
        return society.look(State(0, self.features, people), self.mechanism)[:, 0]


def _nobody(world: int, agent: int) -> Persona:
    raise LookupError("single situations have no people")


@dataclass(frozen=True)
class Played:
    """Communities that were played: who lived there, and each person's situations year by year."""

    people: People  # [B, N]
    situations: Situations  # [B * N * T]; row (b * N + n) * T + t
    years: int  # T


def play_communities(society: IncomeTax, sampler: Sampler, draws: Draws, paths: Tensor) -> Played:
    """Scripted people of the worlds of `draws` under `paths` [B, T, 7]."""
    people = sampler.people(draws)
    state = society.reset(people)
    features, mechanism = list[Tensor](), list[Tensor]()
    for step in range(society.steps):
        rates = paths[:, step]
        features.append(_own(state.features))
        mechanism.append(rates[:, None].expand(-1, people.agents, -1))
        action = draws.choice("decision", step, society.teacher(state, rates))
        state = society.step(state, rates, action).state
    flat = torch.stack(features, 2).flatten(0, 2)[:, None]  # [B N T, 1, F]
    return Played(people, Situations(flat, torch.stack(mechanism, 2).flatten(0, 2)), society.steps)


def _own(features: Tensor) -> Tensor:
    """Features with the lump sum in shares of each person's own full-time income."""
    income = full_time_income(features)
    own = features.clone()
    own[..., LUMP_SUM] = features[..., LUMP_SUM] * income.mean(1, keepdim=True) / income
    return own


def shaken(situations: Situations, draws: Draws, society: IncomeTax) -> Situations:
    """Each situation [M] with some of its facts far from usual; `draws` has one episode per row."""
    f, rates = situations.features.clone(), situations.mechanism
    fresh = schedules(draws, 1, 0, ("flat", "ascending", "random"))[:, 0]
    rates = torch.where(_hit(draws, "rates", 0.4), fresh, rates)
    f[..., LUMP_SUM] = torch.where(_hit(draws, "lump", 0.5), _lump_sums(draws), f[..., LUMP_SUM])
    f[..., HOURS] = torch.where(_hit(draws, "hours", 0.7), _hours(draws, f[..., HOURS]), f[..., HOURS])
    f[..., NET] = torch.where(_hit(draws, "net", 0.7), _net(draws, society, f, rates), f[..., NET])
    equal = 0.3 + 0.65 * draws.uniform("equality", 0, 1)
    f[..., EQUALITY] = torch.where(_hit(draws, "equality", 0.7), equal, f[..., EQUALITY])
    return Situations(f, rates)


def _hit(draws: Draws, fact: str, chance: float) -> Tensor:
    return draws.uniform(f"is {fact} changed", 0, 1) < chance  # [M, 1]


def _lump_sums(draws: Draws) -> Tensor:
    """Shares of own full-time income: half up to 1.5, half log-uniform from .02 to 4.5; [M, 1]."""
    u = draws.uniform("lump", 0, 1)
    return torch.where(draws.uniform("kind of lump", 0, 1) < 0.5, 1.5 * u, (5.4 * u - 3.9).exp())


def _hours(draws: Draws, usual: Tensor) -> Tensor:
    """Last year's hours / 40 on the grid of levels: some anywhere, most around `usual` with an sd of 12.5 h; [M, 1]."""
    anywhere = (20 * draws.uniform("hours", 0, 1)).round() / 8
    near = ((8 * usual + 2.5 * draws.normal("hours", 0, 1)).round() / 8).clamp(0.0, 2.5)
    return torch.where(draws.uniform("kind of hours", 0, 1) < 0.3, anywhere, near)


def _net(draws: Draws, society: IncomeTax, f: Tensor, rates: Tensor) -> Tensor:
    """Last year's net: what a level of hours near last year's would bring now, so that some fear a fall; [M, 1]."""
    net = society.prospects(f, rates)[..., 0]  # [M, 1, K]
    level = (8 * f[..., HOURS] + 2.0 * draws.normal("net", 0, 1)).round().long().clamp(0, len(LEVELS) - 1)
    return net.gather(-1, level[..., None])[..., 0]
