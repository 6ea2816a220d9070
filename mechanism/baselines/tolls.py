"""Marginal-cost tolls: every driver pays what slowing the others down costs them (Pigou 1920; Vickrey 1969).

With s_k the share of road k, minutes that grow by slope_k s_k, and w coins that a minute is worth, the toll is
w slope_k s_k: of the mean of what was usual so far, since drivers who look at yesterday and tolls that do so too would
chase each other. What a minute is worth is estimated from which roads people took, as transport economists do: by a
conditional logit on time, toll and a constant for each road, as the ratio of the first two (McFadden 1974). That is one
number for all, a tenth or so below their mean where tastes differ; and whoever is slowed down on a fast road is taken
to be like anybody else.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from societies.base import Episode, PublicStep
from societies.mechanisms import bounds
from societies.roads import HIGHEST_TOLL, HOUR, SHARES, CongestionGame

ROUNDS = 50  # of Newton's method, which takes about five
WEAK = 1e-3  # of a ridge, which keeps the two apart where tolls were never tried
CLEAR = 2.0  # standard errors by which a weight must be below 0 to be believed


@dataclass(frozen=True)
class MarginalCost:
    """`worth`: coins a minute. It remembers the mean of the usual shares [B, K]."""

    society: CongestionGame
    worth: float

    def start(self, worlds: int) -> Tensor:
        return torch.zeros(worlds, len(self.society.free))

    def propose(self, memory: Tensor, seen: PublicStep) -> tuple[Tensor, Tensor]:
        low, high = bounds(self.society)
        usual = seen.features[:, 0, SHARES:]  # [B, K], the same for everyone
        mean = memory + (usual - memory) / (seen.step + 1)
        return mean, (self.worth * self.society.slope * mean).clamp(low, high)


def marginal_cost(society: CongestionGame, episode: Episode) -> MarginalCost:
    """With what a minute seems to be worth to the people of real episodes."""
    return MarginalCost(society, worth_of_a_minute(society, episode))


def worth_of_a_minute(society: CongestionGame, episode: Episode) -> float:
    """Coins: by the conditional logit of the roads that were taken, on hours and tolls that people saw. 0 where these
    episodes do not show that both matter: tolls were hardly tried, say. Decisions that nobody made are left out.
    """
    before, rules = episode.features[:, :-1].flatten(0, 1), episode.mechanism.flatten(0, 1)
    told = society.prospects(before, rules)  # [B T, N, K, 2] hours, tolls in shares of the highest
    liked = torch.eye(told.shape[2])[:, 1:].expand(*told.shape[:2], -1, -1)  # a road for itself, against the first
    facts = torch.cat([told, liked], -1)
    chosen = episode.choice.flatten(0, 1)  # [B T, N, K]
    made = chosen.sum(-1) > 0
    weights, errors = (found[:2] for found in conditional_logit(facts[made], chosen[made]))
    if bool((weights + CLEAR * errors >= 0).any()):
        return 0.0
    hours, tolls = weights.tolist()  # of an hour, and of the highest toll
    return hours / HOUR / (tolls / HIGHEST_TOLL)


def conditional_logit(facts: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """[D] the weights by which facts [S, K, D] of K choices make those that were chosen [S, K] likeliest (Newton), and
    [D] their standard errors.
    """
    bend = torch.eye(facts.shape[-1], dtype=torch.float64)
    weights = facts.new_zeros(facts.shape[-1], dtype=torch.float64)
    facts, chosen = facts.double(), chosen.double()
    for _ in range(ROUNDS):
        chance = (facts @ weights).softmax(-1)  # [S, K]
        mean = (chance[..., None] * facts).sum(1, keepdim=True)  # [S, 1, D]
        slope = ((chosen - chance)[..., None] * facts).sum((0, 1)) - WEAK * weights
        apart = facts - mean
        bend = torch.einsum("sk,skd,ske->de", chance, apart, apart) + WEAK * torch.eye(len(weights)).double()
        step = torch.linalg.solve(bend, slope)
        weights = weights + step
        if float(step.abs().max()) < 1e-9:
            break
    return weights, torch.linalg.inv(bend).diagonal().sqrt()
