"""The one-step economy of the AI Economist (Zheng et al. 2022, doi 10.1126/sciadv.abk2607), as a preset.

N = 100 workers on a fixed ladder of skills s in 1..3 see seven tax rates and then choose 0, 1, ..., 100 hours, once.
Income is z = s l coins; the tax comes back as an equal lump sum, and everyone wants coins - cost l^power. The published
class has cost 1 and power 2, at which hardly an hour is worth working; both can be set. There are no private traits.

Its welfare, the mean utility weighted by 1 / max(z, 1), favours whoever earns nothing: see docs/societies.md.
"""

from collections.abc import Mapping
from functools import lru_cache

import torch
from gymnasium.spaces import Box
from torch import Tensor

from agents.base import Question
from learning.draws import draws
from personas.people import People, Persona
from personas.words import render
from societies.base import Settled, State, Transition
from societies.labour import FEATURES, FULL_TIME, HOURS, NET, HoursScaled, LabourMarket
from societies.library.one_step_words import news, rules
from societies.quantal import quantal_response
from societies.refusals import check_step, column, known_name
from societies.taxes import US_RATES

LEVELS = tuple(range(101))  # hours
BRACKETS = (0.0, 9.7, 39.475, 84.2, 160.725, 204.1, 510.3)  # coins: the US ones of 2018, in thousands of dollars
OBJECTIVES = ("inverse_income", "equality_productivity")
TEMPERATURE = 0.001  # coins: in effect the exact best response, ties split evenly
PARETO, HIGHEST_SKILL = 4.0, 3.0


class OneStep(HoursScaled):
    """See the module. Skills go by rank in public wage. ValueError for an objective that is not known or a labour
    cost or power with which nobody would stop working (cost <= 0, power <= 1).
    """

    name = "one_step"
    agents = 100
    steps = 1
    feature_names: tuple[str, ...] = FEATURES
    personal: tuple[str, ...] = ("log_income",)
    own: tuple[str, ...] = FEATURES
    attributes_used: tuple[str, ...] = ("wage",)
    prospect_names: tuple[str, ...] = ("net", "hours", "kept", "effort")
    choice_names: tuple[str, ...] = tuple(str(level) for level in LEVELS)
    traits_used: tuple[str, ...] = ()
    welfare_is_public = True
    response_is_choice = True
    answer, price, lot = "hours", "share of the next coin kept at full time", "net income, coins"

    def __init__(self, objective: str = OBJECTIVES[0], labour_cost: float = 1.0, labour_power: float = 2.0) -> None:
        known_name(self.name, "objective", objective, OBJECTIVES)
        if not (labour_cost > 0 and labour_power > 1):
            costs = f"labour cost {labour_cost:g}, labour power {labour_power:g}"
            raise ValueError(f"{self.name}: {costs}; the cost must be above 0 and the power above 1")
        self.objective, self.cost, self.power = objective, labour_cost, labour_power
        hours = torch.tensor(LEVELS, dtype=torch.float32) / FULL_TIME
        self.market = LabourMarket(hours, BRACKETS, log_centre=4.0, log_scale=0.25)  # ln of coins at full time
        self.mechanism = Box(0.0, 1.0, (len(BRACKETS),))
        self._rules = rules(BRACKETS, labour_cost, labour_power)

    def counts(self, step: int) -> bool:
        return True

    def decides(self, step: int, features: Tensor) -> Tensor:
        return torch.ones(len(features), len(BRACKETS), dtype=torch.bool)

    def default_mechanism(self) -> Tensor:
        """The US federal rates."""
        return torch.tensor(US_RATES)

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        wage = public[..., column(self.name, "wage", attribute_names)]  # [B, N]
        rank = wage.argsort(stable=True).argsort()
        skill = ladder(wage.shape[1]).to(wage.device)[rank]
        return self.market.before(FULL_TIME * skill, self.default_mechanism())

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.ones(*features.shape[:2], len(LEVELS), dtype=torch.bool)

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, 8]: hundredths of a coin earned per hour, then the seven rates in per cent, all whole."""
        skill = self.market.income(state.features)[..., None] / FULL_TIME  # [B, N, 1]
        rates = mechanism[:, None].expand(-1, skill.shape[1], -1)  # [B, N, M]
        return (100 * torch.cat([skill, rates], -1)).round()

    def tell(self, view: Tensor, persona: Persona) -> Question:
        return Question(f"{self._rules}\n{render(persona)}", news(view), "hours", self.choice_names)

    def effort(self, hours: Tensor) -> Tensor:
        """Coins that the effort of hours (in units of 40) is worth."""
        return self.cost * (FULL_TIME * hours) ** self.power

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K, 4]: see `prospect_names`; money and effort in shares of own full-time income."""
        gross, owed, net = self.market.money(features, mechanism)
        hours = self.market.hours.to(net.device).expand_as(net)
        cost = self.effort(hours) / self.market.income(features)[..., None]
        kept = torch.where(gross > 0, 1 - owed / gross.clamp_min(1e-3), 1.0)
        return torch.stack([net, hours, kept, cost], -1)

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        gross, owed, _ = self.market.money(state.features, mechanism)  # the lump sum changes no choice
        return quantal_response(gross - owed - self.effort(self.market.hours.to(gross.device)), TEMPERATURE)

    def respond(self, action: Tensor) -> Tensor:
        return self.market.respond(action)

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        settled = self.market.settle(features, mechanism, response)
        gross = self.market.income(features) * response[..., 0]  # [B, N]
        weight = 1 / gross.clamp_min(1.0)
        measures = {
            "inverse_income": (weight * self.payoff(settled.features)).sum(1) / weight.sum(1),
            "equality_productivity": settled.accounts["equality"] * gross.mean(1),
        }
        return Settled(settled.features, {**settled.accounts, **measures})

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        return accounts[self.objective]

    def payoff(self, features: Tensor) -> Tensor:
        """[B, N] coins: everyone's utility, from the features after the step. It is no secret in this economy."""
        return features[..., NET] * self.market.income(features) - self.effort(features[..., HOURS])

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        check_step(self, state, mechanism, action)
        response = self.respond(action)
        settled = self.settle(state.features, mechanism, response)
        after = State(state.step + 1, settled.features, state.people)
        welfare = self.public_welfare(settled.accounts)
        return Transition(after, response, self.payoff(settled.features), settled.accounts, welfare)


@lru_cache(maxsize=8)
def ladder(agents: int) -> Tensor:
    """[N] coins per hour, lowest first: the mean over 1000 rosters of sorted min(3, 2 x + 1), x Lomax of shape 4."""
    u = draws(0, 0, 1000).uniform("one_step ladder", 0, agents)
    lomax = u ** (-1 / PARETO) - 1
    return (2 * lomax + 1).clamp(max=HIGHEST_SKILL).sort(1).values.mean(0)


def society(objective: str = OBJECTIVES[0]) -> OneStep:
    """The door the catalog uses."""
    return OneStep(objective)
