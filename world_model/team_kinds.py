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
from functools import cached_property
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad, softplus

from learning.draws import child_seed
from societies.teams import AGENTS, BASICS, LABELS
from world_model.team_facts import CRAFTING, MOVING, SITUATIONS, STORING, TAKING, TeamCounts, TeamFacts, counted

WARM = 0.6  # of a fit's steps, in which likelihoods count for less
LEANING = 1.0  # weight of nearing a corner of its own that each kind, as far as there are corners, starts with
SELDOM = -3.0  # log-odds of an event before anything is known of it: what was never seen is not to be planned on
BLUNT = ((MOVING - 1, 1), (BASICS, TAKING // BASICS), (1, CRAFTING), (BASICS, STORING // BASICS))
"""How many of the numbers that tell of moving, taking, crafting and storing a blunt model weighs, and how many that
stand side by side share one weight. It does not tell, in moving, whether one stays on a stocked corner; in taking, even
steps from odd ones, and who stays from who moves on; in crafting, the ingredients of one item from those of more; in
storing, whether both ingredients are still stocked.
"""


@dataclass(frozen=True)
class Kinds:
    """What somebody may be, beside whom, and a roster."""

    count: int  # Z

    @cached_property
    def present(self) -> Tensor:
        """[2^Z, Z] the kinds in a team."""
        return torch.tensor(list(product((0.0, 1.0), repeat=self.count)))

    @cached_property
    def assignments(self) -> Tensor:
        """[A, N]"""
        return torch.tensor(list(product(range(self.count), repeat=AGENTS)))

    def pairs(self, kinds: Tensor, together: Tensor) -> Tensor:
        """[..., N] int64 the pair (own kind, kinds in the team) of everyone; kinds [..., N], together [..., N, N]."""
        there = (together @ one_hot(kinds, self.count).to(together.dtype)) > 0  # [..., N, Z]
        places = 2 ** torch.arange(self.count - 1, -1, -1)  # of each kind in the number of a row of `present`
        return kinds * len(self.present) + (there * places).sum(-1)

    @cached_property
    def pair_of(self) -> Tensor:
        """[15, N, A] the pair of everyone under each partition, by assignment."""
        together = (LABELS[:, :, None] == LABELS[:, None, :]).float()  # [15, N, N]
        return self.pairs(self.assignments.expand(len(LABELS), -1, -1), together[:, None]).mT.contiguous()


class Weights(nn.Module):
    """[C, D] of every pair; `base` is what they are before anything is known, `shared` [D', D] which of D' free weights
    each of them is.
    """

    def __init__(self, kinds: Kinds, shared: Tensor, generator: torch.Generator, base: float = 0.0) -> None:
        super().__init__()
        z, size, self.base = kinds.count, len(shared), base
        self.present, self.shared = kinds.present, shared
        self.own = nn.Parameter(0.3 * torch.randn(z, size, generator=generator))
        self.beside = nn.Parameter(0.3 * torch.randn(z, z, size, generator=generator))
        self.rest = nn.Parameter(0.01 * torch.randn(z * len(self.present), size, generator=generator))

    def forward(self) -> Tensor:
        beside = torch.einsum("pk,zkd->zpd", self.present, self.beside)
        return ((self.own[:, None] + beside).flatten(0, 1) + self.rest) @ self.shared + self.base


class TeamModel(nn.Module):
    """See the module."""

    def __init__(self, seed: int, kinds: int = 4, blunt: bool = False) -> None:
        super().__init__()
        self.kinds, generator = Kinds(kinds), torch.Generator().manual_seed(seed)
        sizes = BLUNT if blunt else ((MOVING, 1), (TAKING, 1), (CRAFTING, 1), (STORING, 1))
        moving, *events = (torch.eye(free).repeat_interleave(times, 1) for free, times in sizes)
        self.moving = Weights(self.kinds, pad(moving, (0, MOVING - moving.shape[1])), generator)
        self.taking, self.crafting, self.storing = (Weights(self.kinds, own, generator, SELDOM) for own in events)
        with torch.no_grad():  # kinds start drawn to different corners: alike, they would share the same people
            self.moving.own[:, :BASICS] += LEANING * torch.eye(kinds, BASICS)
        among = self.kinds.assignments
        bags, self.bag = one_hot(among, kinds).sum(1).unique(dim=0, return_inverse=True)  # [A] which bag
        self.orders = torch.bincount(self.bag, minlength=len(bags)).float()  # [bags] how many assignments have it
        self.register_buffer("log_bags", (self.orders / len(among)).log())  # as of independent kinds
        self.log_bags: Tensor

    def prior(self) -> Tensor:
        """[A] log-chances of the kinds of a roster."""
        return (self.log_bags - self.orders.log())[self.bag].log_softmax(-1)

    def learn_bags(self, share: Tensor) -> None:
        """The chances of bags after rosters that were of each assignment with the chances [E, A]; before them stands
        one roster of independent kinds.
        """
        bags = (self.orders / len(self.bag)).index_add(0, self.bag, share.sum(0))
        self.log_bags.copy_((bags / bags.sum()).log())

    def told(self, facts: TeamFacts) -> Tensor:
        """[E, A] log-likelihood of what was done, were the kinds those."""
        moves = (SITUATIONS[facts.situation] @ self.moving().T).log_softmax(-2)  # [E, T, N, 5, C]
        each = (moves * facts.moves[..., None]).sum(-2) + self._events(facts.could, facts.did)  # [E, T, N, C]
        return each.gather(-1, self.kinds.pair_of[facts.partition]).sum((1, 2))

    def counted(self, counts: TeamCounts) -> Tensor:
        """[E, A] the same of whole episodes, by counts."""
        moves = (counts.moving @ self.moving().T).log_softmax(-2).flatten(0, 1)  # [5 U, C]
        each = counts.moves @ moves + self._events(counts.could, counts.did)  # [E, 15, N, C]
        return each.gather(-1, self.kinds.pair_of.expand(len(each), -1, -1, -1)).sum((1, 2))

    def _events(self, could: Tensor, did: Tensor) -> Tensor:
        """[..., C] log-likelihood of events [..., 26] of which those could happen, and those did."""
        odds = torch.cat([self.taking(), self.crafting(), self.storing()], -1).T  # [26, C]
        return did @ odds - could @ softplus(odds)


@dataclass(frozen=True)
class TeamFit:
    """How a model is fitted."""

    starts: int = 4  # fits from other weights each, of which the likeliest counts
    steps: int = 600  # of Adam, each
    learning_rate: float = 0.05
    spread: float = 2.0  # standard deviation of every weight a priori
    rest_spread: float = 0.5  # of those of one pair of own kind and company
    kinds: int = 4  # Z
    blunt: bool = False  # are events told apart by less than the rules may ask for? (`BLUNT`)


def fit_teams(facts: TeamFacts, seed: int, settings: TeamFit) -> TeamModel:
    """The likeliest of several fits, each from other weights, by generalised expectation-maximisation.

    Deterministic annealing (Ueda & Nakano 1998) lets everybody be of any kind at first: of hundreds of decisions an
    episode the first guess would else be believed at once. Until likelihoods count in full, kinds are independent: were
    bags learned too, rosters with a kind missing would be found likely before all kinds are told apart, and stay so.
    """
    starts = (child_seed(seed, f"start {i}") for i in range(settings.starts))
    models = [TeamModel(start, settings.kinds, settings.blunt) for start in starts]
    counts = counted(facts)
    reached = [_climb(model, counts, settings, WARM) for model in models]
    return models[max(range(len(models)), key=reached.__getitem__)].requires_grad_(False)


def refit(model: TeamModel, facts: TeamFacts, seed: int, settings: TeamFit) -> TeamModel:
    """What the fit might have been with other episodes: moved on by as many, drawn from the same with replacement (the
    bootstrap: Efron 1979). Of one episode there is no other draw.
    """
    counts, again = counted(facts), copy.deepcopy(model, {id(model.kinds): model.kinds}).requires_grad_(True)
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
