"""Marginal-cost tolls: every driver pays what slowing the others down costs them (Pigou 1920; Vickrey 1969).

With s_k the usual share of road k, minutes that grow by slope_k s_k, and w coins that a minute is worth to the average
driver, the toll is w slope_k s_k. What a minute is worth is estimated from which roads people took, as transport
economists do: by a conditional logit on time and toll, of which the ratio counts (McFadden 1974).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from societies.base import Episode, PublicStep
from societies.mechanisms import bounds
from societies.roads import HIGHEST_TOLL, HOUR, SHARES, CongestionGame

ROUNDS = 50  # of Newton's method, which takes about five
WEAK = 1e-3  # of a ridge, which keeps the two apart where tolls were never tried


@dataclass(frozen=True)
class MarginalCost:
    """`worth`: coins a minute. It looks at what is usual and remembers nothing."""

    society: CongestionGame
    worth: float

    def start(self, worlds: int) -> None:
        return None

    def propose(self, memory: None, seen: PublicStep) -> tuple[None, Tensor]:
        low, high = bounds(self.society)
        usual = seen.features[:, 0, SHARES:]  # [B, K], the same for everyone
        return None, (self.worth * self.society.slope * usual).clamp(low, high)


def marginal_cost(society: CongestionGame, episode: Episode) -> MarginalCost:
    """With what a minute seems to be worth to the people of real episodes."""
    return MarginalCost(society, worth_of_a_minute(society, episode))


def worth_of_a_minute(society: CongestionGame, episode: Episode) -> float:
    """Coins, from 0 on: by the conditional logit of the roads that were taken, on hours and tolls that people saw."""
    before, rules = episode.features[:, :-1].flatten(0, 1), episode.mechanism.flatten(0, 1)
    facts = society.prospects(before, rules)  # [B T, N, K, 2] hours, tolls in shares of the highest
    asked = (episode.action >= 0).flatten(0, 1)  # [B T, N]
    hours, tolls = conditional_logit(facts[asked], episode.choice.flatten(0, 1)[asked]).tolist()
    coins = tolls / HIGHEST_TOLL  # utility of a coin
    return max(0.0, hours / HOUR / coins) if coins < 0 else 0.0


def conditional_logit(facts: Tensor, chosen: Tensor) -> Tensor:
    """[D] the weights by which facts [S, K, D] of K choices make those that were chosen [S, K] likeliest (Newton)."""
    weights = facts.new_zeros(facts.shape[-1], dtype=torch.float64)
    facts, chosen = facts.double(), chosen.double()
    for _ in range(ROUNDS):
        chance = (facts @ weights).softmax(-1)  # [S, K]
        mean = (chance[..., None] * facts).sum(1, keepdim=True)  # [S, 1, D]
        slope = ((chosen - chance)[..., None] * facts).sum((0, 1)) - WEAK * weights
        apart = facts - mean
        bend = torch.einsum("sk,skd,ske->de", chance, apart, apart) + WEAK * torch.eye(len(weights))
        step = torch.linalg.solve(bend, slope)
        weights = weights + step
        if float(step.abs().max()) < 1e-9:
            break
    return weights
