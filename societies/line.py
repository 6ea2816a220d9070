"""A street [0, 1] on which K facilities are put, week after week, by where people say they live.

N agents have private positions x_i, the trait `position`. In every step the principal sets the parameters of a rule
(`line_rules`), everyone sees them and reports one of P marks from 0 to 1, truly or not, and the rule places the
facilities y_k. What people want (with c running from .05 to .35 with the trait `honesty`):

    U_i = -min_k |x_i - y_k| - c_i |r_i - x_i|        P(r) = exp(U_i / theta) / sum over the marks, theta = .005

They reckon with what the others usually report (half of the last report, half of what was usual before it); before
anybody reported, with others who live evenly spread. So where a lie does not pay, most tell the truth but for a slip,
and where it pays the candid still do. (If all answered each other's last report alone, they would overshoot together.)
Reports and places are public; positions are not, and so the objectives, of true positions, are told to the principal as
one number per step. The price of a lie and its numbers are ours; on costly lies see Kartik (2009).
"""

from collections.abc import Mapping

import torch
from gymnasium.spaces import Box
from torch import Tensor

from agents.base import Question
from personas.people import People, Persona
from personas.words import render
from societies.base import Settled, State, Transition
from societies.line_rules import FAMILIES, distances
from societies.line_words import news, rules
from societies.quantal import quantal_response
from societies.refusals import check_step, count, known_name

REPORT, REPORTED, USUAL = 0, 1, 2  # features; then come the places
PLACES = 3
OBJECTIVES = ("mean_distance", "farthest")
TEMPERATURE = 0.005  # in widths of the street
LYING = (0.05, 0.35)  # cost of a lie per width of the street, at honesty 0 and at honesty 1
ROUNDING = 1e-6  # what a report or a parameter may be out of [0, 1] by


class FacilityLine:
    """See the module. ValueError for a line that cannot be, or an objective or a family of rules that is not known."""

    personal: tuple[str, ...] = ()
    attributes_used: tuple[str, ...] = ()
    traits_used: tuple[str, ...] = ("position", "honesty")
    own: tuple[str, ...] = ("report", "reported", "usual")
    welfare_is_public = False
    response_is_choice = True
    answer = "report, in widths of the street"
    price, prices = "", (0.0, 0.0)  # a rule is not more or less of one thing
    lot = ""  # how far it is for whom is hidden
    takes_home = ""
    steps = 6

    def __init__(
        self,
        name: str,
        agents: int,
        facilities: int = 1,
        family: str = "phantoms",
        objective: str = OBJECTIVES[0],
        points: int = 101,
    ) -> None:
        known_name(name, "objective", objective, OBJECTIVES)
        known_name(name, "family of rules", family, FAMILIES)
        _check_line(name, agents, facilities, points)
        self.name, self.agents, self.facilities, self.objective = name, agents, facilities, objective
        self.family, self.rules = family, FAMILIES[family]
        self.marks = points - 1
        self.grid = torch.arange(points) / self.marks  # [P] the reports that can be made
        self.choice_names = tuple(str(mark) for mark in range(points))
        places = tuple(f"place_{k + 1}" for k in range(facilities))
        self.feature_names = ("report", "reported", "usual", *places)
        self.prospect_names = ("report", *places)
        self.mechanism = Box(0.0, 1.0, (facilities * self.rules.parameters(agents),))

    def under(self, family: str) -> "FacilityLine":
        """The same street under rules of another family. ValueError: no such family."""
        name = f"{self.name}, {family}"
        return FacilityLine(name, self.agents, self.facilities, family, self.objective, self.marks + 1)

    def counts(self, step: int) -> bool:
        return True

    def decides(self, step: int, features: Tensor) -> Tensor:
        return torch.ones(len(features), *self.mechanism.shape, dtype=torch.bool)

    def default_mechanism(self) -> Tensor:
        """Phantoms, percentiles or weights evenly spread: the Uniform Phantom, ranks evenly spread, the mean."""
        size = self.rules.parameters(self.agents)
        if self.family == "weights":
            return torch.ones(self.facilities * size)
        if self.family == "percentiles":
            return (torch.arange(self.facilities) + 0.5) / self.facilities
        return torch.linspace(0, 1, size).repeat(self.facilities)

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        """Nobody has reported and nothing stands; of people nothing is public."""
        return public.new_zeros(*public.shape[:2], len(self.feature_names))

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.ones(*features.shape[:2], len(self.grid), dtype=torch.bool)

    def amounts(self) -> Tensor:
        return self.grid

    def faced(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.full(features.shape[:2], torch.nan)

    def lot_of(self, features: Tensor) -> Tensor:
        return torch.full(features.shape[:2], torch.nan)

    def changes(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.full((*features.shape[:2], len(self.choice_names)), torch.nan)

    def place(self, mechanism: Tensor, reports: Tensor) -> Tensor:
        """[B, K] where the facilities go by rules [B, M] and reports [B, N]: pure, and all that `regret` needs.

        ValueError for parameters or reports that are not within [0, 1], parameters that are not M, and shapes that do
        not go together. What rounding put outside is taken as the end it is nearest to.
        """
        if mechanism.shape[-1:] != self.mechanism.shape:
            raise ValueError(f"{self.name}: rules of {mechanism.shape[-1]} numbers; need {self.mechanism.shape[0]}")
        if mechanism.dim() != 2 or reports.dim() != 2 or len(mechanism) != len(reports):
            shapes = f"rules of shape {tuple(mechanism.shape)} with reports of shape {tuple(reports.shape)}"
            raise ValueError(f"{self.name}: {shapes}; need [B, {self.mechanism.shape[0]}] with [B, N]")
        self._check_inside("parameter", mechanism)
        self._check_inside("report", reports)
        return self.rules.rule(self._each(mechanism.clamp(0, 1)), reports.clamp(0, 1))

    def cost(self, places: Tensor, positions: Tensor) -> Tensor:
        """[B, N] how far everyone truly is from the nearest of the places [B, K]."""
        return distances(places, positions)

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, O] whole numbers: own mark; the rule as told; last report, last places, and what the others usually
        report, lowest first. Negative = nothing to tell.
        """
        features, n = state.features, state.features.shape[1]
        told = self.rules.told(self._each(mechanism), n, self.marks)  # [B, K, R]
        rule = told.flatten(1)[:, None].expand(-1, n, -1)
        past = [features[..., :1], features[..., PLACES:], _others(features[..., USUAL]).sort(-1).values]
        known = features[..., REPORTED, None] > 0
        past = torch.where(known, (self.marks * torch.cat(past, -1)).round(), -1.0)
        home = (self.marks * state.people.trait("position")[..., None]).round()
        return torch.cat([home, rule, past], -1)

    def tell(self, view: Tensor, persona: Persona) -> Question:
        system = f"{rules(self.family, self.facilities, self.marks)}\n{render(persona)}"
        agents = self._agents_of(len(view))
        return Question(system, news(view, self.family, self.facilities, agents), "mark", self.choice_names)

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, P, 1 + K]: the report, and where it would bring the facilities if the others report as usual."""
        others = self._expected(features)  # [B, N, N - 1]
        grid = self.grid.to(features.device).expand(*features.shape[:2], -1)  # [B, N, P]
        if not self.rules.uncompromising:
            return torch.cat([grid[..., None], self._placed(mechanism, grid, others)], -1)
        ends = self._placed(mechanism, grid[..., [0, -1]], others)  # [B, N, 2, K]: between them a report moves it along
        moved = torch.minimum(torch.maximum(grid[..., None], ends[..., :1, :]), ends[..., 1:, :])
        return torch.cat([grid[..., None], moved], -1)

    def utilities(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, P] of every report."""
        prospects = self.prospects(state.features, mechanism)
        home = state.people.trait("position")[..., None]  # [B, N, 1]
        away = (prospects[..., 1:] - home[..., None]).abs().amin(-1)
        return -away - self._lying(state.people, prospects[..., 0])

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        return quantal_response(self.utilities(state, mechanism), TEMPERATURE)

    def respond(self, action: Tensor) -> Tensor:
        """[B, N, 1] what everyone reports, in [0, 1]."""
        return self.grid.to(action.device)[action.clamp_min(0)][..., None]

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        """Where the facilities are put. ValueError for parameters or reports that are not within [0, 1]."""
        reports = response[..., 0]
        places = self.place(mechanism, reports)
        told = places[:, None].expand(-1, response.shape[1], -1)
        usual = torch.where(features[..., REPORTED] > 0, (features[..., USUAL] + reports) / 2, reports)
        after = torch.cat([response, torch.ones_like(response), usual[..., None], told], -1)
        reported = distances(places, reports).mean(1)
        return Settled(after, {"report": reports.mean(1), "reported_distance": reported})

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        raise ValueError(
            f"{self.name}: objective {self.objective!r} needs hidden positions; only the real society can tell it"
        )

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        check_step(self, state, mechanism, action)
        response = self.respond(action)
        settled = self.settle(state.features, mechanism, response)
        away = distances(settled.features[:, 0, PLACES:], state.people.trait("position"))  # [B, N]
        payoff = -away - self._lying(state.people, response)[..., 0]
        welfare = -away.mean(1) if self.objective == "mean_distance" else -away.amax(1)
        after = State(state.step + 1, settled.features, state.people)
        return Transition(after, response, payoff, settled.accounts, welfare)

    def _each(self, mechanism: Tensor) -> Tensor:
        """[B, M] -> [B, K, P] the parameters of each facility."""
        return mechanism.unflatten(-1, (self.facilities, -1))

    def _lying(self, people: People, reports: Tensor) -> Tensor:
        """[B, N, ...] what reports [B, N, ...] cost for being untrue."""
        low, high = LYING
        price = low + (high - low) * people.trait("honesty")[..., None]
        return price * (reports - people.trait("position")[..., None]).abs()

    def _expected(self, features: Tensor) -> Tensor:
        """[B, N, N - 1] what the others report: as usual; before anything is, one in each of N - 1 stretches."""
        others = _others(features[..., USUAL])
        n = others.shape[-1]
        even = (torch.arange(n, device=others.device) + 0.5) / max(n, 1)
        return torch.where(features[..., REPORTED, None] > 0, others, even)

    def _placed(self, mechanism: Tensor, reports: Tensor, others: Tensor) -> Tensor:
        """[B, N, R, K] the places for each of one's own reports [B, N, R] beside those of others [B, N, N - 1]."""
        several = reports.shape[-1]
        beside = others[..., None, :].expand(-1, -1, several, -1)
        profiles = torch.cat([reports[..., None], beside], -1)  # [B, N, R, N]
        each = self._each(mechanism).repeat_interleave(reports.shape[1] * several, 0)
        return self.rules.rule(each, profiles.flatten(0, 2)).unflatten(0, profiles.shape[:3])

    def _agents_of(self, view: int) -> int:
        """How many people there are, from the length of a view."""
        for n in range(1, view):
            if 1 + self.facilities * (self.rules.parameters(n) + 1) + n == view:
                return n
        raise ValueError(f"{self.name}: a view of {view} numbers is not one of this society")

    def _check_inside(self, what: str, values: Tensor) -> None:
        outside = ~((values >= -ROUNDING) & (values <= 1 + ROUNDING))  # so that what is no number is outside
        if outside.any():
            value = float(values[outside][0])
            raise ValueError(f"{self.name}: {what} {value:g}; it must lie between 0 and 1")


def _others(values: Tensor) -> Tensor:
    """[B, N] -> [B, N, N - 1] everyone else's."""
    n = values.shape[1]
    place = torch.arange(n, device=values.device)
    column = place[:-1]
    return values[:, column + (column >= place[:, None])]


def _check_line(name: str, agents: int, facilities: int, points: int) -> None:
    count(name, "agents", agents)
    count(name, "marks on the line", points, least=2)
    count(name, f"facilities for {agents} agents on {points} marks", facilities, most=min(agents, points))
