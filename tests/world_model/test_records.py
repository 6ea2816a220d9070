"""What the world model reads of an episode: public facts, standardised, and nothing that is hidden."""

from dataclasses import fields, replace

import torch
from torch import Tensor

from learning.draws import draws
from mechanism.explore import RandomRules
from societies.base import Episode
from tests.world_model.island import Island, OtherTraits, stage
from world_model.imagine import draw_people
from world_model.model import ModelSettings, WorldModel
from world_model.records import Records, Scaler, Standard, personal, records

ISLAND = Island()


def episode(worlds: int = 4, soft: bool = True) -> Episode:
    here = stage(soft=soft)
    return here.play(RandomRules(here.society, draws(5, 0, worlds)), 0, worlds)


def tensors(data: Records) -> dict[str, Tensor]:
    return {f.name: getattr(data, f.name) for f in fields(Records)}


def test_prospects_are_those_of_the_rules_in_force():
    played = episode()
    data = records(ISLAND, played)
    for t in range(ISLAND.steps):
        assert torch.equal(data.prospects[:, t], ISLAND.prospects(played.features[:, t], played.mechanism[:, t]))
    assert torch.equal(data.features, played.features[:, :-1])
    assert torch.equal(data.choice, played.choice)
    assert data.episodes == 4


def test_hard_replies_are_one_hot():
    choice = records(ISLAND, episode(soft=False)).choice
    assert torch.equal(choice.amax(-1), torch.ones(4, 5, 6))
    assert torch.equal(choice.sum(-1), torch.ones(4, 5, 6))


def test_covariates_are_the_personal_features_clipped():
    features = torch.tensor([[[-3.0, 1.0, 1.0], [0.5, 1.0, 1.0], [7.0, 1.0, 1.0]]])
    assert torch.equal(personal(ISLAND, features), torch.tensor([[[-2.0], [0.5], [2.0]]]))


def test_hidden_traits_change_no_input_when_the_public_episode_is_the_same():
    """The same public record over rosters whose traits were replaced: every input of the world model is the same."""
    here, other = stage(), replace(stage(), rosters=OtherTraits(stage().rosters, 0.9))  # type: ignore[arg-type]
    people, others = (s.rosters.people(draws(0, 0, 4)) for s in (here, other))
    assert not torch.equal(people.traits, others.traits)
    assert torch.equal(here.census(0, 4), other.census(0, 4))
    ours, theirs = (ISLAND.reset(p).features for p in (people, others))
    assert torch.equal(ours, theirs)
    model = WorldModel(ISLAND, ModelSettings(members=2), 0)
    drawn = [draw_people(model, personal(ISLAND, f), draws(1, 0, 4)) for f in (ours, theirs)]
    assert torch.equal(*drawn)


def test_other_traits_reach_the_records_by_way_of_choices_only():
    """With other people the choices differ, and what follows from them; what came before the first choice does not."""
    here, other = stage(), replace(stage(), rosters=OtherTraits(stage().rosters, 0.9))  # type: ignore[arg-type]
    ours, theirs = (records(ISLAND, s.play(RandomRules(ISLAND, draws(5, 0, 4)), 0, 4)) for s in (here, other))
    assert not torch.equal(ours.choice[:, 0], theirs.choice[:, 0])
    for a, b in ((ours.prospects[:, 0], theirs.prospects[:, 0]), (ours.features[:, 0], theirs.features[:, 0])):
        assert torch.equal(a, b)
    assert torch.equal(ours.mechanism, theirs.mechanism)
    assert torch.equal(ours.covariates, theirs.covariates)


def test_an_episode_and_its_records_have_no_place_for_anything_hidden():
    hidden = {"trait", "traits", "payoff", "people", "persona", "personas", "sealed", "state"}
    assert not hidden & {f.name for f in fields(Episode)}
    assert not hidden & {f.name for f in fields(Records)}


def test_a_scaler_standardises_what_it_read():
    generator = torch.Generator().manual_seed(0)
    prospects, features = torch.randn(500, 3, 2, generator=generator) * 4 + 7, torch.rand(500, 3, generator=generator)
    scaler = Scaler(2, 3)
    scaler.read(prospects, features)
    linear, state = scaler.prospects(prospects)[..., :2].flatten(0, 1), scaler.state(features)
    for x in (linear, state):
        torch.testing.assert_close(x.mean(0), torch.zeros(x.shape[-1]), atol=0.01, rtol=0)
        torch.testing.assert_close(x.std(0), torch.ones(x.shape[-1]), atol=0.01, rtol=0)


def test_a_scaler_tells_extreme_prospects_apart_and_keeps_them_bounded():
    scaler = Scaler(1, 1)
    scaler.read(torch.tensor([[-1.0], [1.0]]), torch.tensor([[0.0], [0.0]]))
    far = scaler.prospects(torch.tensor([[8.0], [20.0], [1e6]]))
    assert torch.equal(far[:, 0], torch.full((3,), 5.0))
    assert bool((far[:, 1].diff() > 0).all())
    assert float(far.abs().max()) <= 5.0
    assert float(scaler.state(torch.tensor([[3.0]])).abs()) == 5.0  # a feature that never varied does not explode


def test_records_hold_what_followed_each_step_and_the_welfare_that_was_told():
    played = episode()
    data = records(ISLAND, played)
    assert torch.equal(data.after, played.features[:, 1:])
    assert torch.equal(data.response, played.response)
    assert torch.equal(data.welfare, played.welfare)


def test_records_hold_nothing_of_numbers_and_accounts():
    """Two episodes that differ in what no record holds (numbers, accounts, actions) give equal records."""
    played = episode()
    other = replace(played, ids=played.ids + 100, accounts={}, action=played.action * 0)
    for a, b in zip(tensors(records(ISLAND, played)).values(), tensors(records(ISLAND, other)).values(), strict=True):
        assert torch.equal(a, b)


def test_numbers_of_one_kind_are_standardised_and_come_back():
    raw = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 0.1]) + 7
    kind = Standard(2)
    kind.read(raw)
    torch.testing.assert_close(kind(raw).mean(0), torch.zeros(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(kind(raw).std(0), torch.ones(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(kind.back(kind(raw)), raw)
    assert torch.equal(kind.twofold(raw)[:, :2], kind(raw))
    far = kind.twofold(torch.tensor([[1e6, 7.0]]))[0]
    assert float(far[0]) == 5.0
    assert 1.99 < float(far[2]) < 2.0
