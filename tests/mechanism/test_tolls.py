"""Marginal-cost tolls: the value of time is found again, and its tolls are Pigou's."""

import pytest
import torch

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from mechanism.baselines.tolls import MarginalCost, conditional_logit, marginal_cost, worth_of_a_minute
from mechanism.explore import RandomRules
from personas.rosters import open_rosters
from societies.base import Episode, PublicStep
from societies.play import Fixed
from societies.roads import CongestionGame
from societies.stage import Stage
from tests.towns import POPULATIONS

GAME = CongestionGame("congestion_game", 24, (10.0, 20.0, 35.0), (40.0, 20.0, 5.0))
ROSTERS = open_rosters(POPULATIONS / "drivers.yaml", 24, attributes=GAME.attributes_used, traits=GAME.traits_used)
STAGE = Stage(GAME, ScriptedPopulation(), ROSTERS, 5)


def lived(episodes: int, soft: bool = True) -> Episode:
    stage = Stage(GAME, ScriptedPopulation(soft), ROSTERS, 5)
    return stage.play(RandomRules(GAME, draws(5, 0, episodes)), 0, episodes)


def test_a_logit_finds_the_weights_that_made_the_choices() -> None:
    generator, weights = torch.Generator().manual_seed(0), torch.tensor([-2.0, 0.7])
    facts = torch.randn(4_000, 3, 2, generator=generator)
    chances = (facts @ weights).softmax(-1)
    torch.testing.assert_close(conditional_logit(facts, chances).float(), weights, atol=1e-3, rtol=0)
    drawn = torch.nn.functional.one_hot(torch.multinomial(chances, 1, generator=generator)[:, 0], 3).float()
    torch.testing.assert_close(conditional_logit(facts, drawn).float(), weights, atol=0.12, rtol=0)


@pytest.mark.parametrize("soft", [True, False])
def test_what_a_minute_is_worth_is_told_from_the_roads_taken(soft: bool) -> None:
    people = ROSTERS.people(draws(5, 0, 40))
    true = float(GAME.worth(people).mean())
    assert worth_of_a_minute(GAME, lived(40, soft)) == pytest.approx(true, rel=0.25)


def test_without_tolls_to_learn_from_a_minute_counts_for_nothing_rather_than_for_anything() -> None:
    free = STAGE.play(Fixed(GAME.default_mechanism()), 0, 10)
    assert 0 <= worth_of_a_minute(GAME, free) < 100


def test_the_toll_is_what_slowing_the_others_down_costs() -> None:
    features = torch.zeros(1, 24, 5)
    features[..., 2:] = torch.tensor([0.5, 0.25, 0.25])
    seen = PublicStep(3, features, None, None, None, None)
    _, tolls = MarginalCost(GAME, 0.3).propose(None, seen)
    torch.testing.assert_close(tolls, torch.tensor([[0.3 * 40 * 0.5, 0.3 * 20 * 0.25, 0.3 * 5 * 0.25]]))
    assert float(MarginalCost(GAME, 5.0).propose(None, seen)[1].max()) == 10.0  # the highest toll there may be


def test_it_makes_the_drive_cheaper_in_towns_that_it_did_not_see() -> None:
    held_out = Stage(GAME, ScriptedPopulation(), ROSTERS, 99)
    none = held_out.play(Fixed(GAME.default_mechanism()), 0, 100).returns()
    tolls = held_out.play(marginal_cost(GAME, lived(20)), 0, 100).returns()
    gain = tolls - none
    assert float(gain.mean()) > 3 * float(gain.std()) / 10
