"""The economy of LLM Economist, version 1 (Karten et al. 2025, arXiv 2507.15815), as a preset; see docs/societies.md.

N = 100 workers of fixed skill s_i choose 0, 10, ..., 100 hours; income is z_i = s_i l_i; a bracket tax comes back as an
equal lump sum R, and everyone wants

    u_i = z_i - T(z_i) + R - 0.0005 l_i^3.5

Its welfare, sum_i u_i / max(z_i, 1), has a hole: whoever earns nothing is given the weight 1, thousands of times the
weight of whoever works, so that a tax of 100% on the first bracket, at which the poor stop working, looks best by far.
It is kept as it was, next to two measures that are sound. A step stands for one tax year; there are no private traits.
"""

from collections.abc import Mapping

import torch
from gymnasium.spaces import Box
from torch import Tensor

from agents.base import Question
from personas.incomes import HOURS_PER_YEAR, gb2_quantile
from personas.people import People, Persona
from personas.words import render
from societies.base import Settled, State, Transition
from societies.labour import FEATURES, FULL_TIME, HOURS, NET, HoursScaled, LabourMarket
from societies.library.llm_economist_v1_words import VIEW, news, rules
from societies.quantal import quantal_response
from societies.refusals import check_step, column, known_name
from societies.taxes import US_BRACKETS

LEVELS = tuple(range(0, 101, 10))  # hours a week
BRACKETS = {"flat": (0.0,), "three": (0.0, 90_000.0, 159_100.0), "us_federal": US_BRACKETS}
SKILLS = ("us_income", "uniform")
OBJECTIVES = ("inverse_income_sum", "utilitarian", "equality_productivity")
EFFORT_COST, EFFORT_POWER = 0.0005, 3.5  # dollars, of hours a week
LOWEST_SKILL, HIGHEST_SKILL = 1.24, 159.1  # of the uniform law
TEMPERATURE = 0.1  # dollars: in effect the exact best response, ties split evenly


class LLMEconomist(HoursScaled):
    """See the module. ValueError for an objective, a skill law or brackets that are not known.

    skills: "us_income" (s = yearly income at full time / 40, from everyone's wage) or "uniform" (U(1.24, 159.1), at
    the place that the wage has among US incomes).
    """

    name = "llm_economist_v1"
    agents = 100
    steps = 10
    feature_names: tuple[str, ...] = FEATURES
    personal: tuple[str, ...] = ("log_income",)
    own: tuple[str, ...] = FEATURES
    attributes_used: tuple[str, ...] = ("wage",)
    prospect_names: tuple[str, ...] = ("net", "hours", "kept", "effort")
    choice_names: tuple[str, ...] = tuple(str(level) for level in LEVELS)
    traits_used: tuple[str, ...] = ()
    welfare_is_public = True
    response_is_choice = True
    outcome = "income after tax and lump sum, in dollars,"

    def __init__(self, objective: str = OBJECTIVES[0], skills: str = SKILLS[0], brackets: str = "three") -> None:
        known_name(self.name, "objective", objective, OBJECTIVES)
        known_name(self.name, "distribution of skills", skills, SKILLS)
        known_name(self.name, "set of brackets", brackets, BRACKETS)
        self.objective, self.skills = objective, skills
        hours = torch.tensor(LEVELS, dtype=torch.float32) / FULL_TIME
        centre = 10.5 if skills == "us_income" else 7.8  # mean of ln(income at full time)
        self.market = LabourMarket(hours, BRACKETS[brackets], centre)
        self.mechanism = Box(0.0, 1.0, (len(BRACKETS[brackets]),))
        self._rules = rules(BRACKETS[brackets])

    def counts(self, step: int) -> bool:
        return True

    def decides(self, step: int, features: Tensor) -> Tensor:
        return torch.ones(len(features), len(self.default_mechanism()), dtype=torch.bool)

    def default_mechanism(self) -> Tensor:
        """50% in every bracket, where the original planner starts."""
        return torch.full((len(self.market.brackets),), 0.5)

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        income = public[..., column(self.name, "wage", attribute_names)] * HOURS_PER_YEAR  # [B, N] dollars a year
        if self.skills == "uniform":
            income = FULL_TIME * (LOWEST_SKILL + (HIGHEST_SKILL - LOWEST_SKILL) * _share_below(income))
        return self.market.before(income, self.default_mechanism())

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.ones(*features.shape[:2], len(LEVELS), dtype=torch.bool)

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, O] whole dollars and per cents, as in the words: see `llm_economist_v1_words.VIEW`."""
        f = state.features
        income, lump = self.market.income(f), self.market.lump_sum(f)  # [B, N]
        gross = income * f[..., HOURS]
        last = [FULL_TIME * f[..., HOURS], gross, gross - income * f[..., NET] + lump, lump]
        rates = 100 * mechanism[:, None].expand(-1, income.shape[1], -1)  # [B, N, M]
        return torch.cat([torch.stack([income, *last], -1), rates], -1).round().clamp_min(0)

    def tell(self, view: Tensor, persona: Persona) -> Question:
        return Question(f"{self._rules}\n{render(persona)}", news(view), "hours", self.choice_names)

    def went(self, view: Tensor) -> Tensor:
        """[B, N] dollars of the last period, after tax and lump sum."""
        income, owed, lump = (view[..., VIEW.index(f"last_{name}")] for name in ("income", "tax", "lump_sum"))
        return income - owed + lump

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K, 4]: see `prospect_names`; money and effort in shares of own full-time income."""
        gross, owed, net = self.market.money(features, mechanism)
        hours = self.market.hours.to(net.device).expand_as(net)
        cost = effort(hours) / self.market.income(features)[..., None]
        return torch.stack([net, hours, 1 - owed / gross.clamp_min(1.0), cost], -1)

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        gross, owed, _ = self.market.money(state.features, mechanism)  # the lump sum changes no choice
        return quantal_response(gross - owed - effort(self.market.hours.to(gross.device)), TEMPERATURE)

    def respond(self, action: Tensor) -> Tensor:
        return self.market.respond(action)

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        settled = self.market.settle(features, mechanism, response)
        income, payoff = self.market.income(features), self.payoff(settled.features)  # [B, N]
        measures = {
            "inverse_income_sum": (payoff / (income * response[..., 0]).clamp_min(1.0)).sum(1),  # the hole is here
            "utilitarian": payoff.mean(1) / income.mean(1),
            "equality_productivity": settled.accounts["equality"] * settled.accounts["productivity"],
        }
        return Settled(settled.features, {**settled.accounts, **measures})

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        return accounts[self.objective]

    def payoff(self, features: Tensor) -> Tensor:
        """[B, N] dollars: everyone's utility, from the features after a step. It is no secret in this economy."""
        return features[..., NET] * self.market.income(features) - effort(features[..., HOURS])

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        check_step(self, state, mechanism, action)
        response = self.respond(action)
        settled = self.settle(state.features, mechanism, response)
        after = State(state.step + 1, settled.features, state.people)
        welfare = self.public_welfare(settled.accounts)
        return Transition(after, response, self.payoff(settled.features), settled.accounts, welfare)


def effort(hours: Tensor) -> Tensor:
    """c l^d in dollars, of hours in units of 40."""
    return EFFORT_COST * (FULL_TIME * hours) ** EFFORT_POWER


def _share_below(income: Tensor) -> Tensor:
    """The share of US incomes below each of `income` [B, N], by the inverse of the table of quantiles."""
    shares = (torch.arange(2000, device=income.device) + 0.5) / 2000
    return shares[torch.bucketize(income, gb2_quantile(shares)).clamp(max=1999)]


def society(objective: str = OBJECTIVES[0]) -> LLMEconomist:
    """The door the catalog uses."""
    return LLMEconomist(objective)
