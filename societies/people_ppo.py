"""How RL people learn: PPO on private payoffs, counted in units of what is at stake for people like that.

Shapes: B worlds, T steps, N agents, X inputs, K choices, S samples.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from agents.base import Decisions, Population, Round
from agents.rl import Policy, RLPopulation, Sizes, logarithm
from learning.draws import Draws, child_seed, draws
from learning.nets import Parallel, mlp
from learning.ppo import Batch, PPOSettings, ppo_update
from learning.returns import gae
from personas.people import People
from societies.base import Principal, Society
from societies.matrix import payoffs_of
from societies.play import play
from societies.stage import Rosters

Rules = Callable[[Draws], Principal]
"""The rules of some episodes, from their draws."""
Progress = Callable[[str, int, int, float], None]
"""(what, done, of, mean payoff of a decision)"""
TRAINING = "training RL people"
MINIBATCH, FEW = 1024, 64  # decisions a gradient step sees, about; where but one seat of each world learns
SMALLEST = 1e-3  # that anybody's stakes count for, in shares of the mean ones
SLOWLY = 0.2  # how much of its newest measure a moving one takes over
FARTHEST = 4.0  # that returns and advantages count for, in robust standard deviations: one ruin must not drown the rest


@dataclass(frozen=True)
class BestResponseSettings:
    """How long RL people learn, from how much, and for whom."""

    iterations: int = 200
    decisions: int = 8_192  # an iteration, in as many worlds as they take
    hidden: int = 64  # units in each of two layers
    care: float = 0.0  # what is maximised: (1 - care) own payoff + care mean payoff of all
    discount: float = 0.95  # of payoffs, per step: 0 = people who do not look ahead
    learning_rate: float = 2e-3  # at first, then falling evenly
    entropy: float = 0.05  # bonus, at first, then falling to none

    @property
    def ppo(self) -> PPOSettings:
        """For the core."""
        return PPOSettings(self.learning_rate, entropy=self.entropy, discount=self.discount, lam=0.9)


def check(settings: BestResponseSettings) -> None:
    """ValueError naming a setting that is out of its range."""
    for name in ("iterations", "decisions", "hidden"):
        if getattr(settings, name) < 1:
            raise ValueError(f"RL people: {name} is {getattr(settings, name)}; it must be at least 1")
    for name in ("care", "discount", "learning_rate", "entropy"):
        if not 0 <= getattr(settings, name) <= 1:
            raise ValueError(f"RL people: {name} is {getattr(settings, name):g}; it must lie between 0 and 1")


@dataclass
class _Taken:
    """Decisions as they are made: T lists of inputs [B, N, X], open choices [B, N, K], actions [B, N]."""

    inputs: list[Tensor] = field(default_factory=list[Tensor])
    open_: list[Tensor] = field(default_factory=list[Tensor])
    action: list[Tensor] = field(default_factory=list[Tensor])


class Deviating(RLPopulation):
    """RL people in one seat of each world, drawn anew, with `others` in all other seats; None = they have all seats."""

    def __init__(self, policy: Policy, others: Population | None) -> None:
        super().__init__(policy)
        self.others = others

    def start(self, people: People) -> Any:
        """What the others start with."""
        return None if self.others is None else self.others.start(people)

    def decide(self, memory: Any, round: Round, draws: Draws) -> tuple[Any, Decisions]:
        _, mine = super().decide(None, round, draws)
        if self.others is None:
            return memory, mine
        memory, theirs = self.others.decide(memory, round, draws)
        return memory, Decisions(torch.where(deviators(draws, round.people), mine.action, theirs.action), None)


class _Watched(Deviating):
    """The same, with what RL people saw and did written down."""

    def __init__(self, policy: Policy, others: Population | None) -> None:
        super().__init__(policy, others)
        self.taken = _Taken()

    def log_probs(self, inputs: Tensor, open_: Tensor) -> Tensor:
        """With everything that may be tried."""
        return self.policy.log_probs(inputs, open_)

    def decide(self, memory: Any, round: Round, draws: Draws) -> tuple[Any, Decisions]:
        memory, decisions = super().decide(memory, round, draws)
        theirs = False if self.others is None else ~deviators(draws, round.people)
        self.taken.inputs.append(self.policy.read(round.views(), round.people, round.step))
        self.taken.open_.append(round.choices)
        self.taken.action.append(decisions.action.masked_fill(torch.as_tensor(theirs), -1))
        return memory, decisions


def deviators(draws: Draws, people: People) -> Tensor:
    """[B, N] bool: the one seat of each world who may do otherwise than the others."""
    seat = (draws.uniform("deviator", 0) * people.agents).long()  # [B]
    return torch.arange(people.agents) == seat[:, None]


@dataclass
class _Units:
    """How much is at stake for everyone, in the payoffs' own units.

    Utilities have no common one, and what is at stake shrinks as people learn: without this the payoffs of the rich,
    in dollars, would drown those of the poor, and whoever a mistake costs most all others. The logarithm of how far
    returns are from what was expected is fitted linearly by who people are.
    """

    weights: Tensor | None = None  # [1 + A + Z]

    def of(self, facts: Tensor) -> Tensor:
        """[B, N] from facts [B, N, 1 + A + Z]."""
        return torch.ones(facts.shape[:2]) if self.weights is None else (facts @ self.weights).exp()

    def learn(self, facts: Tensor, apart: Tensor) -> None:
        """From how far everyone was off [B, N], in payoffs."""
        told = apart.clamp_min(SMALLEST * float(apart.mean()) + 1e-12).log().flatten()[:, None]
        found = torch.linalg.lstsq(facts.flatten(0, 1), told, driver="gelsd").solution[:, 0]
        self.weights = found if self.weights is None else self.weights + SLOWLY * (found - self.weights)


class _Learner(nn.Module):
    """The policy, and a critic in units of the returns seen last. Not kept: only the policy is."""

    def __init__(self, policy: Policy, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.policy, seats = policy, policy.sizes.seats
        layers = [policy.sizes.inputs, policy.sizes.hidden, policy.sizes.hidden, 1]
        if seats:
            self.critic = Parallel(seats, layers, nn.SiLU, 0.1, generator=generator)
        else:
            self.critic = mlp(layers, nn.SiLU, out_gain=0.1, generator=generator)
        self.mean, self.scale = 0.0, 1.0  # of returns

    def value(self, inputs: Tensor) -> Tensor:
        """[...] in standard deviations of returns."""
        seen = self.policy.normaliser(inputs)
        if isinstance(self.critic, Parallel):
            return self.critic(seen, inputs[..., -1].long())[..., 0]
        return self.critic(seen)[..., 0]

    def standardised(self, returns: Tensor) -> Tensor:
        """[...] the same in units of their own, which are the critic's from now on."""
        self.mean = float(returns.median())
        self.scale = float(_spread(returns - self.mean))
        return ((returns - self.mean) / self.scale).clamp(-FARTHEST, FARTHEST)

    def evaluate(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `learning.ppo.ActorCritic`; an observation is the inputs and, as 1 or 0, the open choices [S, X + K]."""
        inputs, open_ = observation.split([self.policy.sizes.inputs, self.policy.sizes.choices], -1)
        log_probs = self.policy.log_probs(inputs, open_ > 0.5)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        return log_probs.gather(-1, action[..., None])[..., 0], entropy, self.value(inputs)


@dataclass(frozen=True)
class School:
    """What people learn in. Episodes are numbered from 0; the first ones only show what views look like.

    `others`: who plays all seats but one; None = everyone learns.
    """

    society: Society
    rosters: Rosters
    settings: BestResponseSettings
    seed: int
    others: Population | None = None
    shared: bool = True  # one network for all; False = one for each seat

    @property
    def worlds(self) -> int:
        """B of an iteration."""
        return max(2, math.ceil(self.settings.decisions / (self.society.steps * self.society.agents)))

    @torch.no_grad()
    def live(self, policy: Policy, rules: Rules, iteration: int) -> tuple[_Taken, People, Tensor]:
        """One batch of episodes: decisions, people, and what they care for [B, T, N]."""
        d = draws(self.seed, iteration * self.worlds, self.worlds)
        people, watched = self.rosters.people(d), _Watched(policy, self.others)
        payoff = play(self.society, watched, people, rules(d), d).sealed.payoff
        care = self.settings.care
        return watched.taken, people, (1 - care) * payoff + care * payoff.mean(-1, keepdim=True)


class Trainer:
    """People who learn as they live: one `learn` after the other, under rules that may change in between."""

    def __init__(self, school: School, rules: Rules) -> None:
        """ValueError for settings that make no sense."""
        check(school.settings)
        self.school, self.lived, self.units = school, 0, _Units()
        sizes = sizes_of(school.society, school.rosters, school.settings.hidden, not school.shared)
        self.policy = Policy(sizes, child_seed(school.seed, "policy"))
        self.policy.normaliser.update(torch.stack(school.live(self.policy, rules, 0)[0].inputs))
        self.learner = _Learner(self.policy, child_seed(school.seed, "critic"))
        rate = school.settings.learning_rate
        self.optimizer = torch.optim.Adam(self.learner.parameters(), lr=rate, eps=1e-5, fused=True)
        self.generator = torch.Generator().manual_seed(school.seed)

    def learn(self, rules: Rules, left: float = 1.0) -> float:
        """From one batch of episodes; returns the mean payoff of a decision. left: of the time to learn, 1 to 0."""
        self.lived += 1
        told = self.school.settings
        taken, people, payoff = self.school.live(self.policy, rules, self.lived)
        batch = _laid_out(self.learner, self.units, _facts(self.policy, people), taken, payoff, told.ppo)
        for group in self.optimizer.param_groups:
            group["lr"] = told.learning_rate * max(0.05, left)
        parts = max(1, len(batch) // (MINIBATCH if self.school.others is None else FEW))
        ppo = replace(told.ppo, entropy=told.entropy * left**2, minibatches=parts)
        ppo_update(self.learner, self.optimizer, batch, ppo, self.generator)
        self.policy.normaliser.update(torch.stack(taken.inputs))
        return float(payoff.mean())

    def taught(self, rules: Rules, progress: Progress) -> Policy:
        """After as many batches as the settings say; what inputs look like is fixed from then on."""
        iterations = self.school.settings.iterations
        for i in range(iterations):
            progress(TRAINING, i + 1, iterations, self.learn(rules, 1 - i / iterations))
        self.policy.normaliser.freeze()
        return self.policy


def sizes_of(society: Society, rosters: Rosters, hidden: int, seats: bool) -> Sizes:
    """What a policy of people of `society` is made for: from one look at it for the length of a view. seats: has each
    seat a network of its own?
    """
    people = rosters.people(draws(0, 0, 1))
    view = society.look(society.reset(people), society.default_mechanism()[None]).shape[-1]
    return Sizes(
        society.name,
        society.steps,
        view,
        len(society.choice_names),
        society.attributes_used,
        society.traits_used,
        hidden,
        people.agents if seats else 0,
        payoffs_of(society),
    )


def _facts(policy: Policy, people: People) -> Tensor:
    """[B, N, 1 + A + Z] one, logarithms of the attributes, and the traits of everyone."""
    s = policy.sizes
    known = [*(logarithm(people.attribute(a)) for a in s.attributes), *map(people.trait, s.traits)]
    return torch.stack([torch.ones(people.worlds, people.agents), *known], -1)


@torch.no_grad()
def _laid_out(
    learner: _Learner, units: _Units, facts: Tensor, taken: _Taken, payoff: Tensor, ppo: PPOSettings
) -> Batch:
    """Samples for PPO from payoffs [B, T, N]. A step at which it is not an agent's turn is none of its samples."""
    inputs, open_, action = (torch.stack(t) for t in (taken.inputs, taken.open_, taken.action))  # [T, B, N, ...]
    reward = payoff.transpose(0, 1) / units.of(facts)  # [T, B, N]
    value = learner.mean + learner.scale * learner.value(inputs)
    advantage = gae(reward, torch.cat([value, torch.zeros_like(value[:1])]), ppo.discount, ppo.lam)
    units.learn(facts, advantage.abs().clamp_min(1e-12).log().mean(0).exp() * units.of(facts))
    returns = learner.standardised(advantage + value)
    turn = action >= 0
    observation = torch.cat([inputs, open_.float()], -1)[turn]  # [S, X + K]
    log_prob, _, _ = learner.evaluate(observation, action[turn])
    told = advantage[turn]
    return Batch(observation, action[turn], log_prob, (told / _spread(told)).clamp(-FARTHEST, FARTHEST), returns[turn])


def _spread(values: Tensor) -> Tensor:
    """The standard deviation, were they normal with mean 0, from the median distance from it; and a little of the mean
    one, for where most people do nothing, and to make noise as large as what matters would drown that.
    """
    return 1.4826 * values.abs().median() + 0.01 * values.abs().mean() + 1e-8
