"""What a learned principal sees: sized as it says, blind to order and to anything hidden, and of bounded memory."""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from learning.draws import draws
from mechanism.explore import RandomRules
from mechanism.observe import History, Observer
from societies.base import Episode, PublicStep
from societies.catalog import load
from tests.world_model.island import Island, OtherTraits, reordered, seen, stage
from world_model.model import ModelSettings, WorldModel

ISLAND = Island("revenue")
MODEL = WorldModel(ISLAND, ModelSettings(members=2, traits=3, community=1), 0)


def life(soft: bool = True, worlds: int = 4) -> Episode:
    return stage("revenue", soft=soft).play(RandomRules(ISLAND, draws(2, 0, worlds)), 0, worlds)


def observations(observer: Observer, episode: Episode) -> tuple[list[Tensor], list[History]]:
    """Every observation and memory of an episode."""
    history, told, memories = observer.start(len(episode.ids)), list[Tensor](), list[History]()
    with torch.no_grad():
        for t in range(ISLAND.steps):
            history, observation = observer.observe(history, seen(episode, t))
            told.append(observation)
            memories.append(history)
    return told, memories


OBSERVERS = [Observer(ISLAND), Observer(ISLAND, MODEL)]


@pytest.mark.parametrize("observer", OBSERVERS)
def test_an_observation_has_the_size_it_says(observer: Observer):
    for observation in observations(observer, life())[0]:
        assert observation.shape == (4, observer.size)
        assert bool(observation.isfinite().all())


def test_the_size_holds_for_the_income_tax_too():
    tax = load("income_tax")
    model = WorldModel(tax, ModelSettings(members=2), 0)
    features = tax.census(torch.linspace(10.0, 90.0, tax.agents).expand(3, -1)[..., None], ("wage",))
    for observer in (Observer(tax), Observer(tax, model)):
        _, observation = observer.observe(observer.start(3), PublicStep(0, features, None, None, None, None))
        assert observation.shape == (3, observer.size)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_the_order_of_the_agents_is_not_seen(observer: Observer):
    episode = life()
    moved = reordered(episode, torch.tensor([3, 1, 5, 0, 4, 2]))
    for a, b in zip(observations(observer, episode)[0], observations(observer, moved)[0], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_who_did_what_is_seen(observer: Observer):
    """Only the replies change places, between people of other skill: that is not the same island."""
    episode = life()
    moved = replace(episode, choice=episode.choice[:, :, [3, 1, 5, 0, 4, 2]])
    apart = [
        (a - b).abs().max() for a, b in zip(*(observations(observer, e)[0] for e in (episode, moved)), strict=True)
    ]
    assert float(apart[0]) == 0.0
    assert min(float(x) for x in apart[1:]) > 1e-3


@pytest.mark.parametrize("observer", OBSERVERS)
def test_memory_does_not_grow(observer: Observer):
    _, memories = observations(observer, life())
    shapes = [[getattr(m, f.name).shape for f in fields(History) if f.name != "count"] for m in memories]
    assert all(s == shapes[0] for s in shapes)
    assert [m.count for m in memories] == [0, 1, 2, 3, 4]


def test_running_means_and_covariances_are_those_of_the_history():
    """Means over agents of mean effort, of its mean times skill, and of the variance of effort, by hand."""
    episode, observer = life(soft=False), Observer(ISLAND)
    told = observations(observer, episode)[0][-1]
    effort = episode.response[:, :-1, :, 0]  # [B, T - 1, N]; the last step's is not seen yet
    skill = episode.features[:, 0, :, 0].clamp(-2, 2)
    place = len(ISLAND.feature_names)  # the first running mean is the response's
    torch.testing.assert_close(told[:, place], effort.mean((1, 2)))
    per_agent = len(ISLAND.feature_names) + 2 * (1 + len(ISLAND.prospect_names))
    torch.testing.assert_close(told[:, per_agent + place], (effort.mean(1) * skill).mean(1))
    variance = effort.var(1, unbiased=False).mean(1)
    torch.testing.assert_close(told[:, place + 1 + len(ISLAND.prospect_names)], variance, atol=1e-5, rtol=1e-4)


def test_the_last_rules_and_the_date_are_seen():
    episode, observer = life(), Observer(ISLAND)
    told = observations(observer, episode)[0]
    torch.testing.assert_close(told[0][:, -2], torch.full((4,), 0.2))  # before any step: the default rate
    for t in range(1, ISLAND.steps):
        assert torch.equal(told[t][:, -2], episode.mechanism[:, t - 1, 0])
        torch.testing.assert_close(told[t][:, -1], torch.full((4,), t / ISLAND.steps))


@pytest.mark.parametrize("observer", OBSERVERS)
def test_the_same_public_episode_looks_the_same_whoever_lived_it(observer: Observer):
    """Replies are all that hidden traits can reach: with the replies of other people put in, nothing differs."""
    here, other = stage("revenue"), replace(stage("revenue"), rosters=OtherTraits(stage().rosters, 0.9))  # type: ignore[arg-type]
    rules = RandomRules(ISLAND, draws(2, 0, 4))
    ours, theirs = here.play(rules, 0, 4), other.play(rules, 0, 4)
    assert not torch.equal(ours.choice, theirs.choice)
    public = {name: getattr(ours, name) for name in ("features", "action", "choice", "response", "accounts", "welfare")}
    for a, b in zip(*(observations(observer, e)[0] for e in (ours, replace(theirs, **public))), strict=True):
        assert torch.equal(a, b)


def test_the_belief_adds_to_what_is_seen_and_changes_nothing_else():
    episode = life()
    for blind, seeing in zip(*(observations(o, episode)[0] for o in OBSERVERS), strict=True):
        assert torch.equal(seeing[:, : blind.shape[1]], blind)
        assert seeing.shape[1] - blind.shape[1] == 3 * (2 + 1)


def test_where_there_was_no_reply_what_was_done_is_seen():
    """A fallback leaves an empty reply: the observer reads the action off the response, and believes nothing by it."""
    whole = life(soft=False)
    quiet = whole.choice.clone()
    quiet[:, :, 2] = 0.0
    silent = replace(whole, choice=quiet)
    blind, knowing = Observer(ISLAND), Observer(ISLAND, MODEL)
    for a, b in zip(observations(blind, whole)[0], observations(blind, silent)[0], strict=True):
        torch.testing.assert_close(a, b)
    apart = observations(knowing, whole)[1][-1].evidence - observations(knowing, silent)[1][-1].evidence
    assert bool((apart.abs().sum(-1) > 0).nonzero()[:, 1].eq(2).all())
