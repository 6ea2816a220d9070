"""A society small enough to know everything about: six islanders choose an effort under one tax rate.

    U_k = 2 (1 - rate) w l_k + taste l_k - l_k^2,   P(k) proportional to exp(2 U_k),   w = exp(.3 skill)

`taste` is hidden and shared in part by the whole island; `skill` is public. Three objectives: two that depend on the
rate alone (with a best rate that is known), and tax revenue, which depends on what people do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from gymnasium.spaces import Box
from torch import Tensor

from agents.base import Decisions, Question, Round
from agents.scripted import ScriptedPopulation
from learning.draws import Draws
from personas.people import People, Persona
from societies.base import Episode, PublicStep, Settled, Society, State, Transition
from societies.stage import Stage

EFFORTS = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0])
BEST_RATE = 0.4
Objective = Literal["quadratic", "tracking", "revenue"]


class Island:
    """See the module. `gaps`: the principal decides on every `gaps`-th counted step only."""

    name = "island"
    feature_names = ("skill", "last_effort", "mean_effort")
    personal = ("skill",)
    own = ("skill", "last_effort", "mean_effort")
    attributes_used = ("skill",)
    prospect_names = ("net", "effort")
    choice_names = ("none", "a little", "half", "much", "all")
    traits_used = ("taste",)
    welfare_is_public = True
    response_is_choice = True

    def __init__(self, objective: Objective = "quadratic", agents: int = 6, steps: int = 5, gaps: int = 1) -> None:
        self.objective, self.agents, self.steps, self.gaps = objective, agents, steps, gaps
        self.mechanism = Box(0.0, 1.0, (1,))

    def counts(self, step: int) -> bool:
        return step >= 1

    def decides(self, step: int, features: Tensor) -> Tensor:
        return torch.full((len(features), 1), self.counts(step) and (step - 1) % self.gaps == 0)

    def default_mechanism(self) -> Tensor:
        return torch.tensor([0.2])

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        skill = public[..., attribute_names.index("skill")]
        return torch.stack([skill, torch.ones_like(skill), torch.ones_like(skill)], -1)

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.ones(*features.shape[:2], len(EFFORTS), dtype=torch.bool)

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        return state.features

    def tell(self, view: Tensor, persona: Persona) -> Question:
        return Question("rules", "news", "effort", self.choice_names)

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        net = (1 - mechanism)[:, None] * wage(features)[..., None] * EFFORTS  # [B, N, K]
        return torch.stack([net, EFFORTS.expand_as(net)], -1)

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        net = self.prospects(state.features, mechanism)[..., 0]
        taste = 4 * (state.people.trait("taste")[..., None] - 0.5)
        return (2 * (2 * net + taste * EFFORTS - EFFORTS**2)).log_softmax(-1)

    def respond(self, action: Tensor) -> Tensor:
        return EFFORTS[action][..., None]

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        effort = response[..., 0]  # [B, N]
        mean = effort.mean(1, keepdim=True).expand_as(effort)
        output = (wage(features) * effort).mean(1)
        accounts = {"rate": mechanism[:, 0], "output": output, "skill": features[..., 0].mean(1)}
        return Settled(torch.stack([features[..., 0], effort, mean], -1), accounts)

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        if self.objective == "revenue":
            return accounts["rate"] * accounts["output"]
        best = BEST_RATE + (0.3 * accounts["skill"] if self.objective == "tracking" else 0.0)
        return 1 - 4 * (accounts["rate"] - best) ** 2

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        response = self.respond(action)
        settled = self.settle(state.features, mechanism, response)
        after = State(state.step + 1, settled.features, state.people)
        welfare = self.public_welfare(settled.accounts)
        return Transition(after, response, -(response[..., 0] ** 2), settled.accounts, welfare)


def wage(features: Tensor) -> Tensor:
    """[..., F] -> [...]"""
    return (0.3 * features[..., 0]).exp()


@dataclass(frozen=True)
class Islanders:
    """New islanders for every episode; taste = sigmoid(island + own), both standard normal."""

    agents: int = 6

    def people(self, draws: Draws) -> People:
        skill = draws.normal("skill", 0, self.agents)
        taste = (draws.normal("island", 0, 1) + draws.normal("own", 0, self.agents)).sigmoid()
        return People(("skill",), skill[..., None], ("taste",), taste[..., None], nobody)


@dataclass(frozen=True)
class OtherTraits:
    """The same rosters with every hidden trait replaced."""

    rosters: Islanders
    taste: float

    def people(self, draws: Draws) -> People:
        people = self.rosters.people(draws)
        return people.with_traits(torch.full_like(people.traits, self.taste))


def nobody(world: int, agent: int) -> Persona:
    """Islanders have no words."""
    return Persona("x", "x", "", {}, frozenset(), {})


class Counting:
    """Scripted people who count how often they were asked."""

    def __init__(self, tells_distribution: bool = True) -> None:
        self.people = ScriptedPopulation(tells_distribution)
        self.decisions = 0

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        self.decisions += round.choices.any(-1).numel()
        return self.people.decide(memory, round, draws)


def stage(
    objective: Objective = "quadratic", *, soft: bool = True, seed: int = 0, agents: int = 6, steps: int = 5
) -> Stage:
    """The island as learning may use it."""
    return Stage(Island(objective, agents, steps), ScriptedPopulation(soft), Islanders(agents), seed)


def reordered(episode: Episode, order: Tensor) -> Episode:
    """The same episode with the agents in another order."""
    agents = {name: getattr(episode, name)[:, :, order] for name in ("features", "action", "choice", "response")}
    return replace(episode, **agents)


def seen(episode: Episode, t: int) -> PublicStep:
    """What a principal saw before step t."""
    if t == 0:
        return PublicStep(0, episode.features[:, 0], None, None, None, None)
    past = episode.features[:, t - 1], episode.mechanism[:, t - 1], episode.response[:, t - 1], episode.choice[:, t - 1]
    return PublicStep(t, episode.features[:, t], *past)


def assert_is_an_episode(society: Society, episode: Episode) -> None:
    """What holds of every public record, real or imagined."""
    b, t, n, k = len(episode.ids), society.steps, society.agents, len(society.choice_names)
    assert episode.features.shape == (b, t + 1, n, len(society.feature_names))
    assert episode.mechanism.shape == (b, t, len(society.default_mechanism()))
    assert episode.choice.shape == (b, t, n, k)
    assert episode.action.shape == (b, t, n)
    assert episode.welfare.shape == (b, t)
    assert episode.counted.tolist() == [society.counts(i) for i in range(t)]
    torch.testing.assert_close(episode.choice.sum(-1), torch.ones(b, t, n))
    assert bool((episode.choice >= 0).all())
    assert episode.soft == bool((episode.choice.amax(-1) < 1).any())
    assert bool((episode.choice.gather(-1, episode.action[..., None]) > 0).all())
    low, high = torch.as_tensor(society.mechanism.low), torch.as_tensor(society.mechanism.high)
    assert bool(((episode.mechanism >= low) & (episode.mechanism <= high)).all())
    for i in range(t):
        if not bool(society.decides(i, episode.features[:, i]).any()):
            assert torch.equal(episode.mechanism[:, i], society.default_mechanism().expand(b, -1))
        _assert_settled(society, episode, i)
    torch.testing.assert_close(episode.returns(), episode.welfare[:, episode.counted].mean(1))


def _assert_settled(society: Society, episode: Episode, t: int) -> None:
    """What follows a step is what the public accounting makes of its responses: to the last bit."""
    assert torch.equal(episode.response[:, t], society.respond(episode.action[:, t]))
    settled = society.settle(episode.features[:, t], episode.mechanism[:, t], episode.response[:, t])
    assert torch.equal(episode.features[:, t + 1], settled.features)
    assert set(episode.accounts) == set(settled.accounts)
    for name, value in settled.accounts.items():
        assert torch.equal(episode.accounts[name][:, t], value)
    assert torch.equal(episode.welfare[:, t], society.public_welfare(settled.accounts))
