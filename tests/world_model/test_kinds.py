"""World models of kinds: exact beliefs, and kinds found again from what people did."""

from pathlib import Path

import pytest
import torch

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from mechanism.explore import RandomRules
from societies.facilities import Facilities, Tastes
from societies.play import play
from tests.towns import town
from world_model.calibrate import beliefs
from world_model.fit import FitSettings, fit, fit_tracker
from world_model.fit_kinds import fit_kinds
from world_model.imagine import draw_people
from world_model.kinds import KindBelief, KindPrior, drawn
from world_model.model import ModelSettings, WorldModel
from world_model.records import Records, records

TOWN = Facilities("town", 16, 5, Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 8.0), (0.0, 4.0)), "visits", sites=4)
SETTINGS = ModelSettings(form="linear", latent="kinds", traits=2, members=3)


OTHERS = Facilities("town", 16, 5, Tastes((2.5, 3.5), (2.5, 1.0), (0.0, 6.0), (0.0, 4.0)), "visits", sites=4)


def episodes(start: int, worlds: int, seed: int = 1, of: Facilities = TOWN):
    rules = RandomRules(of, draws(seed, start, worlds))
    return play(of, ScriptedPopulation(False), town(of, start, worlds), rules, draws(seed, start, worlds))


@pytest.fixture(scope="module")
def fitted() -> WorldModel:
    model = WorldModel(TOWN, SETTINGS, 0)
    fit_kinds(model, records(TOWN, episodes(0, 20).episode), FitSettings(steps=300), 0)
    return model


def likelihood(model: WorldModel, data: Records) -> float:
    """The mean log-likelihood of a person's whole trajectory."""
    assert isinstance(model.prior, KindPrior)
    told = model.evidence(data.prospects, data.features, data.choice, data.open).sum(1)
    return float((model.prior.log_chances(data.covariates) + told).logsumexp(-1).mean().detach())


def test_chances_and_draws_agree():
    chance = torch.tensor([0.1, 0.6, 0.3]).log().expand(1, 20_000, 3)
    eps = draws(0, 0, 1).normal("noise", 0, 20_000, 3)
    z = drawn(chance, eps)
    assert torch.equal(z.sum(-1), torch.ones(1, 20_000))
    torch.testing.assert_close(z.mean(1)[0], torch.tensor([0.1, 0.6, 0.3]), rtol=0, atol=0.02)


def test_the_tracker_is_bayes_rule_in_any_order_of_steps(fitted: WorldModel):
    data = records(TOWN, episodes(500, 5).episode)
    told = fitted.evidence(data.prospects, data.features, data.choice, data.open)  # [B, T, N, Z]
    belief = beliefs(fitted, data)
    assert isinstance(belief, KindBelief)
    assert isinstance(fitted.prior, KindPrior)
    prior = fitted.prior.log_chances(data.covariates)
    torch.testing.assert_close(belief.log_chances[:, -1], (prior + told.flip(1).sum(1)).log_softmax(-1))
    torch.testing.assert_close(belief.mean.sum(-1), torch.ones(5, 4, 16))


def test_kinds_are_found_again_on_people_never_seen(fitted: WorldModel):
    played = episodes(1000, 60)
    belief = beliefs(fitted, records(TOWN, played.episode))
    told = belief.mean[:, -1, :, 0] > 0.5
    right = (told == (played.sealed.traits[..., 0] > 0.5)).float().mean()
    assert max(float(right), 1 - float(right)) > 0.9
    early = ((belief.mean[:, 0, :, 0] > 0.5) == (played.sealed.traits[..., 0] > 0.5)).float().mean()
    assert max(float(right), 1 - float(right)) > max(float(early), 1 - float(early)) + 0.05


def test_the_fit_tells_more_than_one_kind_would(fitted: WorldModel):
    one = WorldModel(TOWN, ModelSettings(form="linear", latent="kinds", traits=1, members=3), 0)
    fit_kinds(one, records(TOWN, episodes(0, 20).episode), FitSettings(steps=300), 0)
    data = records(TOWN, episodes(1000, 60).episode)

    assert likelihood(fitted, data) > likelihood(one, data) + 0.1


def test_of_several_starts_the_likeliest_is_gone_on_with():
    data = records(TOWN, episodes(0, 6).episode)

    def reached(seed: int, starts: int) -> float:
        model = WorldModel(TOWN, SETTINGS, seed)
        fit_kinds(model, data, FitSettings(steps=30, kind_starts=starts, start_steps=60), seed)
        return likelihood(model, data)

    assert min(reached(seed, 4) for seed in range(4)) > min(reached(seed, 1) for seed in range(4)) + 0.05


def test_the_prior_of_tastes_keeps_few_episodes_from_being_overfitted():
    told, others = records(TOWN, episodes(0, 2).episode), records(TOWN, episodes(1000, 60).episode)

    def held_out(sd: float) -> float:
        model = WorldModel(TOWN, SETTINGS, 0)
        fit_kinds(model, told, FitSettings(steps=200, taste_sd=sd), 0)
        return likelihood(model, others)

    assert held_out(0.5) > held_out(100.0) + 0.05


def test_a_model_of_other_people_is_adapted_by_one_episode_without_being_forgotten(fitted: WorldModel):
    told, unseen = (
        records(OTHERS, episodes(start, worlds, 2, OTHERS).episode) for start, worlds in ((0, 1), (500, 40))
    )
    alone, adapted = WorldModel(OTHERS, SETTINGS, 0), WorldModel(OTHERS, SETTINGS, 0)
    adapted.set_out_from(fitted.state_dict())
    fit_kinds(alone, told, FitSettings(steps=200), 0)
    fit_kinds(adapted, told, FitSettings(steps=200, kind_starts=1), 0)
    assert likelihood(adapted, unseen) > likelihood(fitted, unseen) > likelihood(alone, unseen)


def test_imagined_people_are_of_one_kind_each(fitted: WorldModel):
    z = draw_people(fitted, torch.zeros(50, 16, 2), draws(3, 0, 50))
    assert torch.equal(z.sum(-1), torch.ones(50, 16))
    assert 0.3 < float(z[..., 0].mean()) < 0.7


def test_shut_choices_have_no_chance(fitted: WorldModel):
    data = records(TOWN, episodes(2000, 2).episode)
    z = torch.tensor([1.0, 0.0]).expand(2, 4, 16, 2)
    facts = (data.prospects, data.features, z, data.open)
    chance = fitted.log_probs(*[x.expand(3, *x.shape) for x in facts]).detach().exp()
    assert float((chance * ~data.open).max()) == 0.0


def test_saved_and_restored_it_believes_the_same(fitted: WorldModel, tmp_path: Path):
    fitted.save(tmp_path / "model.safetensors")
    other = WorldModel(TOWN, SETTINGS, 9)
    other.restore(tmp_path / "model.safetensors")
    data = records(TOWN, episodes(2000, 2).episode)
    assert torch.equal(beliefs(fitted, data).mean, beliefs(other, data).mean)


def test_the_two_fits_refuse_each_others_models():
    data = records(TOWN, episodes(0, 2).episode)
    with pytest.raises(ValueError, match="fit_kinds"):
        fit(WorldModel(TOWN, SETTINGS, 0), data, False, FitSettings(steps=1), 0)
    with pytest.raises(ValueError, match="exact"):
        fit_tracker(WorldModel(TOWN, SETTINGS, 0), [], FitSettings(tracker_steps=1), 0)
    with pytest.raises(ValueError, match="Gaussian"):
        fit_kinds(WorldModel(TOWN, ModelSettings(), 0), data, FitSettings(steps=1), 0)
