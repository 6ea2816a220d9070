"""A policy that remembers: agents' order and padding do not matter to it, history does, and PPO improves it."""

import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from learning.ppo import PPOSettings
from mechanism.baselines.ppo import model_free_ppo, new_recurrent_policy
from mechanism.improve import ImproveSettings
from mechanism.observe_sequence import SequenceObserver
from mechanism.policy import Learned
from mechanism.policy_recurrent import RecurrentPolicy
from personas.rosters import open_rosters
from societies.catalog import load
from societies.facilities import Facilities, Tastes
from societies.play import Played, play
from societies.stage import Stage
from tests.towns import POPULATIONS, town
from world_model.fit import quiet

SMALL = Facilities("small", 6, 4, Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 4.0), (0.0, 3.0)), "visits", sites=3)
FEATURES = len(SMALL.feature_names)


def stage(society_name: str = "") -> Stage:
    society = load(society_name) if society_name else SMALL
    rosters = open_rosters(POPULATIONS / "visitors.yaml", SMALL.agents, attributes=SMALL.attributes_used)
    return Stage(society, ScriptedPopulation(False), rosters, 1)


def learner() -> tuple[Learned, RecurrentPolicy]:
    """A policy with scores that differ between options as if it had learned something."""
    learned = new_recurrent_policy(stage(), 0)
    made = learned.policy
    assert isinstance(made, RecurrentPolicy)
    with torch.no_grad():
        for parameter in made.score.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    return learned, made.requires_grad_(False)


def observed(learned: Learned, worlds: int = 5) -> tuple[Played, list[Tensor]]:
    """Real episodes, and the observation at every step."""
    explorer = Learned(SMALL, learned.observer, learned.policy, draws(1, 0, worlds))
    with torch.no_grad():
        played = play(SMALL, ScriptedPopulation(False), town(SMALL, 0, worlds), explorer, draws(1, 0, worlds))
    return played, [taken.observation for taken in explorer.taken]


def sequences(observation: Tensor) -> Tensor:
    """[B, N, T, C + 1]"""
    return observation[..., FEATURES : -2 * 16].unflatten(-1, (SMALL.steps, -1))


def test_the_order_of_agents_does_not_matter():
    learned, made = learner()
    seen, order = observed(learned)[1][2], torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(made.scores(seen[:, order]), made.scores(seen), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(made.value(seen[:, order]), made.value(seen), rtol=1e-4, atol=1e-4)


def test_a_step_is_told_as_it_was_and_nothing_is_summed_up():
    learned, _ = learner()
    played, seen = observed(learned)
    steps, episode, d = sequences(seen[2]), played.episode, len(SMALL.prospect_names)
    for t in range(3):
        assert torch.equal(steps[:, :, t, :FEATURES], episode.features[:, t])
        assert torch.equal(sequences(seen[t])[:, :, t], steps[:, :, t])  # later steps do not change what was told
    prospects = SMALL.prospects(episode.features[:, 1], episode.mechanism[:, 1])
    chosen = (prospects * episode.choice[:, 1, ..., None]).sum(-2)
    torch.testing.assert_close(steps[:, :, 2, -1 - d : -1], chosen)
    assert torch.equal(sequences(seen[1])[..., -1], torch.tensor([1.0, 1.0, 0.0]).expand(5, 6, 3))
    assert not sequences(seen[1])[:, :, 2].any()


def test_padding_does_not_matter():
    learned, made = learner()
    seen = observed(learned)[1]
    noisy = seen[1].clone()
    noisy[..., FEATURES:-32].unflatten(-1, (SMALL.steps, -1))[:, :, 2, :-1] = 7.0  # of a step that is not marked
    both = torch.cat([seen[1], seen[2]])  # with longer ones in the same batch, as in PPO's
    for judge in (made.scores, made.value):
        alone = judge(seen[1])
        torch.testing.assert_close(judge(noisy), alone, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(judge(both)[:5], alone, rtol=1e-4, atol=1e-4)


def test_history_matters():
    learned, made = learner()
    seen = observed(learned)[1][2]
    other = seen.clone()
    first = other[..., FEATURES:-32].unflatten(-1, (SMALL.steps, -1))[:, :, 1]  # what is known of step 0
    first[..., -1 - len(SMALL.prospect_names) : -1] += 1.0  # somebody chose something else then
    assert float((made.scores(other) - made.scores(seen)).abs().max()) > 1e-3
    assert float((made.value(other) - made.value(seen)).abs().max()) > 1e-4


def test_the_normaliser_reads_only_steps_that_were_seen():
    learned, made = learner()
    seen = observed(learned)[1]
    made.read(torch.stack(seen))
    told = torch.cat([sequences(x)[:, :, :t].flatten(0, 2) for t, x in enumerate(seen, 1)])
    torch.testing.assert_close(made.normaliser.mean.float(), told[:, :-1].mean(0), rtol=1e-4, atol=1e-4)


def improved(iterations: int) -> tuple[float, Tensor]:
    """Welfare before and, of every world, after PPO."""
    settings = ImproveSettings(iterations=iterations, worlds=64, ppo=PPOSettings(learning_rate=3e-3, entropy=0.003))
    here = stage()
    learned = new_recurrent_policy(here, 0)
    with torch.no_grad():
        before = float(here.play(learned, 10**6, 300).returns().mean())
    model_free_ppo(here, learned, settings, 0, quiet)
    with torch.no_grad():
        return before, here.play(learned, 10**6, 300).returns()


def test_ppo_improves_it():
    before, after = improved(12)
    assert float(after.mean()) > before + 0.05


def test_a_seed_says_how_it_ends():
    assert torch.equal(improved(1)[1], improved(1)[1])


def test_new_policies_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    new_recurrent_policy(stage(), 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_rules_that_are_numbers_are_refused():
    with pytest.raises(ValueError, match=r"income_tax are 7 numbers, not one of some options"):
        new_recurrent_policy(stage("income_tax"), 0)
    assert SequenceObserver(SMALL).a_step == FEATURES + 3 * len(SMALL.prospect_names)
