"""A world model of who does what in teams: agents of Z hidden kinds, whose kinds hang together within a roster.

What an agent does depends on its own kind and on which kinds are in its team, itself included. Each such pair has
weights of its own, which are those of the kind, plus one for every kind that is there, plus a small rest. The chance
that a roster has which kinds is learned too, as of a bag of kinds: any order of the seats is as likely as any other.
Beliefs are kept over all Z^4 assignments of kinds to seats, exactly:

    log p(kinds | history) = log p(kinds) + sum over steps and agents of log p(doing | own kind, kinds in its team)

Kinds have no names. Shapes: E episodes, T steps, N = 4 agents, A = Z^N assignments, C = Z 2^Z pairs.
"""

import copy
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from learning.draws import child_seed
from societies.teams import AGENTS, LABELS
from world_model.team_facts import CRAFTING, MOVING, SITUATIONS, STORING, TAKING, TeamCounts, TeamFacts, counted

KINDS = 4  # Z
WARM = 0.6  # of a fit's steps, in which likelihoods count for less
LEANING = 1.0  # weight of nearing a corner of its own that each kind starts with
SELDOM = -1.0  # log-odds of an event before anything is known of it
PRESENT = torch.tensor(list(product((0.0, 1.0), repeat=KINDS)))  # [2^Z, Z] the kinds in a team
PLACES = 2 ** torch.arange(KINDS - 1, -1, -1)  # of each kind in the number of a row of PRESENT
ASSIGNMENTS = torch.tensor(list(product(range(KINDS), repeat=AGENTS)))  # [A, N]


def pairs(kinds: Tensor, together: Tensor) -> Tensor:
    """[..., N] int64 the pair (own kind, kinds in the team) of everyone; kinds [..., N], together [..., N, N]."""
    there = (together @ one_hot(kinds, KINDS).to(together.dtype)) > 0  # [..., N, Z]
    return kinds * len(PRESENT) + (there * PLACES).sum(-1)


class Weights(nn.Module):
    """[C, D] of every pair; `base` is what they are before anything is known."""

    def __init__(self, size: int, generator: torch.Generator, base: float = 0.0) -> None:
        super().__init__()
        self.base = base
        self.own = nn.Parameter(0.3 * torch.randn(KINDS, size, generator=generator))
        self.beside = nn.Parameter(0.3 * torch.randn(KINDS, KINDS, size, generator=generator))
        self.rest = nn.Parameter(0.01 * torch.randn(KINDS * len(PRESENT), size, generator=generator))

    def forward(self) -> Tensor:
        beside = torch.einsum("pk,zkd->zpd", PRESENT, self.beside)
        return (self.own[:, None] + beside).flatten(0, 1) + self.rest + self.base


class TeamModel(nn.Module):
    """See the module."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.moving = Weights(MOVING, generator)
        self.taking, self.crafting, self.storing = (
            Weights(size, generator, SELDOM) for size in (TAKING, CRAFTING, STORING)
        )
        with torch.no_grad():  # each kind starts drawn to a corner of its own: alike, they would share the same people
            self.moving.own[:, :KINDS] += LEANING * torch.eye(KINDS)
        bags, self.bag = one_hot(ASSIGNMENTS, KINDS).sum(1).unique(dim=0, return_inverse=True)  # [A] which bag
        self.orders = torch.bincount(self.bag, minlength=len(bags)).float()  # [bags] how many assignments have it
        self.register_buffer("log_bags", (self.orders / len(ASSIGNMENTS)).log())  # as of independent kinds
        self.log_bags: Tensor
        self.gather = _gather()

    def prior(self) -> Tensor:
        """[A] log-chances of the kinds of a roster."""
        return (self.log_bags - self.orders.log())[self.bag].log_softmax(-1)

    def learn_bags(self, share: Tensor) -> None:
        """The chances of bags after rosters that were of each assignment with the chances [E, A]; before them stands
        one roster of independent kinds.
        """
        bags = (self.orders / len(ASSIGNMENTS)).index_add(0, self.bag, share.sum(0))
        self.log_bags.copy_((bags / bags.sum()).log())

    def told(self, facts: TeamFacts) -> Tensor:
        """[E, A] log-likelihood of what was done, were the kinds those."""
        moves = (SITUATIONS[facts.situation] @ self.moving().T).log_softmax(-2)  # [E, T, N, 5, C]
        each = (moves * facts.moves[..., None]).sum(-2) + self._events(facts.could, facts.did)  # [E, T, N, C]
        under = one_hot(facts.partition, len(LABELS)).to(each.dtype)
        return self._together(torch.einsum("etp,etnc->epnc", under, each))

    def counted(self, counts: TeamCounts) -> Tensor:
        """[E, A] the same of whole episodes, by counts."""
        moves = (counts.moving @ self.moving().T).log_softmax(-2).flatten(0, 1)  # [5 U, C]
        return self._together(counts.moves @ moves + self._events(counts.could, counts.did))

    def _events(self, could: Tensor, did: Tensor) -> Tensor:
        """[..., C] log-likelihood of events [..., 26] of which those could happen, and those did."""
        odds = torch.cat([self.taking(), self.crafting(), self.storing()], -1).T  # [26, C]
        return did @ odds - could @ softplus(odds)

    def _together(self, each: Tensor) -> Tensor:
        """[E, A] the sum over agents, from [E, 15, N, C] under each partition, were their pairs those."""
        return each.flatten(1) @ self.gather


def _gather() -> Tensor:
    """[15 N C, A] 1 where an assignment gives an agent that pair under that partition."""
    together = (LABELS[:, :, None] == LABELS[:, None, :]).float()  # [15, N, N]
    pair = pairs(ASSIGNMENTS[None].expand(len(LABELS), -1, -1), together[:, None])  # [15, A, N]
    return one_hot(pair, KINDS * len(PRESENT)).permute(0, 2, 3, 1).flatten(0, 2).float()


@dataclass(frozen=True)
class TeamFit:
    """How a model is fitted."""

    starts: int = 4  # fits from other weights each, of which the likeliest counts
    steps: int = 600  # of Adam, each
    learning_rate: float = 0.05
    spread: float = 2.0  # standard deviation of every weight a priori
    rest_spread: float = 0.5  # of those of one pair of own kind and company


def fit_teams(facts: TeamFacts, seed: int, settings: TeamFit) -> TeamModel:
    """The likeliest of several fits, each from other weights, by generalised expectation-maximisation.

    Deterministic annealing (Ueda & Nakano 1998) lets everybody be of any kind at first: of hundreds of decisions an
    episode the first guess would else be believed at once. Until likelihoods count in full, kinds are independent: were
    bags learned too, rosters with a kind missing would be found likely before all kinds are told apart, and stay so.
    """
    models = [TeamModel(child_seed(seed, f"start {i}")) for i in range(settings.starts)]
    counts = counted(facts)
    reached = [_climb(model, counts, settings, WARM) for model in models]
    return models[max(range(len(models)), key=reached.__getitem__)].requires_grad_(False)


def refit(model: TeamModel, facts: TeamFacts, seed: int, settings: TeamFit) -> TeamModel:
    """What the fit might have been with other episodes: moved on by as many, drawn from the same with replacement (the
    bootstrap: Efron 1979). Of one episode there is no other draw.
    """
    counts, again = counted(facts), copy.deepcopy(model).requires_grad_(True)
    episodes = len(counts.moves)
    drawn = torch.randint(episodes, (episodes,), generator=torch.Generator().manual_seed(seed))
    _climb(again, counts.picked(drawn), settings, 0.0)
    return again.requires_grad_(False)


def _climb(model: TeamModel, counts: TeamCounts, settings: TeamFit, warm: float) -> float:
    """Fits in place; returns the log posterior density that is reached, per episode. Likelihoods count for less in the
    first steps, that share of all.
    """
    steps, rate = settings.steps, settings.learning_rate
    optimizer = torch.optim.Adam(model.parameters(), rate)
    episodes, decisions = len(counts.moves), float(counts.moves.sum())
    for i in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (i + 1) / 20) * (1.02 - i / steps)
        told = model.counted(counts)
        with torch.no_grad():
            warmth = min(1.0, 0.01 + i / (warm * steps)) ** 2 if warm else 1.0
            share = (warmth * told + model.prior()).softmax(-1)  # [E, A]
            if warmth == 1:
                model.learn_bags(share)
        loss = (_unlikely(model, settings) - (share * told).sum()) / decisions
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = (model.counted(counts) + model.prior()).logsumexp(-1).mean() - _unlikely(model, settings) / episodes
    return float(found)


def _unlikely(model: TeamModel, settings: TeamFit) -> Tensor:
    """What the weights cost by their normal prior."""
    found = torch.zeros(())
    for weights in (model.moving, model.taking, model.crafting, model.storing):
        found = found + (weights.own.square().sum() + weights.beside.square().sum()) / (2 * settings.spread**2)
        found = found + weights.rest.square().sum() / (2 * settings.rest_spread**2)
    return found
