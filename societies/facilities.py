"""Towns in which one facility is built per step, and everyone then visits one of those there are, or stays at home.

A square grid of side x side cells, row by row; N agents with public homes (several may share a cell). In each of T
steps the principal builds one facility in a free cell, for good; d is the Manhattan distance. Agent i then chooses
among the facilities f that stand, and home, whose utility is 0:

    U_if = b - alpha |d(h_i, f) - delta| - beta c_f        P(f) = exp(U_if) / (1 + sum_g exp(U_ig))

c_f is the share of all agents who visited f in the step before, 0 for a new facility: congestion is lagged, so that
given what is public everyone chooses independently. b, alpha, beta and delta go with the hidden trait `roaming`. The
welfare of a step is the share of agents who visit. The setting is that of SWM-AP (arXiv 2510.19270, section 5.1), which
leaves the formulas open; these are our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from agents.base import Question
from personas.people import People, Persona
from personas.words import render
from societies.base import Options, Settled, State, Transition
from societies.facility_words import news, rules
from societies.quantal import quantal_response
from societies.refusals import check_step, column, count, known_name

PRESENT, X, Y, CROWD = range(4)  # of each site; present is 1 or 0, or in learned dynamics about that
OBJECTIVES = ("visits",)
NEVER = -1e9  # the utility of a facility that does not stand


@dataclass(frozen=True)
class Tastes:
    """What people want, at roaming 0 and at roaming 1; linear between."""

    worth: tuple[float, float]  # b
    steepness: tuple[float, float]  # alpha, per block
    crowding: tuple[float, float]  # beta, at a share of 1
    liked_distance: tuple[float, float]  # delta, blocks

    @property
    def ends(self) -> tuple[tuple[float, float], ...]:
        """b, alpha, beta and delta, each at roaming 0 and 1."""
        return self.worth, self.steepness, self.crowding, self.liked_distance

    def of(self, people: People) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """b, alpha, beta and delta of everyone, each [B, N, 1]."""
        u = people.trait("roaming")[..., None]
        b, alpha, beta, delta = (low + (high - low) * u for low, high in self.ends)
        return b, alpha, beta, delta


class Facilities:
    """See the module. ValueError for an objective that is not known, and for a town that cannot be."""

    personal: tuple[str, ...] = ("home_x", "home_y")
    attributes_used: tuple[str, ...] = ("home_x", "home_y")
    traits_used: tuple[str, ...] = ("roaming",)
    own: tuple[str, ...] = ()
    welfare_is_public = True
    response_is_choice = True
    idle = 0  # to stay at home
    answer = "share of steps in which one goes out"
    price = "blocks to the nearest place"
    lot = "share of steps in which one goes out"
    takes_home = ""  # nothing is brought home

    def __init__(self, name: str, agents: int, side: int, tastes: Tastes, objective: str, sites: int = 5) -> None:
        known_name(name, "objective", objective, OBJECTIVES)
        _check_town(name, agents, side, sites, tastes)
        self.name, self.agents, self.side, self.tastes, self.objective = name, agents, side, tastes, objective
        self.steps = self.sites = sites
        self.rules = rules(side, sites, tastes.ends)  # in words
        self.farthest = 2 * (side - 1)  # blocks
        slots = [f"{what}_{j + 1}" for j in range(sites) for what in ("present", "x", "y", "crowd")]
        self.feature_names = (*self.personal, *slots, *(f"last_{k}" for k in range(sites + 1)))
        distances = (f"distance_{d}" for d in range(self.farthest + 1))
        self.prospect_names = (*distances, "crowd", "new", "was_here")
        self.choice_names = tuple(str(k) for k in range(sites + 1))
        places = torch.arange(side * side)
        grid = torch.stack([places % side, places // side], -1)  # [M, 2] column and row
        self.cells = self._scaled(grid.float())  # [M, 2] x and y as in the features
        names = tuple(f"row {row + 1}, column {column + 1}" for column, row in grid.tolist())
        self.mechanism = Options(names, self._groups)

    def counts(self, step: int) -> bool:
        return True

    def decides(self, step: int, features: Tensor) -> Tensor:
        """Every cell without a facility."""
        site = self._sites(features[:, 0])  # [B, S, 4]
        away = self._blocks(site[..., None, X : Y + 1] - self.cells.to(site.device))  # [B, S, M]
        return ~((away == 0) & (site[..., PRESENT, None] > 0.5)).any(1)

    def default_mechanism(self) -> Tensor:
        """Nothing is built."""
        return torch.zeros(len(self.cells))

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        """Homes in shares of the town's width become cells; nothing is built yet and nobody went anywhere. ValueError
        for homes outside [0, 1].
        """
        columns = [column(self.name, name, attribute_names) for name in self.personal]
        self._check_homes(public[..., columns])
        home = self._scaled((public[..., columns] * self.side).floor().clamp(0, self.side - 1))  # [B, N, 2]
        rest = home.new_zeros(*home.shape[:2], 5 * self.sites + 1)
        return torch.cat([home, rest], -1)

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        """Home, and every facility that stands once the new one is built."""
        present = self._built(features, mechanism)[..., PRESENT] > 0.5  # [B, N, S]
        return torch.cat([torch.ones_like(present[..., :1]), present], -1)

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, 1 + 3 S] whole numbers: the last choice; of each site its number, blocks away, per cent of all who
        were there last time. Negative = nothing to tell.
        """
        site, distance = self.seen(state.features, mechanism)
        last = self._last(state.features)
        chosen = torch.where(last.sum(-1) > 0, last.argmax(-1), -1)[..., None].float()
        number = torch.arange(1.0, self.sites + 1, device=site.device).expand_as(distance)
        old = self._sites(state.features)[..., PRESENT] > 0.5
        crowd = torch.where(old, (100 * site[..., CROWD]).round(), -1.0)
        told = torch.stack([number, distance, crowd], -1)  # [B, N, S, 3]
        told = torch.where(site[..., PRESENT, None] > 0.5, told, -1.0)
        return torch.cat([chosen, told.flatten(-2)], -1)

    def tell(self, view: Tensor, persona: Persona) -> Question:
        return Question(f"{self.rules}\n{render(persona)}", news(view), "site", self.choice_names)

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K, D]: how far (one-hot), how crowded, is it new, was one there last time; zeros for home."""
        site, distance = self.seen(features, mechanism)
        far = self._far(distance)  # [B, N, S, 2 side - 1]
        new = site[..., PRESENT] - self._sites(features)[..., PRESENT]
        was_here = self._last(features)[..., 1:]  # [B, N, S]
        facts = torch.cat([far, torch.stack([site[..., CROWD], new, was_here], -1)], -1) * site[..., PRESENT, None]
        return torch.cat([torch.zeros_like(facts[..., :1, :]), facts], -2)

    def utilities(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, K]; 0 for home."""
        site, distance = self.seen(state.features, mechanism)
        b, alpha, beta, delta = self.tastes.of(state.people)
        worth = b - alpha * (distance - delta).abs() - beta * site[..., CROWD]  # [B, N, S]
        worth = torch.where(site[..., PRESENT] > 0.5, worth, NEVER)
        return torch.cat([torch.zeros_like(worth[..., :1]), worth], -1)

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        return quantal_response(self.utilities(state, mechanism), 1.0)

    def respond(self, action: Tensor) -> Tensor:
        """[B, N, S + 1] one-hot: who went where is public; nobody asked counts as at home."""
        return torch.nn.functional.one_hot(action.clamp_min(0), self.sites + 1).float()

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        """The new facility stands, and its visitors of this step are next step's crowd."""
        site = self._built(features, mechanism)
        crowd = response[..., 1:].mean(1, keepdim=True).expand_as(site[..., CROWD])  # [B, N, S]
        site = torch.cat([site[..., :CROWD], crowd[..., None]], -1)
        after = torch.cat([features[..., :2], site.flatten(-2), response], -1)
        return Settled(after, {"visits": self.welfare_of(response.mean(1))})

    @property
    def prices(self) -> tuple[float, float]:
        return 0.0, float(self.farthest)

    def amounts(self) -> Tensor:
        return (torch.arange(len(self.choice_names)) != self.idle).float()

    def faced(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """NaN where nothing stands."""
        site, distance = self.seen(features, mechanism)
        nearest = torch.where(site[..., PRESENT] > 0.5, distance, torch.inf).amin(-1)
        return torch.where(nearest.isfinite(), nearest, torch.nan)

    def lot_of(self, features: Tensor) -> Tensor:
        return self._last(features)[..., 1:].sum(-1)

    def changes(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.full((*features.shape[:2], len(self.choice_names)), torch.nan)

    def offers(self, features: Tensor) -> Tensor:
        """[B, N, M, D] what `prospects` says of the new choice, under each option: how far it is, and new."""
        far = self._groups(features).permute(0, 3, 1, 2)  # [B, N, M, 2 side - 1]
        crowd, new, was_here = far.new_tensor([0.0, 1.0, 0.0]).expand(*far.shape[:-1], -1).split(1, -1)
        return torch.cat([far, crowd, new, was_here], -1)

    def newcomer(self, step: int) -> int:
        """The choice that is opened in a step: as many stand as steps have passed."""
        return step + 1

    def welfare_of(self, shares: Tensor) -> Tensor:
        """[...] the share of people who went out, from those of all choices [..., K]."""
        return 1 - shares[..., 0]

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        return accounts["visits"]

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        check_step(self, state, mechanism, action)
        response = self.respond(action)
        payoff = (self.utilities(state, mechanism) * response).sum(-1)
        settled = self.settle(state.features, mechanism, response)
        after = State(state.step + 1, settled.features, state.people)
        return Transition(after, response, payoff, settled.accounts, self.public_welfare(settled.accounts))

    def _check_homes(self, homes: Tensor) -> None:
        outside = ~((homes >= 0) & (homes <= 1))  # so that what is no number is outside
        if outside.any():
            name, value = self.personal[int(outside.nonzero()[0, -1])], float(homes[outside][0])
            raise ValueError(f"{self.name}: {name} is {value:g}; homes are told in shares of the town's width, 0 to 1")

    def _scaled(self, cells: Tensor) -> Tensor:
        """Columns and rows from 0 on, as places within +-2 of the middle of the town."""
        return (cells - (self.side - 1) / 2) * (4 / self.side)

    def _blocks(self, apart: Tensor) -> Tensor:
        """Manhattan distance of two places [..., 2] of the features, in whole blocks."""
        return (apart.abs().sum(-1) * (self.side / 4)).round()

    def _sites(self, features: Tensor) -> Tensor:
        """[..., F] -> [..., S, 4]"""
        return features[..., 2 : 2 + 4 * self.sites].unflatten(-1, (self.sites, 4))

    def _last(self, features: Tensor) -> Tensor:
        """[..., F] -> [..., S + 1] where everyone was last time: at home, or at which site."""
        start = 2 + 4 * self.sites
        return features[..., start : start + self.sites + 1]

    def _built(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, S, 4] the sites with the new one, if any, in the first free slot."""
        site = self._sites(features)
        free = torch.nn.functional.one_hot(
            site[..., PRESENT].sum(-1).round().long().clamp(max=self.sites - 1), self.sites
        )
        built = mechanism.sum(-1, keepdim=True)  # [B, 1] 1, or 0 where nothing is built
        new = torch.cat([built, mechanism @ self.cells.to(mechanism.device), torch.zeros_like(built)], -1)  # [B, 4]
        return site + (free * (site[..., -1:, PRESENT] < 0.5))[..., None] * new[:, None, None]

    def seen(self, features: Tensor, mechanism: Tensor) -> tuple[Tensor, Tensor]:
        """The sites [B, N, S, 4] with the new one, and everyone's distance to each [B, N, S] in blocks."""
        site = self._built(features, mechanism)
        return site, self._blocks(site[..., X : Y + 1] - features[..., None, :2])

    def _groups(self, features: Tensor) -> Tensor:
        """[B, M, G, N] who lives g blocks from each cell."""
        away = self._blocks(self.cells.to(features.device) - features[:, :, None, :2])  # [B, N, M]
        return self._far(away).permute(0, 2, 3, 1)

    def _far(self, blocks: Tensor) -> Tensor:
        """[..., 2 side - 1] one-hot of whole blocks. Rows are looked up, which is faster than comparing.

        A learned world model may dream of sites off the map: they are as far as can be.
        """
        marks = torch.eye(self.farthest + 1, device=blocks.device)
        return torch.nn.functional.embedding(blocks.long().clamp(max=self.farthest), marks)


def _check_town(name: str, agents: int, side: int, sites: int, tastes: Tastes) -> None:
    count(name, "agents", agents)
    count(name, "cells along a side", side)
    count(name, f"facilities on a grid of {side} x {side} cells", sites, most=side**2)
    for what, ends in vars(tastes).items():
        if not all(map(isfinite, ends)):
            raise ValueError(f"{name}: {what} is {ends[0]:g} to {ends[1]:g}; tastes must be finite numbers")
