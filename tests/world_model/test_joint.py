"""Joint classes of whole rosters, as in SWM-AP's paper."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from mechanism.explore import RandomRules
from societies.facilities import Facilities, Tastes
from societies.play import play
from tests.towns import town
from world_model.accounting import Step
from world_model.calibrate import beliefs
from world_model.fit import FitSettings
from world_model.fit_joint import fit_joint
from world_model.joint import JointBelief, JointPrior, JointTracker
from world_model.model import ModelSettings, WorldModel
from world_model.records import Records, records

TOWN = Facilities("town", 8, 5, Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 8.0), (0.0, 4.0)), "visits", sites=4)
CODE = torch.tensor([[[0.0], [1.0]], [[2.0], [3.0]]])  # [C = 2, N = 2, Z = 1]


def test_a_belief_averages_the_codes():
    belief = JointBelief(torch.tensor([[0.25, 0.75]]), CODE)
    torch.testing.assert_close(belief.mean[0], torch.tensor([[1.5], [2.5]]))
    sd = math.sqrt(0.25 * 1.5**2 + 0.75 * 0.5**2)
    torch.testing.assert_close(belief.log_sd.exp()[0], torch.full((2, 1), sd))
    torch.testing.assert_close(belief.certain().mean[0], CODE[1])


def test_draws_are_whole_classes_in_their_proportions():
    belief = JointBelief(torch.tensor([0.25, 0.75]).expand(4000, -1), CODE)
    noise = torch.randn(4000, 2, 1, generator=torch.Generator().manual_seed(0))
    z = belief.draw(torch.zeros(4000, 0), noise)
    assert set(map(tuple, z[..., 0].tolist())) == {(0.0, 1.0), (2.0, 3.0)}
    assert abs(float((z[:, 0, 0] == 2).float().mean()) - 0.75) < 0.03


def test_new_rosters_are_of_any_class():
    prior = JointPrior(5, 3, 2, torch.Generator().manual_seed(0)).requires_grad_(False)
    z = prior(torch.zeros(5000, 3, 0), torch.zeros(5000, 0), torch.randn(5000, 3, 2))
    which = (z[:, None] == prior.code).flatten(2).all(-1).float()  # [B, C]
    torch.testing.assert_close(which.sum(1), torch.ones(5000))
    assert float((which.mean(0) - 0.2).abs().max()) < 0.03


def test_beliefs_of_every_step_are_those_of_one_step_at_a_time():
    generator = torch.Generator().manual_seed(0)
    prior = JointPrior(4, 3, 2, generator)
    tracker = JointTracker(5, 1, prior, 8, generator).requires_grad_(False)
    evidence, covariates = torch.randn(2, 6, 3, 5, generator=generator), torch.randn(2, 3, 1, generator=generator)
    along = tracker.beliefs(evidence, covariates)
    total = tracker.encode(evidence[:, :4]).sum(1)
    torch.testing.assert_close(along.chances[:, 3], tracker(total, torch.full((2,), 4.0), covariates).chances)
    nothing = tracker(torch.zeros_like(total), torch.zeros(2), covariates)
    torch.testing.assert_close(tracker.at_first(covariates).chances, nothing.chances)


def of_one_kind(start: int, worlds: int) -> tuple[Records, Tensor]:
    """Rosters whose people are all of one kind or all of the other: what they did, and which."""
    people = town(TOWN, start, worlds)
    kind = (torch.arange(worlds) % 2).float()
    people = people.with_traits(kind[:, None, None].expand_as(people.traits))
    rules = RandomRules(TOWN, draws(1, start, worlds))
    return records(TOWN, play(TOWN, ScriptedPopulation(False), people, rules, draws(1, start, worlds)).episode), kind


@pytest.fixture(scope="module")
def fitted() -> WorldModel:
    settings = ModelSettings(form="linear", latent="joint", classes=2, traits=2, members=2, dynamics="learned")
    model = WorldModel(TOWN, settings, 0)
    fit_joint(model, of_one_kind(0, 100)[0], FitSettings(steps=250, tracker_steps=200, accounting_steps=100), 0)
    return model.requires_grad_(False)


def test_the_tracker_tells_rosters_of_one_kind_from_those_of_the_other(fitted: WorldModel):
    data, kind = of_one_kind(500, 40)
    belief = beliefs(fitted, data)
    assert isinstance(belief, JointBelief)
    right = ((belief.chances[:, -1, 1] > 0.5).float() == kind).float().mean()
    assert max(float(right), 1 - float(right)) > 0.9


def test_learned_dynamics_beat_expecting_no_change(fitted: WorldModel):
    data, kind = of_one_kind(500, 20)
    accounting, prior = fitted.accounting, fitted.prior
    assert accounting is not None
    assert isinstance(prior, JointPrior)
    z = JointBelief(torch.eye(2)[kind.long()], prior.code).mean  # whichever class is which: the rest is public
    step = Step(*[x[:, 1].expand(2, *x[:, 1].shape) for x in (data.features, data.mechanism, data.response)], z)
    after, _ = accounting(replace(step, z=z.expand(2, *z.shape)))
    off = ((after - data.after[:, 1]) / accounting.change.sd).square().mean()
    still = ((data.features[:, 1] - data.after[:, 1]) / accounting.change.sd).square().mean()
    assert float(off) < 0.5 * float(still)


def test_weights_come_back(fitted: WorldModel, tmp_path: Path):
    fitted.save(tmp_path / "model.safetensors")
    again = WorldModel(TOWN, fitted.settings, 1)
    again.restore(tmp_path / "model.safetensors")
    data, _ = of_one_kind(500, 4)
    first, second = beliefs(fitted, data), beliefs(again, data)
    torch.testing.assert_close(first.mean, second.mean)


def test_other_latents_are_refused():
    model = WorldModel(TOWN, ModelSettings(latent="kinds", traits=2), 0)
    with pytest.raises(ValueError, match=r"set model\.latent to joint"):
        fit_joint(model, of_one_kind(0, 2)[0], FitSettings(steps=1), 0)
