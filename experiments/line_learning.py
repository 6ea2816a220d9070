"""Rules for the line that are learned by gradient on uniform profiles: a family's parameters, or a small network.

The loss is the mean distance to the nearest facility plus a penalty on regret: on the largest in each profile, averaged
over profiles. Scores are of fresh profiles. The regret meter is the same for all; it asks a rule for places only.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from experiments.line_profiles import largest_regret, settled, uniform_profiles
from learning.draws import child_seed, draws
from societies.line_rules import FAMILIES, distances
from societies.regret import regret

NETWORK = "network"
HIDDEN = 32
TRIES = torch.linspace(0, 1, 21).double()  # misreports that learning tries


@dataclass(frozen=True)
class Task:
    """So many people, uniformly spread, and facilities; rules of one family or a network; what regret costs."""

    agents: int
    facilities: int
    family: str
    penalty: float


@dataclass(frozen=True)
class Learning:
    """How a rule is learned."""

    steps: int = 2000
    profiles: int = 1024  # a step
    judged: int = 128  # of them that regret is measured on
    rate: float = 0.1  # of a network a tenth
    starts: int = 3  # the best of several, by the loss on fresh profiles


@dataclass(frozen=True)
class Learned:
    """A learned rule and what it does on fresh profiles."""

    family: str
    penalty: float
    parameters: list[list[float]]  # [K][P]; nothing of a network
    cost: float  # mean distance
    regret: float  # the largest
    mean_regret: float  # mean over profiles of the largest in each


class FamilyRule(nn.Module):
    """reports [B, N] -> places [B, K] by the parameters of a family, each the sigmoid of a logit."""

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__()
        size = task.facilities * FAMILIES[task.family].parameters(task.agents)
        self.settle = settled(task.family, task.facilities)
        self.logits = nn.Parameter(1.5 * draws(seed, 0, 1).normal("logits", 0, size)[0].double())

    def forward(self, reports: Tensor) -> Tensor:
        return self.settle(self.logits.sigmoid().expand(len(reports), -1), reports)


class NetworkRule(nn.Module):
    """reports [B, N] -> places [B, K] by two hidden layers on the sorted reports: a rule of no known form."""

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__()
        sizes = (task.agents, HIDDEN, HIDDEN, task.facilities)
        layers = [nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes)]
        for i, layer in enumerate(layers):
            drawn = draws(seed, 0, 1).normal("weight", i, *layer.weight.shape)[0]
            layer.weight.data = drawn.double() / layer.weight.shape[1] ** 0.5
            layer.bias.data.zero_()
        self.body = nn.Sequential(layers[0], nn.SiLU(), layers[1], nn.SiLU(), layers[2], nn.Sigmoid())

    def forward(self, reports: Tensor) -> Tensor:
        return self.body(reports.sort(-1).values)


def learn(task: Task, learning: Learning, seed: int) -> nn.Module:
    """The rule with the least loss, by Adam from several random starts."""
    found = [_learn_once(task, learning, child_seed(seed, f"start {start}")) for start in range(learning.starts)]
    fresh = uniform_profiles(child_seed(seed, "choice"), 8 * learning.profiles, task.agents)
    with torch.no_grad():
        losses = [float(_loss(rule, task.penalty, fresh, 8 * learning.judged)) for rule in found]
    return found[losses.index(min(losses))]


def _learn_once(task: Task, learning: Learning, seed: int) -> nn.Module:
    network = task.family == NETWORK
    rule = NetworkRule(task, seed) if network else FamilyRule(task, seed)
    adam = torch.optim.Adam(rule.parameters(), learning.rate / (10 if network else 1))
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(adam, learning.steps)
    for step in range(learning.steps):
        positions = uniform_profiles(child_seed(seed, f"step {step}"), learning.profiles, task.agents)
        adam.zero_grad()
        _loss(rule, task.penalty, positions, learning.judged).backward()
        adam.step()
        slower.step()
    return rule


def _loss(rule: nn.Module, penalty: float, positions: Tensor, judged: int) -> Tensor:
    """Mean distance of positions [B, N], and penalised regret on the first `judged` profiles."""
    cost = distances(rule(positions), positions).mean()
    if not penalty:
        return cost
    some = positions[:judged]
    most = regret(lambda _, reports: rule(reports), distances, some[:, :0], some, TRIES).amax(-1)
    return cost + penalty * most.mean()


@torch.no_grad()
def scored(task: Task, rule: nn.Module, profiles: Tensor, judged: int, tries: Tensor) -> Learned:
    """What a rule costs on profiles [B, N], and its regret on the first `judged` of them by misreports [G]."""
    most, mean = largest_regret(lambda _, reports: rule(reports), profiles[0, :0], profiles[:judged], tries)
    told = list[list[float]]()
    if isinstance(rule, FamilyRule):
        each = rule.logits.sigmoid().reshape(task.facilities, -1)
        told = [[round(value, 4) for value in row] for row in each.tolist()]
    return Learned(task.family, task.penalty, told, float(distances(rule(profiles), profiles).mean()), most, mean)
