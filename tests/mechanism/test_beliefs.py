"""What a principal makes of its beliefs: all, the likeliest, those it began with, or none."""

import pytest
import torch

from mechanism.baselines.planning import LearnedKinds
from mechanism.beliefs import Beliefs, believed
from mechanism.observe_options import OptionObserver
from mechanism.policy import untrained
from societies.base import PublicStep
from societies.library.income_tax import IncomeTax
from tests.mechanism.test_planning import SMALL, people
from world_model.model import ModelSettings, WorldModel

KINDS = WorldModel(SMALL, ModelSettings(form="linear", latent="kinds", traits=2, members=2), 0).requires_grad_(False)
TAXES = IncomeTax()
POINTS = WorldModel(TAXES, ModelSettings(members=2), 0).requires_grad_(False)


@pytest.mark.parametrize(("model", "agents"), [(KINDS, 4), (POINTS, 32)])
def test_each_way_of_believing(model: WorldModel, agents: int):
    evidence = torch.randn(3, agents, model.tracker.hidden, generator=torch.Generator().manual_seed(0))
    count = torch.full((3,), 2.0)
    covariates = torch.zeros(3, agents, len((SMALL if model is KINDS else TAXES).personal))

    def of(how: Beliefs, told: torch.Tensor = evidence):
        return believed(model, how, told, count, covariates)

    assert not torch.equal(of("posterior").mean, of("posterior", 2 * evidence).mean)
    assert torch.equal(of("prior").mean, of("prior", 2 * evidence).mean)
    point = of("point")
    assert float(point.log_sd.max()) < float(of("posterior").log_sd.min())
    if model is KINDS:
        torch.testing.assert_close(point.mean.amax(-1), torch.ones(3, agents))
        assert torch.equal(point.mean.argmax(-1), of("posterior").mean.argmax(-1))
    else:
        assert torch.equal(point.mean, of("posterior").mean)


def test_who_believes_nothing_is_told_nothing():
    blind = untrained(SMALL, KINDS, 0, forecast=True, beliefs="none")
    assert isinstance(blind.observer, OptionObserver)
    assert blind.observer.model is None
    assert blind.observer.odds is None
    seeing = untrained(SMALL, KINDS, 0, forecast=True)
    assert isinstance(seeing.observer, OptionObserver)
    assert seeing.observer.channels == blind.observer.channels + 2 * 2


@pytest.mark.parametrize("how", ["prior", "none"])
def test_whoever_plans_believes_at_least_what_it_began_with(how: Beliefs):
    state = SMALL.reset(people())
    first = SMALL.step(state, torch.eye(9)[[4, 4, 4]], torch.ones(3, 4, dtype=torch.long)).state.features
    choice = torch.nn.functional.one_hot(torch.ones(3, 4, dtype=torch.long), 4).float()
    seen = PublicStep(1, first, state.features, torch.eye(9)[[4, 4, 4]], choice, choice)
    learns, stays = LearnedKinds(SMALL, KINDS), LearnedKinds(SMALL, KINDS, how)
    _, moved = learns.update(learns.start(3), seen)
    _, kept = stays.update(stays.start(3), seen)
    torch.testing.assert_close(kept.weight, torch.full((3, 4, 2), 0.5))
    assert not torch.equal(moved.weight, kept.weight)
