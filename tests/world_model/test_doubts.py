"""The gate: exact likelihoods of the richer models, no alarm where people are of the assumed form, alarm where not."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from experiments.wrong_model_of_people import place
from experiments.wrong_people import Form
from learning.draws import draws
from mechanism.explore import RandomRules
from world_model import doubts as module
from world_model.doubts import Doubt, doubts
from world_model.fit import FitSettings
from world_model.model import ModelSettings
from world_model.records import Records, records

KINDS = ModelSettings(form="linear", latent="kinds", traits=2, members=1)
QUICK = FitSettings(steps=120, learning_rate=1e-2, kind_starts=2, start_steps=60)


def seen(form: Form, episodes: int) -> tuple[Records, module.Society]:
    stage = place(form, 3, 1).training
    rules = RandomRules(stage.society, draws(stage.seed, 0, episodes))
    return records(stage.society, stage.play(rules, 0, episodes)), stage.society


def asked(form: Form) -> dict[str, Doubt]:
    data, society = seen(form, 12)
    return {doubt.richer: doubt for doubt in doubts(society, KINDS, data, QUICK, 0)}


def told(steps: int = 3, agents: int = 5) -> "module._Told":  # pyright: ignore[reportPrivateUsage]
    """Made-up likelihoods of two kinds."""
    generator = torch.Generator().manual_seed(0)
    log_p = torch.rand(2, steps, agents, 2, generator=generator).log()
    prior = torch.rand(2, agents, 2, generator=generator).log_softmax(-1)
    near = torch.rand(2, agents, agents, generator=generator) * (1 - torch.eye(agents))
    repeats = torch.rand(2, steps, agents, generator=generator) > 0.5
    return module._Told(log_p, prior, repeats, near)  # pyright: ignore[reportPrivateUsage]


def test_kinds_that_change_are_summed_over_all_their_paths():
    own, chance = told(), 0.3
    stay = torch.eye(2) * (1 - chance)
    total = torch.zeros(own.prior.shape[:2])
    for path in itertools.product(range(2), repeat=3):
        step = own.prior.exp()[..., path[0]] * own.told[:, 0, :, path[0]].exp()
        for t in (1, 2):
            moved = stay[path[t - 1], path[t]] + chance * own.prior.exp()[..., path[t]]
            step = step * moved * own.told[:, t, :, path[t]].exp()
        total += step
    torch.testing.assert_close(own.changing(chance), total.log())


@pytest.mark.parametrize("richer", ["changing", "repeating"])
def test_a_chance_of_next_to_nothing_is_the_assumed_form(richer: str):
    own = told()
    torch.testing.assert_close(getattr(own, richer)(1e-9), own.assumed(), atol=1e-4, rtol=0)
    torch.testing.assert_close(own.alike(0.0), own.assumed())


def test_who_repeats_with_some_chance_does_it_by_will_as_well():
    own = told(steps=2)
    again: Tensor = 0.4 * own.repeats[:, 1, :, None] + 0.6 * own.told[:, 1].exp()
    expected = (own.prior.exp() * own.told[:, 0].exp() * again).sum(-1).log()
    torch.testing.assert_close(own.repeating(0.4), expected)


def test_no_alarm_where_people_are_as_assumed():
    assert not any(doubt.fires for doubt in asked("right").values())


@pytest.mark.parametrize(("form", "richer"), [("three kinds", "one more kind"), ("alike", "neighbours who are alike")])
def test_alarm_names_what_is_wrong(form: Form, richer: str):
    found = asked(form)
    assert found[richer].fires
    assert found[richer].gain == max(doubt.gain for doubt in found.values())


def test_what_cannot_be_asked_is_refused():
    data, society = seen("right", 4)
    with pytest.raises(ValueError, match="3 episodes are too few"):
        doubts(society, KINDS, data.take(torch.arange(3)), QUICK, 0)
    with pytest.raises(ValueError, match="'gaussian'"):
        doubts(society, replace(KINDS, latent="gaussian"), data, QUICK, 0)
    with pytest.raises(ValueError, match="single actions"):
        doubts(society, KINDS, replace(data, choice=data.choice * 0.5), QUICK, 0)
