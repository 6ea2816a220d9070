"""A morning's drive to town: K roads that slow down as more people take them, and tolls that the principal sets.

N drivers choose a road every day. With s_k the share of them that takes road k, it takes (Wardrop 1952; with prices
Pigou 1920 and Rosenthal 1973)

    m_k = free_k + slope_k s_k                      minutes
    U_i(k) = -w_i m_k - toll_k                      coins; w = 1 to 0.1 coins a minute with the trait `patience`

All tolls come back: everyone gets the same share of them, whatever they chose. People reckon with shares that are usual
(a third of yesterday's, the rest of what was usual before; on the first day they think the roads are taken evenly), and
choose with probability proportional to exp(U / theta), theta = 2 coins: if they were surer, or quicker to forget, all
of them would leave a full road at once. Who took which road is public, and so are the minutes; who is patient is not.
So `minutes`, the mean time on the road, is public, and `time_cost`, the mean worth of that time w_i m_i, is told to the
principal as one number per day. Roads and numbers are ours.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from gymnasium.spaces import Box
from torch import Tensor

from agents.base import Question
from personas.people import People, Persona
from personas.traits import natural
from personas.words import render
from societies.base import Settled, State, Transition
from societies.quantal import quantal_response
from societies.refusals import check_step, count, known_name
from societies.road_words import news, rules

# Features of yesterday: was there one; hours; money in shares of the highest toll.
DRIVEN, TIME, TOLL, BACK = 0, 1, 2, 3
SHARES = 4  # from here on: the usual shares of the roads
OBJECTIVES = ("time_cost", "minutes")
TEMPERATURE = 2.0  # coins
NEWS = 1 / 3  # of what is usual: how much yesterday counts
HIGHEST_TOLL = 10.0  # coins
HOUR = 60.0  # minutes


class CongestionGame:
    """See the module. `free` and `slope` [K]: minutes of each road when it is empty, and how many more if all take it.

    ValueError for roads that cannot be, or an objective that is not known.
    """

    personal: tuple[str, ...] = ()
    attributes_used: tuple[str, ...] = ()
    traits_used: tuple[str, ...] = ("patience",)
    prospect_names: tuple[str, ...] = ("time", "toll")
    own: tuple[str, ...] = ("driven", "time", "toll")
    response_is_choice = True
    outcome = "balance in coins, lost time counted,"
    answer = "share on road 1"
    price = "toll of road 1 over the mean of the others, coins"
    prices = (-HIGHEST_TOLL, HIGHEST_TOLL)
    lot = "minutes on the road"
    takes_home = ""  # minutes and coins are worth something else to each
    steps = 8

    def __init__(
        self, name: str, agents: int, free: Sequence[float], slope: Sequence[float], objective: str = OBJECTIVES[0]
    ) -> None:
        known_name(name, "objective", objective, OBJECTIVES)
        count(name, "drivers", agents, least=2)
        count(name, "roads", len(free), least=2)
        if len(slope) != len(free) or not all(0 <= minutes < math.inf for minutes in (*free, *slope)):
            told = f"roads of {list(free)} minutes that grow by {list(slope)}"
            raise ValueError(f"{name}: {told}; each needs its own two finite numbers, none below 0")
        self.name, self.agents, self.objective = name, agents, objective
        self.free, self.slope = torch.tensor(free), torch.tensor(slope)  # [K] minutes
        roads = range(1, len(free) + 1)
        self.choice_names = tuple(str(road) for road in roads)
        self.feature_names = ("driven", "time", "toll", "back", *(f"share_{road}" for road in roads))
        self.mechanism = Box(0.0, HIGHEST_TOLL, (len(free),))
        self.welfare_is_public = objective == "minutes"
        self._rules = rules(len(free))

    def counts(self, step: int) -> bool:
        return True

    def decides(self, step: int, features: Tensor) -> Tensor:
        return torch.ones(len(features), len(self.free), dtype=torch.bool)

    def default_mechanism(self) -> Tensor:
        """No tolls."""
        return torch.zeros(len(self.free))

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        """Nobody has driven, and the roads are thought to be taken evenly; of people nothing is public."""
        features = public.new_zeros(*public.shape[:2], len(self.feature_names))
        features[..., SHARES:] = 1 / len(self.free)
        return features

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.ones(*features.shape[:2], len(self.free), dtype=torch.bool)

    def minutes(self, shares: Tensor) -> Tensor:
        """[..., K] that the roads take when such shares of the people [..., K] take them."""
        return self.free.to(shares.device) + self.slope.to(shares.device) * shares

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, 2 K + 4]: what a minute is worth, today's tolls, usual minutes by road; yesterday's minutes, toll, and
        share of all tolls. Money is in hundredths of a coin.
        """
        f = state.features
        worth = (100 * self.worth(state.people)).round()[..., None]
        tolls = (100 * mechanism).round()[:, None].expand(-1, f.shape[1], -1)  # [B, N, K]
        usual = self.minutes(f[..., SHARES:]).round()
        units = f.new_tensor([HOUR, 100 * HIGHEST_TOLL, 100 * HIGHEST_TOLL])
        yesterday = torch.where(f[..., [DRIVEN]] > 0, (units * f[..., [TIME, TOLL, BACK]]).round(), -1.0)
        return torch.cat([worth, tolls, usual, yesterday], -1)

    def tell(self, view: Tensor, persona: Persona) -> Question:
        return Question(f"{self._rules}\n{render(persona)}", news(view), "road", self.choice_names)

    def went(self, view: Tensor) -> Tensor:
        """[B, N] coins of yesterday: what came back less the toll and the worth of the time; NaN on day one."""
        worth, (minutes, toll, back) = view[..., 0], view[..., -3:].unbind(-1)
        balance = (back - toll - worth * minutes) / 100
        return torch.where(minutes < 0, torch.nan, (10 * balance).round() / 10)

    @property
    def situations(self) -> int:
        """S: the road that usually is the quickest."""
        return len(self.free)

    def situation(self, view: Tensor) -> Tensor:
        roads = len(self.free)
        return view[..., 1 + roads : 1 + 2 * roads].argmin(-1)

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K, 2] hours on each road if it is as usual, and its toll in shares of the highest."""
        time = self.minutes(features[..., SHARES:]) / HOUR
        toll = (mechanism / HIGHEST_TOLL)[:, None].expand_as(time)
        return torch.stack([time, toll], -1)

    def amounts(self) -> Tensor:
        return torch.eye(len(self.free))[0]

    def faced(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return (mechanism[:, :1] - mechanism[:, 1:].mean(-1, keepdim=True)).expand(features.shape[:2])

    def lot_of(self, features: Tensor) -> Tensor:
        return HOUR * features[..., TIME]

    def changes(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.full((*features.shape[:2], len(self.choice_names)), torch.nan)

    def worth(self, people: People) -> Tensor:
        """[B, N] coins that a minute is worth to everyone."""
        return natural("patience", people.trait("patience"))

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        time, toll = self.prospects(state.features, mechanism).unbind(-1)  # [B, N, K] each
        worth = self.worth(state.people)[..., None]
        return quantal_response(-worth * HOUR * time - HIGHEST_TOLL * toll, TEMPERATURE)

    def respond(self, action: Tensor) -> Tensor:
        """[B, N, K] 1 for the road that was taken."""
        taken = torch.nn.functional.one_hot(action.clamp_min(0), len(self.free)).float()
        return taken * (action >= 0)[..., None]

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        shares = response.mean(1)  # [B, K]
        minutes = self.minutes(shares)
        own = (response * minutes[:, None]).sum(-1)  # [B, N]
        before = features[..., SHARES:]
        usual = before + NEWS * (shares[:, None] - before)
        paid, back = (response * mechanism[:, None]).sum(-1), (shares * mechanism).sum(-1)  # [B, N], [B] coins
        money = torch.stack([paid, back[:, None].expand_as(paid)], -1) / HIGHEST_TOLL
        after = torch.cat([torch.ones_like(own)[..., None], own[..., None] / HOUR, money, usual], -1)
        return Settled(after, {"minutes": own.mean(1), "tolls": back})

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        if not self.welfare_is_public:
            raise ValueError(
                f"{self.name}: objective {self.objective!r} needs to know who is patient, which is hidden; only the "
                "real society can tell it"
            )
        return -accounts["minutes"]

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        check_step(self, state, mechanism, action)
        response = self.respond(action)
        settled = self.settle(state.features, mechanism, response)
        time, toll, back = settled.features[..., [TIME, TOLL, BACK]].unbind(-1)  # [B, N] each
        cost = self.worth(state.people) * HOUR * time  # coins
        welfare = -cost.mean(1) if self.objective == "time_cost" else self.public_welfare(settled.accounts)
        payoff = HIGHEST_TOLL * (back - toll) - cost
        after = State(state.step + 1, settled.features, state.people)
        return Transition(after, response, payoff, settled.accounts, welfare)
