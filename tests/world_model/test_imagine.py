"""Imagined episodes: the same record as real ones, answered by the right member, drawn by counters alone."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from learning.draws import Draws, draws
from mechanism.explore import RandomRules
from societies.base import Principal
from societies.catalog import load
from societies.play import Fixed
from tests.world_model.island import Island, assert_is_an_episode, stage
from world_model.imagine import AUDITED, Asked, Dream, World, answers, draw_people, imagine
from world_model.model import ModelSettings, WorldModel
from world_model.records import personal, records
from world_model.response import Form

S = 3
STAGE = stage("revenue")
ISLAND = STAGE.society


def model(form: Form = "utility", members: int = S) -> WorldModel:
    return WorldModel(Island(), ModelSettings(form, members=members, traits=2, community=2), 0)


def dream(made: WorldModel, start: int = 0, worlds: int = 6, soft: bool = True) -> Dream:
    rules = RandomRules(ISLAND, draws(4, start, worlds))
    return imagine(made, ISLAND, STAGE.census(start, worlds), rules, draws(8, start, worlds), soft)


@pytest.mark.parametrize("soft", [True, False])
def test_dreams_and_life_are_told_in_the_same_record(soft: bool):
    life = replace(STAGE, population=type(STAGE.population)(soft)).play(RandomRules(ISLAND, draws(4, 0, 6)), 0, 6)  # type: ignore[call-arg]
    with torch.no_grad():
        dreamt = dream(model(), soft=soft).episode
    for episode in (life, dreamt):
        assert_is_an_episode(ISLAND, episode)
    assert torch.equal(life.mechanism, dreamt.mechanism)
    assert torch.equal(life.features[:, 0], dreamt.features[:, 0])
    assert not torch.equal(life.action, dreamt.action)


def test_the_income_tax_can_be_dreamt():
    tax, generator = load("income_tax"), torch.Generator().manual_seed(0)
    wage = (3.2 + torch.randn(4, tax.agents, 1, generator=generator)).exp()
    made = WorldModel(tax, ModelSettings(members=2), 0)
    with torch.no_grad():
        dreamt = imagine(made, tax, tax.census(wage, ("wage",)), RandomRules(tax, draws(1, 0, 4)), draws(2, 0, 4), True)
    assert_is_an_episode(tax, dreamt.episode)
    assert dreamt.disagreement.shape == (4, tax.steps)


@pytest.mark.parametrize("form", ["utility", "mlp"])
def test_a_world_is_answered_by_its_own_member_for_its_whole_life(form: Form):
    """Other weights for member 1 change worlds 1, 4, ... and no others."""
    made = model(form)
    with torch.no_grad():
        before = dream(made).episode
        for parameter in made.head.parameters():
            parameter[1] += 0.5
        after = dream(made).episode
    changed = (before.choice - after.choice).abs().amax((2, 3))  # [B, T]
    assert bool((changed[[1, 4]] > 1e-3).all())
    assert torch.equal(changed[[0, 2, 3, 5]], torch.zeros(4, ISLAND.steps))


def test_replies_are_the_members_own_distribution():
    made = model()
    with torch.no_grad():
        dreamt, data = dream(made), records(ISLAND, dream(made).episode)
        for world in range(6):
            everyone = [x[world : world + 1].expand(S, *x.shape[1:]) for x in (dreamt.z,)]
            for t in range(ISLAND.steps):
                facts = [x[world, t].expand(S, *x.shape[2:]) for x in (data.prospects, data.features)]
                log_p = made.log_probs(*facts, everyone[0])[world % S]
                torch.testing.assert_close(dreamt.episode.choice[world, t], log_p.exp())


def test_z_is_drawn_once_from_the_prior():
    made = model()
    with torch.no_grad():
        dreamt = dream(made)
        covariates = personal(ISLAND, STAGE.census(0, 6))
        assert torch.equal(dreamt.z, draw_people(made, covariates, draws(8, 0, 6)))
        world = World(made, ISLAND, dreamt.z, draws(8, 0, 6), True)
        features = STAGE.census(0, 6)
        for t in range(ISLAND.steps):
            step, features = world.step(t, features, dreamt.episode.mechanism[:, t])
            assert torch.equal(step.action, dreamt.episode.action[:, t])
            torch.testing.assert_close(step.choice, dreamt.episode.choice[:, t])


def test_people_of_the_prior_differ_between_and_within_islands():
    made = model()
    z = draw_people(made, torch.zeros(4000, 2, 1), draws(1, 0, 4000))  # [B, 2, Z]
    together = (z[:, 0] * z[:, 1]).mean(0)  # Cov of two people of one island: L' L
    loading, scale = made.prior.loading.detach()[0], made.prior.log_scale.detach().exp()
    torch.testing.assert_close(together, loading.square().sum(0), atol=0.06, rtol=0)
    torch.testing.assert_close(z[:, 0].var(0), loading.square().sum(0) + scale**2, atol=0.06, rtol=0)


@pytest.mark.parametrize("soft", [True, False])
def test_worlds_are_the_same_alone_and_among_others(soft: bool):
    """Worlds 6..8 alone and inside 0..8 (three members, so that both starts have the same member first)."""
    made = model()
    with torch.no_grad():
        alone, among = dream(made, 6, 3, soft), dream(made, 0, 9, soft)
    assert torch.equal(alone.episode.ids, among.episode.ids[6:])
    assert torch.equal(alone.episode.action, among.episode.action[6:])
    torch.testing.assert_close(alone.z, among.z[6:])
    torch.testing.assert_close(alone.episode.choice, among.episode.choice[6:])
    torch.testing.assert_close(alone.episode.welfare, among.episode.welfare[6:])
    torch.testing.assert_close(alone.disagreement, among.disagreement[6:])


def test_other_seeds_bring_other_people_and_other_choices():
    made, census = model(), STAGE.census(0, 6)
    with torch.no_grad():
        one, two = (imagine(made, ISLAND, census, Fixed(torch.tensor([0.3])), draws(s, 0, 6), True) for s in (1, 2))
    assert not torch.equal(one.z, two.z)
    assert not torch.equal(one.episode.action, two.episode.action)


def test_actions_come_as_often_as_they_are_likely():
    made, census = model(), STAGE.census(0, 6)[:1].expand(3000, -1, -1).contiguous()
    z = torch.zeros(3000, ISLAND.agents, 2)
    with torch.no_grad():
        step, _ = World(made, ISLAND, z, draws(3, 0, 3000), True).step(1, census, torch.full((3000, 1), 0.3))
    for member in range(S):
        seen = torch.nn.functional.one_hot(step.action[member::S], 5).float().mean(0)  # [N, K]
        torch.testing.assert_close(seen, step.choice[member], atol=0.06, rtol=0)


def disagreement_by_hand(made: WorldModel, dreamt: Dream, world: int, t: int) -> Tensor:
    """|expected effort by the world's member - by the next one|, over every fourth agent."""
    data = records(ISLAND, dreamt.episode)
    facts = [x[world, t].expand(S, *x.shape[2:]) for x in (data.prospects, data.features)]
    log_p = made.log_probs(*facts, dreamt.z[world].expand(S, -1, -1))  # [S, N, K]
    expected = log_p.exp() @ ISLAND.respond(torch.arange(5)[None])[0]  # [S, N, 1]
    return (expected[world % S] - expected[(world + 1) % S]).abs()[::AUDITED].mean()


def test_disagreement_is_between_a_worlds_member_and_the_next():
    made = model()
    with torch.no_grad():
        dreamt = dream(made)
        for world, t in ((0, 0), (1, 2), (5, 4)):
            torch.testing.assert_close(dreamt.disagreement[world, t], disagreement_by_hand(made, dreamt, world, t))


def test_an_ensemble_of_one_mind_never_disagrees():
    made = model()
    with torch.no_grad():
        for parameter in made.head.parameters():
            parameter.copy_(parameter[:1].expand_as(parameter))
        assert float(dream(made).disagreement.max()) == 0.0


def test_a_shift_moves_every_world_to_a_later_member():
    made = model()
    with torch.no_grad():
        dreamt = dream(made)
        data = records(ISLAND, dreamt.episode)
        facts = data.prospects[:, 1], data.features[:, 1], dreamt.z
        every = made.log_probs(*[x.expand(S, *x.shape) for x in facts])  # [S, B, N, K]
        for shift in range(5):
            log_p, other = answers(made, Asked(facts[0], facts[1], data.open[:, 1]), facts[2], shift)
            member = (torch.arange(6) + shift) % S
            torch.testing.assert_close(log_p, every[member, torch.arange(6)])
            torch.testing.assert_close(other, every[(member + 1) % S, torch.arange(6)][:, ::AUDITED])


class Tunable:
    """A principal with one rate that gradients may reach."""

    def __init__(self, rate: Tensor) -> None:
        self.rate = rate

    def start(self, worlds: int) -> int:
        return worlds

    def propose(self, memory: int, seen: object) -> tuple[int, Tensor]:
        return memory, self.rate.expand(memory, 1)


def revenue(made: WorldModel, principal: Principal, worlds: int) -> Tensor:
    d = Draws(8, torch.arange(worlds))
    return imagine(made, ISLAND, STAGE.census(0, worlds), principal, d, True).episode.welfare.mean()


def test_gradients_of_dreamt_welfare_are_those_of_its_mean():
    """Hard forward, expected backward: the gradient is near the slope of mean revenue over many worlds."""
    made = model()
    made.requires_grad_(False)
    rate = torch.tensor([0.4], requires_grad=True)
    revenue(made, Tunable(rate), 900).backward()
    with torch.no_grad():
        up, down = (revenue(made, Tunable(torch.tensor([r])), 900) for r in (0.45, 0.35))
    assert rate.grad is not None
    assert float(rate.grad) == pytest.approx(float((up - down) / 0.1), rel=0.1)
