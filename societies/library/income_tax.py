"""The income-tax society: 32 workers choose their weekly hours under a bracket tax that is paid back as a lump sum.

Two uncounted warm-up years under US federal rates, then ten counted years in which the principal sets seven rates.
A worker i earns y_i dollars a year at 40 hours; working l hours brings z = y_i l / 40, of which the tax takes T(z),
and everyone gets the same lump sum R. People decide knowing last year's R. Net income x = (z - T + R) / y_i.

    U_i(l) = ((x + .001)^(1-rho) - 1) / (1-rho) - .75 (h/40) (l/h)^(1+1/e) / (1+1/e)
             - Lambda max(0, x_last - x) - eta ((l - l_last)/40)^2 + phi (l/40) (E_last - .5)

and P(l) is proportional to exp(U/theta). Traits: see personas/traits.py for the scale of each.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from gymnasium.spaces import Box
from torch import Tensor

from agents.base import Question
from personas.people import People, Persona
from personas.words import render
from societies.base import Settled, State, Transition
from societies.labour import EQUALITY, FEATURES, HOURS, NET, HoursScaled, LabourMarket
from societies.library.income_tax_words import RULES, RULES_WITH_TALK, STRETCHES, VIEW, news
from societies.quantal import quantal_response
from societies.refusals import check_step, column, known_name
from societies.taxes import US_BRACKETS, US_RATES, tax

WEEKS_X_HOURS = 2080  # hours a year at 40 hours a week
LEVELS = tuple(range(0, 101, 5))  # hours a week
TEMPERATURE = 0.04
TALKS = ("off", "town_hall")
OBJECTIVES = ("equality_productivity", "inverse_income", "log", "utilitarian")
MARKET = LabourMarket(torch.tensor(LEVELS, dtype=torch.float32) / 40, US_BRACKETS)


@dataclass(frozen=True)
class Utility:
    """The parameters of everyone's utility, each [B, N]."""

    elasticity: Tensor  # e
    fairness: Tensor  # phi
    curvature: Tensor  # rho
    loss_aversion: Tensor  # Lambda
    habit: Tensor  # eta
    usual_hours: Tensor  # h, hours a week

    @staticmethod
    def of(people: People) -> "Utility":
        """From the trait scales in [0, 1] to the utility's own units."""
        return Utility(
            elasticity=0.1 * (math.log(10.0) * people.trait("elasticity")).exp(),
            fairness=1.2 * people.trait("fairness"),
            curvature=0.6 * people.trait("risk_aversion"),
            loss_aversion=0.3 * people.trait("loss_aversion"),
            habit=0.5 * people.trait("habit"),
            usual_hours=25.0 + 33.0 * people.trait("preferred_hours"),
        )


class IncomeTax(HoursScaled):
    """See the module. `objective` is one of OBJECTIVES, `talk` of TALKS.

    "town_hall": each year everyone may say one thing, of which five of the others, drawn at random, hear next year.
    """

    name = "income_tax"
    agents = 32
    market = MARKET
    warm_up = 2  # uncounted years under US federal rates
    years = 10  # counted years
    feature_names: tuple[str, ...] = FEATURES
    personal: tuple[str, ...] = ("log_income",)
    own: tuple[str, ...] = FEATURES
    attributes_used: tuple[str, ...] = ("wage",)
    prospect_names: tuple[str, ...] = ("net", "net_change", "hours", "hours_change", "kept", "equality")
    choice_names: tuple[str, ...] = tuple(str(level) for level in LEVELS)
    traits_used: tuple[str, ...] = (
        "elasticity",
        "fairness",
        "risk_aversion",
        "loss_aversion",
        "habit",
        "preferred_hours",
    )
    response_is_choice = True
    outcome = "net income, in percent of what you earn before tax at 40 hours,"
    longest_message = 200  # characters

    def __init__(self, objective: str = "equality_productivity", talk: str = TALKS[0]) -> None:
        known_name(self.name, "objective", objective, OBJECTIVES)
        known_name(self.name, "talk", talk, TALKS)
        self.objective = objective
        self.hears = 5 if talk == "town_hall" else 0
        self.steps = self.warm_up + self.years
        self.mechanism = Box(0.0, 1.0, (len(US_RATES),))
        self.welfare_is_public = objective == "equality_productivity"

    def counts(self, step: int) -> bool:
        return step >= self.warm_up

    def decides(self, step: int, features: Tensor) -> Tensor:
        return torch.full((len(features), len(US_RATES)), self.counts(step))

    def default_mechanism(self) -> Tensor:
        return torch.tensor(US_RATES)

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        """Everyone is taken to have worked 40 hours under US rates in the year before the first."""
        wage = public[..., column(self.name, "wage", attribute_names)]
        return MARKET.before(wage * WEEKS_X_HOURS, self.default_mechanism())

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.ones(*features.shape[:2], len(LEVELS), dtype=torch.bool)

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, O] whole per cents of own full-time income, as in the words: see `income_tax_words.VIEW`."""
        f = state.features
        income = full_time_income(f)  # [B, N]
        edges = torch.tensor([0.0, *(float(b) for _, b in STRETCHES)])  # [S + 1] hours a week
        gross = income[..., None] * edges / 40  # [B, N, S + 1] dollars a year
        net = gross - tax(gross, mechanism)
        kept = (net[..., 1:] - net[..., :-1]) / (gross[..., 1:] - gross[..., :-1])  # [B, N, S]
        usual = 1 - tax(income, mechanism) / income + MARKET.lump_sum(f) / income  # [B, N] at 40 hours
        last = torch.stack([f[..., HOURS] * 40, f[..., NET] * 100, f[..., EQUALITY] * 100, usual * 100], -1)
        return torch.cat([last, kept * 100], -1).round().clamp(0, 999)

    def tell(self, view: Tensor, persona: Persona) -> Question:
        rules = RULES_WITH_TALK if self.hears else RULES
        return Question(f"{rules}\n{render(persona)}", news(view), "hours", self.choice_names)

    def went(self, view: Tensor) -> Tensor:
        """[B, N] last year's net income, in percent of own full-time income."""
        return view[..., VIEW.index("last_net")]

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K, 6]: see `prospect_names`; money in shares of own full-time income, hours in units of 40."""
        gross, owed, net = MARKET.money(features, mechanism)
        hours = MARKET.hours.to(net.device).expand_as(net)  # [B, N, K]
        facts = [
            net,
            net - features[..., NET, None],
            hours,
            hours - features[..., HOURS, None],
            1 - owed / gross.clamp_min(1.0),
            features[..., EQUALITY, None].expand_as(net),
        ]
        return torch.stack(facts, -1)

    def utilities(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, K] the utility of each level of hours, knowing last year's lump sum."""
        _, _, net = MARKET.money(state.features, mechanism)
        return utility(Utility.of(state.people), net, MARKET.hours.to(net.device), state.features)

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        return quantal_response(self.utilities(state, mechanism), TEMPERATURE)

    def respond(self, action: Tensor) -> Tensor:
        return MARKET.respond(action)

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        return MARKET.settle(features, mechanism, response)

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        if not self.welfare_is_public:
            raise ValueError(
                f"{self.name}: objective {self.objective!r} needs hidden utilities; only the real society can tell it"
            )
        return accounts["equality"] * accounts["productivity"]

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        check_step(self, state, mechanism, action)
        response = self.respond(action)
        return self.step_with(state, mechanism, response)

    def step_with(self, state: State, mechanism: Tensor, response: Tensor) -> Transition:
        """One real step from responses [B, N, 1] (hours / 40), differentiable."""
        settled = self.settle(state.features, mechanism, response)
        after = settled.features
        person = Utility.of(state.people)
        net, hours = after[..., NET, None], response  # [B, N, 1]
        payoff = utility(person, net, hours, state.features)[..., 0]
        welfare = self._welfare(person, after, settled.accounts)
        return Transition(State(state.step + 1, after, state.people), response, payoff, settled.accounts, welfare)

    def _welfare(self, person: Utility, after: Tensor, accounts: Mapping[str, Tensor]) -> Tensor:
        """[B] the objective of one year, from the year's outcome `after` [B, N, F]."""
        if self.objective == "equality_productivity":
            return self.public_welfare(accounts)
        income = full_time_income(after)
        mean_income = income.mean(1, keepdim=True)
        net = after[..., NET] * income  # [B, N] dollars
        effort = _effort(person, after[..., HOURS])
        if self.objective == "log":
            return ((net.clamp_min(1000.0) / mean_income).log() - effort).mean(1)
        worth = (net - effort * income) / mean_income
        if self.objective == "utilitarian":
            return worth.mean(1)
        weight = 1 / income  # fixed: the 40-hour income, not the realised one, so nobody is worth more by quitting
        return (weight * worth).sum(1) / weight.sum(1)


def full_time_income(features: Tensor) -> Tensor:
    """[B, N, F] -> [B, N] dollars a year at 40 hours a week."""
    return MARKET.income(features)


def _effort(person: Utility, hours: Tensor) -> Tensor:
    """Effort [B, N, ...] of hours in units of 40: with the other terms away, l = h where the net-of-tax rate is .75."""
    power = 1 + 1 / person.elasticity
    usual = person.usual_hours / 40
    return 0.75 * usual / power * (power * (_log(hours) - usual.log())).exp()


def utility(person: Utility, net: Tensor, hours: Tensor, last: Tensor) -> Tensor:
    """U [B, N, K] of net income [B, N, K] and hours [B, N, K] or [K], given last year's features [B, N, F]."""
    p = Utility(**{name: value[..., None] for name, value in vars(person).items()})
    goods = (((1 - p.curvature) * _log(net + 0.001)).exp() - 1) / (1 - p.curvature)
    loss = p.loss_aversion * (last[..., NET, None] - net).relu()
    habit = p.habit * (hours - last[..., HOURS, None]).square()
    fair = p.fairness * (last[..., EQUALITY, None] - 0.5) * hours
    return goods - _effort(p, hours) - loss - habit + fair


def _log(x: Tensor) -> Tensor:
    """ln of x >= 0, for powers by way of exp(a ln x), several times faster than torch's `pow` of two tensors. An x
    under 1e-3 counts as 1e-3: gradients stay finite at no work, and no utility moves by more than 1e-4 temperatures.
    """
    return x.clamp_min(1e-3).log()


def society(objective: str = "equality_productivity", talk: str = TALKS[0]) -> IncomeTax:
    """The door the catalog uses."""
    return IncomeTax(objective, talk)
