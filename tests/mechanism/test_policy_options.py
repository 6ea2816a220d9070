"""Policies over options: no order of agents or options matters, no shut option is taken, and PPO improves them."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from learning.ppo import PPOSettings
from mechanism.improve import ImproveSettings, Lived, improve_by_backprop, improve_by_ppo
from mechanism.policy import Learned, untrained
from mechanism.policy_options import OptionNet, OptionPolicy
from personas.rosters import open_rosters
from societies.base import PublicStep
from societies.catalog import load
from societies.facilities import Facilities, Tastes
from societies.play import play
from societies.stage import Stage
from tests.towns import POPULATIONS, town
from world_model.fit import quiet
from world_model.model import ModelSettings, WorldModel

SMALL = Facilities("small", 6, 4, Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 4.0), (0.0, 3.0)), "visits", sites=3)
MODEL = WorldModel(SMALL, ModelSettings(form="linear", latent="kinds", traits=2, members=2), 0).requires_grad_(False)


def policy(learned: Learned) -> OptionPolicy:
    """The policy, with scores that differ between options as if it had learned something."""
    made = learned.policy
    assert isinstance(made, OptionPolicy)
    with torch.no_grad():
        for parameter in made.score.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    return made.requires_grad_(False)


def observed(learned: Learned, worlds: int = 5, agents: int = 6) -> tuple[Tensor, Tensor]:
    """Observations at steps 0 and 1 of real episodes."""
    explorer = Learned(SMALL, learned.observer, learned.policy, draws(1, 0, worlds))
    with torch.no_grad():
        play(SMALL, ScriptedPopulation(False), town(SMALL, 0, worlds, agents), explorer, draws(1, 0, worlds))
    return explorer.taken[0].observation, explorer.taken[1].observation


@pytest.mark.parametrize("model", [None, MODEL])
def test_the_order_of_agents_does_not_matter(model: WorldModel | None):
    learned = untrained(SMALL, model, 0)
    made, (_, seen) = policy(learned), observed(learned)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(made.scores(seen[:, order]), made.scores(seen), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(made.value(seen[:, order]), made.value(seen), rtol=1e-4, atol=1e-4)


def test_a_mirrored_town_gets_mirrored_scores():
    learned = untrained(SMALL, None, 0)
    made, (seen, _) = policy(learned), observed(learned)
    mirrored = seen.clone()
    mirrored[..., 0] = -seen[..., 0]  # homes; nothing is built before the first step
    flipped = made.scores(seen).unflatten(-1, (4, 4)).flip(-1).flatten(-2)
    torch.testing.assert_close(made.scores(mirrored), flipped, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("agents", [3, 40])  # few and many are reckoned differently
def test_an_option_reads_the_mean_of_each_of_its_groups_and_of_the_roster(agents: int):
    generator = torch.Generator().manual_seed(0)
    net = OptionNet(torch.nn.Identity(), 3, 16, generator).requires_grad_(False)
    known = torch.randn(2, agents, 8, generator=generator)
    groups = torch.rand(2, 5, 3, agents, generator=generator)
    shares = [(groups[:, :, g, :, None] * known[:, None]).mean(2) * 3 for g in range(3)]
    read = torch.cat([*shares, known.mean(1)[:, None].expand(-1, 5, -1)], -1)
    expected = silu(net.second(silu(net.first(read))))
    torch.testing.assert_close(net(known, groups), expected, rtol=1e-4, atol=1e-5)


def test_a_policy_can_be_used_on_another_number_of_agents():
    learned = untrained(SMALL, MODEL, 0)
    made, (_, seen) = policy(learned), observed(learned, agents=17)
    assert made.scores(seen).shape == (5, 16)


def test_no_shut_option_is_taken_and_every_open_one_may_be():
    learned = untrained(SMALL, None, 0)
    explorer = Learned(SMALL, learned.observer, learned.policy, draws(1, 0, 400))
    with torch.no_grad():
        episode = play(SMALL, ScriptedPopulation(False), town(SMALL, 0, 400), explorer, draws(1, 0, 400)).episode
    assert float(episode.mechanism.sum(1).max()) == 1.0
    assert torch.equal(episode.mechanism.sum((1, 2)), torch.full((400,), 3.0))
    assert bool((episode.mechanism.sum((0, 1)) > 0).all())


def test_what_was_taken_is_what_was_in_force_and_its_probability_is_told():
    learned = untrained(SMALL, None, 0)
    made = policy(learned)
    explorer = Learned(SMALL, learned.observer, made, draws(1, 0, 5))
    episode = play(SMALL, ScriptedPopulation(False), town(SMALL, 0, 5), explorer, draws(1, 0, 5)).episode
    for step, taken in enumerate(explorer.taken):
        assert torch.equal(taken.action, episode.mechanism[:, step])
        log_prob, entropy, value = made.evaluate(taken.observation, taken.action)
        expected = torch.distributions.Categorical(logits=made.scores(taken.observation))
        torch.testing.assert_close(log_prob, expected.log_prob(taken.action.argmax(-1)), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(entropy, expected.entropy(), rtol=1e-4, atol=1e-4)
        assert value.shape == (5,)


def test_draws_follow_the_scores():
    learned = untrained(SMALL, None, 0)
    made, (seen, _) = policy(learned), observed(learned, worlds=1)
    taken, _ = made.act(seen.expand(20_000, -1, -1), draws(2, 0, 20_000), 0)
    torch.testing.assert_close(taken.mean(0), made.scores(seen).softmax(-1)[0], rtol=0, atol=0.02)
    best, _ = made.act(seen, None, 0)
    assert int(best.argmax()) == int(made.scores(seen).argmax())


def test_model_free_ppo_learns_where_people_live():
    rosters = open_rosters(POPULATIONS / "visitors.yaml", SMALL.agents, attributes=SMALL.attributes_used)
    stage, learned = Stage(SMALL, ScriptedPopulation(False), rosters, 1), untrained(SMALL, None, 0)
    settings = ImproveSettings(iterations=12, worlds=64, ppo=PPOSettings(learning_rate=3e-3, entropy=0.003))
    with torch.no_grad():
        before = float(stage.play(learned, 10**6, 300).returns().mean())
    improve_by_ppo(learned, Lived(stage), settings, 0, quiet)
    with torch.no_grad():
        after = float(stage.play(learned, 10**6, 300).returns().mean())
    assert after > before + 0.05


def test_no_gradient_passes_through_options():
    learned = untrained(SMALL, None, 0)
    with pytest.raises(ValueError, match=r"small are options; learn them with optimizer: ppo"):
        improve_by_backprop(learned, lambda *_: torch.zeros(1), ImproveSettings(), 0, quiet)


def test_the_first_step_sees_no_evidence_yet():
    learned = untrained(SMALL, None, 0)
    state = SMALL.reset(town(SMALL, 0, 2))
    seen = PublicStep(0, state.features, None, None, None, None)
    _, observation = learned.observer.observe(learned.observer.start(2), seen)
    features, d = len(SMALL.feature_names), len(SMALL.prospect_names)
    assert not observation[..., features : features + 3 * d].any()
    assert bool((observation[..., -32:-16] == 1).all())  # every cell is open


def test_where_doings_are_more_than_choices_all_that_is_public_is_seen():
    teams = load("team_formation")
    learned, people = untrained(teams, None, 0), town(teams, 0, 3)
    explorer = Learned(teams, learned.observer, learned.policy, draws(2, 0, 3))
    with torch.no_grad():
        episode = play(teams, ScriptedPopulation(False), people, explorer, draws(2, 0, 3)).episode
    step = 45  # the last decision
    last, f, d = explorer.taken[-1].observation, len(teams.feature_names), len(teams.prospect_names)
    channels = last[..., f : -2 * 15]
    assert torch.equal(channels[..., :f], episode.features[:, step])
    done = channels[..., f + 3 * d : f + 3 * d + 11]
    torch.testing.assert_close(done, episode.response[:, :step].sum(1))
    assert float(done[..., 5:].sum()) > 0  # somebody took, crafted or stored
    made = policy(learned)
    made.read(last)
    for name in ("hand_1", "corner_2", "with_3"):
        other, place = last.clone(), f + teams.feature_names.index(name)
        other[..., place] += 1.0
        assert not torch.equal(made.value(other), made.value(last))
