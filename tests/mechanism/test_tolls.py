"""Marginal-cost tolls: the value of time is found again, and its tolls are Pigou's."""

from dataclasses import replace

import pytest
import torch

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from mechanism.baselines.tolls import MarginalCost, conditional_logit, marginal_cost, worth_of_a_minute
from mechanism.explore import RandomRules
from personas.rosters import open_rosters
from societies.base import Episode, PublicStep
from societies.play import Fixed
from societies.roads import SHARES, CongestionGame
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
    torch.testing.assert_close(conditional_logit(facts, chances)[0].float(), weights, atol=1e-3, rtol=0)
    drawn = torch.nn.functional.one_hot(torch.multinomial(chances, 1, generator=generator)[:, 0], 3).float()
    found, errors = conditional_logit(facts, drawn)
    assert bool((errors < 0.06).all())
    assert bool(((found - weights).abs() < 3.5 * errors).all())


@pytest.mark.parametrize("soft", [True, False])
def test_what_a_minute_is_worth_is_told_from_the_roads_taken(soft: bool) -> None:
    people = ROSTERS.people(draws(5, 0, 40))
    true = float(GAME.worth(people).mean())
    assert 0.8 * true < worth_of_a_minute(GAME, lived(40, soft)) < 1.05 * true  # one number for all is a little low


def test_decisions_that_nobody_made_say_nothing() -> None:
    seen = lived(24, soft=False)
    lost = torch.rand(seen.action.shape, generator=torch.Generator().manual_seed(0)) < 0.2
    fewer = replace(seen, choice=seen.choice * ~lost[..., None])
    assert worth_of_a_minute(GAME, fewer) == pytest.approx(worth_of_a_minute(GAME, seen), rel=0.1)


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("toll", [0.0, 4.0])
def test_where_tolls_did_not_differ_nothing_is_estimated(toll: float, soft: bool) -> None:
    alike = Stage(GAME, ScriptedPopulation(soft), ROSTERS, 5).play(Fixed(torch.full((3,), toll)), 0, 10)
    assert worth_of_a_minute(GAME, alike) == 0.0


def test_where_all_choose_alike_nothing_is_estimated() -> None:
    seen = lived(10)
    herd = replace(seen, choice=torch.nn.functional.one_hot(torch.ones_like(seen.action), 3).float())
    assert worth_of_a_minute(GAME, herd) == 0.0


def test_the_toll_is_what_slowing_the_others_down_costs() -> None:
    def seen(step: int, shares: list[float]) -> PublicStep:
        features = torch.zeros(1, 24, len(GAME.feature_names))
        features[..., SHARES:] = torch.tensor(shares)
        return PublicStep(step, features, None, None, None, None)

    principal = MarginalCost(GAME, 0.3)
    memory, tolls = principal.propose(principal.start(1), seen(0, [0.5, 0.25, 0.25]))
    torch.testing.assert_close(tolls, torch.tensor([[0.3 * 40 * 0.5, 0.3 * 20 * 0.25, 0.3 * 5 * 0.25]]))
    _, tolls = principal.propose(memory, seen(1, [0.3, 0.45, 0.25]))  # of the mean of both days
    torch.testing.assert_close(tolls, torch.tensor([[0.3 * 40 * 0.4, 0.3 * 20 * 0.35, 0.3 * 5 * 0.25]]))
    dear = MarginalCost(GAME, 5.0)
    assert float(dear.propose(dear.start(1), seen(0, [0.5, 0.25, 0.25]))[1].max()) == 10.0  # the highest there may be


def test_it_makes_the_drive_cheaper_in_towns_that_it_did_not_see() -> None:
    held_out = Stage(GAME, ScriptedPopulation(), ROSTERS, 99)
    none = held_out.play(Fixed(GAME.default_mechanism()), 0, 100).returns()
    tolls = held_out.play(marginal_cost(GAME, lived(20)), 0, 100).returns()
    gain = tolls - none
    assert float(gain.mean()) > 3 * float(gain.std()) / 10
