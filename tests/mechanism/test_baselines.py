"""The rivals: fixed rules, searched rules, and model-free PPO, each with its count of real episodes."""

from dataclasses import replace

import pytest
import torch

from learning.ppo import PPOSettings
from mechanism.baselines.cma_es import EPISODES_A_CANDIDATE, Linear, cma_es
from mechanism.baselines.fixed import default, flat
from mechanism.baselines.ppo import model_free_ppo, new_policy, with_equal_updates
from mechanism.improve import ImproveSettings
from mechanism.search import SearchSettings
from societies.base import Principal, PublicStep
from societies.line import FacilityLine
from societies.play import Fixed
from societies.stage import Stage
from tests.world_model.island import BEST_RATE, Counting, Island, Islanders, stage
from world_model.fit import quiet

ISLAND = Island()


def counted(objective: str = "quadratic", steps: int = 3) -> tuple[Stage, Counting]:
    people = Counting()
    return Stage(Island(objective, steps=steps), people, Islanders(), 0), people  # type: ignore[arg-type]


def test_the_default_is_the_societys_own():
    assert torch.equal(default(ISLAND).mechanism, torch.tensor([0.2]))


def test_flat_rules_and_their_limits():
    assert torch.equal(flat(ISLAND, 0.5).mechanism, torch.tensor([0.5]))
    with pytest.raises(ValueError, match=r"island: a flat mechanism of 1\.5 is outside 0 to 1"):
        flat(ISLAND, 1.5)


def test_a_path_is_followed_step_by_step():
    path = torch.tensor([[0.9], [0.1], [0.3]])
    played = stage(steps=3).play(Fixed(path), 0, 2)
    assert torch.equal(played.mechanism[0], torch.tensor([[0.2], [0.1], [0.3]]))  # in the warm-up, the default


@pytest.mark.parametrize("adaptive", [False, True])
def test_cma_es_finds_the_best_rate_and_counts_its_episodes(adaptive: bool):
    here, people = counted()
    told = list[tuple[int, Principal]]()
    settings = SearchSettings(generations=15, candidates=6, spread=0.5)
    found = cma_es(here, adaptive, settings, 0, lambda cost, principal: told.append((cost, principal)))
    episodes = people.decisions // here.decisions_per_episode
    assert [cost for cost, _ in told] == [6 * EPISODES_A_CANDIDATE * g for g in range(1, 16)]
    assert told[-1][0] == episodes
    rates = here.play(found, 500, 20).mechanism[:, 1:, 0]
    assert float(rates.mean()) == pytest.approx(BEST_RATE, abs=0.03)


def test_linear_rules_do_without_public_facts_of_people():
    street = FacilityLine("street", 3)
    told = torch.tensor([[0.2, 0.4, 0.9]])
    features = torch.zeros(1, 3, len(street.feature_names))
    seen = PublicStep(1, features, features, street.default_mechanism()[None], told[..., None], None)
    slopes = torch.cat([torch.zeros(8), torch.ones(4)])  # the level of the response is not used, its tilt is
    _, rules = Linear(street, slopes).propose((0, torch.zeros(1)), seen)
    torch.testing.assert_close(rules, torch.full((1, 4), 0.5))


def test_the_linear_rules_are_linear_in_two_aggregates():
    """Three people of skill -1, 0, 1 work 0.5, 1, 1.8: the mean is 1.1, the tilt (.8 - .5) ... worked by hand."""
    island = Island(agents=3)
    skill, effort = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([0.5, 1.0, 1.8])
    features = torch.stack([skill, effort, effort.mean().expand(3)], -1)[None]
    seen = PublicStep(1, features, features, torch.tensor([[0.2]]), effort[None, :, None], torch.zeros(1, 3, 5))
    rules = Linear(island, torch.tensor([0.3, 0.5, -0.2]))
    _, rate = rules.propose(rules.start(1), seen)
    mean, tilt = 1.1, (-1.0 * (0.5 - 1.1) + 1.0 * (1.8 - 1.1)) / 3
    torch.testing.assert_close(rate.logit(), torch.tensor([[0.3 + 0.5 * 10 * (mean - 1) - 0.2 * 10 * tilt]]))


def test_the_linear_rules_remember_the_mean():
    island = Island(agents=3)
    rules, memory = Linear(island, torch.tensor([0.0, 1.0, 0.0])), (0, torch.zeros(1))
    features = torch.zeros(1, 3, 3)
    for t, effort in enumerate((1.0, 2.0, 0.6)):
        response = torch.full((1, 3, 1), effort)
        memory, rate = rules.propose(memory, PublicStep(t + 1, features, features, None, response, None))
    torch.testing.assert_close(memory[1], torch.tensor([1.2]))
    torch.testing.assert_close(rate.logit(), torch.tensor([[10 * (1.2 - 1)]]))  # pyright: ignore


def test_model_free_ppo_learns_from_real_episodes_alone_and_they_can_be_counted():
    here, people = counted()
    settings = ImproveSettings(iterations=20, worlds=60, ppo=PPOSettings(learning_rate=2e-2, minibatches=2))
    learned = new_policy(here, 0)
    model_free_ppo(here, learned, settings, 0, quiet)
    episodes = people.decisions // here.decisions_per_episode
    assert episodes == 60 * (20 + 1)  # one more batch, to bring observations to scale
    with torch.no_grad():
        rates = here.play(learned, 5000, 40).mechanism[:, 1:, 0]
    assert float(rates.mean()) == pytest.approx(BEST_RATE, abs=0.03)


def test_real_people_cannot_be_copied():
    here, _ = counted()
    settings = ImproveSettings(iterations=1, worlds=4, copies=2)
    with pytest.raises(ValueError, match="real people live once"):
        model_free_ppo(here, new_policy(here, 0), settings, 0, quiet)


@pytest.mark.parametrize("updates", [800, 3200, 5000])
def test_equal_updates_are_equal(updates: int):
    settings = ImproveSettings(iterations=50, ppo=PPOSettings(minibatches=4, epochs=4))
    made = with_equal_updates(settings, updates)
    steps = made.iterations * made.ppo.minibatches * made.ppo.epochs
    assert abs(steps - updates) <= settings.iterations * settings.ppo.minibatches / 2
    assert replace(made, ppo=settings.ppo) == settings
