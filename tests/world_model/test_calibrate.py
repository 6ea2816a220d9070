"""Judging a world model: beliefs step by step, next-choice odds, forecasts and their coverage."""

import pytest
import torch

from learning.draws import draws
from mechanism.explore import RandomRules
from mechanism.observe import Observer
from societies.base import Episode
from tests.world_model.island import seen, stage
from world_model.calibrate import Forecast, beliefs, forecast, next_choice
from world_model.imagine import Dream, imagine
from world_model.model import ModelSettings, WorldModel
from world_model.records import records

STAGE = stage("revenue")
ISLAND = STAGE.society


def model(members: int = 3) -> WorldModel:
    return WorldModel(ISLAND, ModelSettings(members=members, traits=2, community=2, tracker_hidden=16), 0)


def played(worlds: int = 6, soft: bool = True) -> Episode:
    return stage("revenue", soft=soft).play(RandomRules(ISLAND, draws(2, 0, worlds)), 0, worlds)


@pytest.mark.parametrize("soft", [True, False])
def test_whole_histories_give_the_beliefs_that_a_principal_held_step_by_step(soft: bool):
    made, episode = model(), played(soft=soft)
    made.scaler.read(records(ISLAND, episode).prospects, records(ISLAND, episode).features)
    whole, observer = beliefs(made, records(ISLAND, episode)), Observer(ISLAND, made)
    with torch.no_grad():
        history, _ = observer.observe(observer.start(6), seen(episode, 0))
        for t in range(1, ISLAND.steps):
            history, observation = observer.observe(history, seen(episode, t))
            count = torch.full((6,), float(t))
            belief = made.tracker(history.evidence, count, records(ISLAND, episode).covariates)
            torch.testing.assert_close(belief.mean, whole.mean[:, t - 1], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(belief.log_sd, whole.log_sd[:, t - 1], atol=1e-5, rtol=1e-4)
            z = made.settings.traits
            pooled = observation[:, -3 * z :]  # means of the belief's mean, of its mean times skill, of its log spread
            torch.testing.assert_close(pooled[:, :z], whole.mean[:, t - 1].mean(1), atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(pooled[:, -z:], whole.log_sd[:, t - 1].mean(1), atol=1e-5, rtol=1e-4)


def test_the_predicted_next_choice_is_a_distribution_that_reads_the_past_only():
    made, data = model(), records(ISLAND, played())
    odds = next_choice(made, data, 2, 3, draws(0, 0, 6))
    torch.testing.assert_close(odds.sum(-1), torch.ones(6, 6))
    data.choice[:, 2:] = 0.2  # what is to be predicted, and what comes after
    assert torch.equal(next_choice(made, data, 2, 3, draws(0, 0, 6)), odds)
    data.choice[:, 1] = 0.2
    assert not torch.equal(next_choice(made, data, 2, 3, draws(0, 0, 6)), odds)


def test_the_predicted_next_choice_averages_the_members():
    """With a belief of no spread it is the mean over members of their answers at the believed z."""
    made, data = model(), records(ISLAND, played())
    with torch.no_grad():
        last = made.tracker.read[-1]
        last.weight[2:], last.bias[2:] = 0.0, -50.0  # type: ignore[index, operator]  # log spreads, clamped to e^-4
        z = beliefs(made, data).mean[:, 1]
        facts = [x.expand(3, *x.shape) for x in (data.prospects[:, 2], data.features[:, 2], z)]
        expected = made.log_probs(*facts).exp().mean(0)
    torch.testing.assert_close(next_choice(made, data, 2, 4, draws(0, 0, 6)), expected, atol=0.01, rtol=0)


def test_a_forecast_is_scored_by_hand():
    told = Forecast(torch.tensor([[[1.0, 2.0]], [[3.0, 2.0]], [[5.0, 2.0]]]), torch.tensor([[4.0, 4.0]]))
    torch.testing.assert_close(told.error(), torch.tensor([0.25, 0.5]))
    assert told.coverage(1.0) == 0.5  # 4 lies in 1..5, and outside 2..2
    assert told.coverage(0.2) == 0.0


def test_the_true_spread_covers_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    normal = Forecast(torch.randn(400, 3000, 1, generator=generator), torch.randn(3000, 1, generator=generator))
    for level in (0.5, 0.9):
        assert normal.coverage(level) == pytest.approx(level, abs=0.025)


def dreamt(made: WorldModel, worlds: int) -> Dream:
    with torch.no_grad():
        rules = RandomRules(ISLAND, draws(2, 0, worlds))
        return imagine(made, ISLAND, STAGE.census(0, worlds), rules, draws(3, 0, worlds), True)


def test_a_forecast_starts_from_the_real_state_and_obeys_the_real_rules():
    """The account that depends on the rules alone is foretold exactly; the one that depends on people is not."""
    made, episode = model(), played()
    data = records(ISLAND, episode)
    exact = forecast(made, ISLAND, episode, data, "rate", (2, 3), 4)
    assert torch.equal(exact.came, episode.mechanism[:, 2:5, 0])
    assert torch.equal(exact.sampled, exact.came.expand(4, -1, -1))
    output = forecast(made, ISLAND, episode, data, "output", (2, 3), 4)
    assert torch.equal(output.came, episode.accounts["output"][:, 2:5])
    assert float(output.sampled.std(0).min()) > 0  # every sample draws its own people, choices and member


def test_people_who_are_all_of_one_mind_are_foretold_to_the_digit():
    """Real people who always choose the same, a model that says so: no error, whole coverage."""
    made = model()
    with torch.no_grad():
        for parameter in made.head.parameters():
            parameter.zero_()
        made.head.constant[:, 2] = 60.0  # type: ignore[union-attr, operator, index]  # everybody: effort 1.0
    life = dreamt(made, 6).episode
    told = forecast(made, ISLAND, life, records(ISLAND, life), "output", (1, 4), 5)
    assert float(told.error().max()) == 0.0
    assert told.coverage() == 1.0
