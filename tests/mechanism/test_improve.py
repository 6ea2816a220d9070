"""Improving a policy: PPO and back-propagation find known best rates, and credit goes where it belongs."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from learning.ppo import PPOSettings
from mechanism.dreams import Dreams
from mechanism.improve import ImproveSettings, Lived, Real, improve_by_backprop, improve_by_ppo, ppo_round, prepare
from mechanism.observe import Observer
from mechanism.policy import Learned, Policy
from societies.base import Principal
from societies.stage import Stage
from tests.world_model.island import BEST_RATE, Islanders, Objective, stage
from world_model.fit import quiet
from world_model.model import ModelSettings, WorldModel

PPO = ImproveSettings(iterations=20, worlds=60, ppo=PPOSettings(learning_rate=2e-2, minibatches=2))
BACKPROP = replace(PPO, iterations=60, worlds=20, backprop_rate=2e-2)


def dreams(objective: Objective, penalty: float = 0.0, steps: int = 3) -> Dreams:
    """Dreams among people who are made up; what the objective says of rates is the real thing."""
    here = stage(objective, steps=steps)
    return Dreams(here, WorldModel(here.society, ModelSettings(members=2, traits=1, community=1), 0), 1, True, penalty)


def learner(where: Stage) -> Learned:
    observer = Observer(where.society)
    return Learned(where.society, observer, Policy(where.society, observer.size, 0))


def rates(learned: Learned, where: Stage, start: int = 900, worlds: int = 40) -> Tensor:
    """[B, T - 1] what it sets in worlds it never saw."""
    with torch.no_grad():
        return where.play(learned, start, worlds).mechanism[:, 1:, 0]


@pytest.mark.parametrize(("improve", "settings"), [(improve_by_ppo, PPO), (improve_by_backprop, BACKPROP)])
def test_the_best_rate_of_a_quadratic_is_found(improve: Callable[..., list[float]], settings: ImproveSettings):
    made = dreams("quadratic")
    learned = learner(made.stage)
    improve(learned, made.rewards, settings, 0, quiet)
    found = rates(learned, made.stage)
    assert float(found.mean()) == pytest.approx(BEST_RATE, abs=0.03)
    assert float((found - BEST_RATE).abs().max()) < 0.1  # everywhere, not on average


def test_ppo_finds_it_among_real_people_too():
    where = stage("quadratic", steps=3)

    def rewards(principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
        episode = where.play(principal, start, worlds)
        return episode.welfare * episode.counted

    learned = learner(where)
    losses = improve_by_ppo(learned, rewards, PPO, 0, quiet)
    assert float(rates(learned, where).mean()) == pytest.approx(BEST_RATE, abs=0.03)
    assert len(losses) == PPO.iterations


def test_copies_of_the_same_worlds_lead_to_the_same_rate():
    made = dreams("quadratic")
    learned = learner(made.stage)
    improve_by_ppo(learned, made.rewards, replace(PPO, copies=3), 0, quiet)
    assert float(rates(learned, made.stage).mean()) == pytest.approx(BEST_RATE, abs=0.03)


def test_a_rate_that_should_follow_the_people_does():
    """Best is .4 + .3 x mean skill of the island. A fixed rate loses 4 x .09 Var(mean skill) = .06 of welfare."""
    made = dreams("tracking", steps=2)
    learned = learner(made.stage)
    improve_by_backprop(learned, made.rewards, replace(BACKPROP, iterations=60, worlds=40), 0, quiet)
    with torch.no_grad():
        played = made.stage.play(learned, 900, 100)
    best = 0.4 + 0.3 * played.features[:, 0, :, 0].mean(1)
    assert float(torch.corrcoef(torch.stack([best, played.mechanism[:, 1, 0]]))[0, 1]) > 0.85
    assert float(1 - played.returns().mean()) < 0.02


def test_mean_reward_rises_under_backprop():
    made = dreams("revenue")
    means = improve_by_backprop(learner(made.stage), made.rewards, replace(BACKPROP, iterations=20), 0, quiet)
    assert sum(means[-5:]) / 5 > 1.1 * sum(means[:5]) / 5


def test_the_seed_decides_what_is_learned():
    made, few = dreams("quadratic"), replace(PPO, iterations=1, worlds=20)

    def weights(seed: int) -> Tensor:
        learned = learner(made.stage)
        improve_by_ppo(learned, made.rewards, few, seed, quiet)
        return learned.policy.deviation[0].weight.detach()  # type: ignore[return-value, union-attr, operator]

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def planned(reward: Tensor) -> Callable[..., Tensor]:
    """Rewards [T] that come whatever is done; the episodes are played for their observations."""
    where = stage("quadratic", steps=len(reward))

    def rewards(principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
        where.play(principal, start, worlds)
        return reward.expand(worlds, -1)

    return rewards


def test_returns_of_a_decision_are_all_that_comes_after_it():
    """lambda = 1, discount 1: rewards to go. Step 0 is the warm-up, whose reward is nobody's doing."""
    learned = learner(stage(steps=4))
    once = ImproveSettings(worlds=2, ppo=PPOSettings(lam=1.0))
    batch, _ = ppo_round(learned, planned(torch.tensor([9.0, 1.0, 2.0, 4.0])), (0.0, 1.0), once, (0, 0))
    torch.testing.assert_close(batch.returns, torch.tensor([7.0, 7.0, 6.0, 6.0, 4.0, 4.0]), atol=1e-4, rtol=0)


def test_rewards_between_decisions_go_to_the_decision_before():
    """Deciding on steps 1 and 3 of 5: rewards of steps 2 and 4 are earned by those decisions."""
    where = stage(steps=5)
    where.society.gaps = 2  # type: ignore[attr-defined]
    learned, reward = learner(where), torch.tensor([9.0, 1.0, 2.0, 4.0, 8.0])

    def rewards(principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
        where.play(principal, start, worlds)
        return reward.expand(worlds, -1)

    once = ImproveSettings(worlds=2, ppo=PPOSettings(lam=1.0))
    batch, _ = ppo_round(learned, rewards, (0.0, 1.0), once, (0, 0))
    torch.testing.assert_close(batch.returns, torch.tensor([15.0, 15.0, 12.0, 12.0]), atol=1e-4, rtol=0)
    assert prepare(learner(where), rewards, 0, 2)[0] == pytest.approx(7.5)


def test_log_probabilities_of_a_round_are_the_acting_policys():
    made = dreams("quadratic")
    learned = learner(made.stage)
    prepare(learned, made.rewards, 0, 20)
    batch, _ = ppo_round(learned, made.rewards, (0.0, 1.0), replace(PPO, worlds=8), (0, 0))
    log_prob, _, _ = learned.policy.evaluate(batch.observation, batch.action)
    torch.testing.assert_close(batch.log_prob, log_prob)
    assert len(batch) == 8 * 2


def test_copies_share_their_luck_and_nothing_else():
    """Two copies of each world: the same people, other actions; and an advantage that sums to zero over copies."""
    made = dreams("quadratic")
    learned = learner(made.stage)
    settings = replace(PPO, worlds=8, copies=2)
    batch, _ = ppo_round(learned, made.rewards, (0.0, 1.0), settings, (0, 0))
    advantage = batch.advantage.reshape(2, 2, 4)  # [T', copies, worlds]
    torch.testing.assert_close(advantage.sum(1), torch.zeros(2, 4), atol=1e-5, rtol=0)
    action, seen = batch.action.reshape(2, 2, 4), batch.observation.reshape(2, 2, 4, -1)
    assert float((action[:, 0] - action[:, 1]).abs().min()) > 0
    torch.testing.assert_close(seen[0, 0], seen[0, 1])  # before their first decision they are the same world


def test_preparing_brings_observations_to_scale_once():
    made = dreams("revenue")
    learned = learner(made.stage)
    mean, spread = prepare(learned, made.rewards, 0, 60)
    with torch.no_grad():
        batch, _ = ppo_round(learned, made.rewards, (mean, spread), replace(PPO, worlds=60), (0, 60))
        scaled = learned.policy.normaliser(batch.observation)
    varies = batch.observation.std(0) > 1e-3
    assert 0.6 < float(scaled.std(0)[varies].mean()) < 1.3
    before = learned.policy.normaliser.mean.clone()
    prepare(learned, made.rewards, 1, 60)
    assert torch.equal(learned.policy.normaliser.mean, before)
    assert spread > 0


def test_a_warm_up_step_is_no_part_of_the_reward():
    made = dreams("quadratic", steps=4)
    with torch.no_grad():
        reward = made.rewards(learner(made.stage), 0, 4)
    assert torch.equal(reward[:, 0], torch.zeros(4))
    assert float(reward[:, 1:].min()) > 0.5


def test_doubt_costs_what_the_penalty_says():
    free, dear = dreams("revenue"), dreams("revenue", penalty=0.5)
    learned = learner(free.stage)
    with torch.no_grad():
        dream = free.dream(learned, 0, 4)
        apart = free.rewards(learned, 0, 4) - dear.rewards(learned, 0, 4)
    torch.testing.assert_close(apart, 0.5 * dream.disagreement * dream.episode.counted)
    assert float(dream.disagreement.max()) > 0


def test_dreams_have_new_people_and_never_those_of_real_episodes():
    made = dreams("revenue")
    with torch.no_grad():
        dreamt = [made.dream(learner(made.stage), start, 4).episode.features[:, 0, :, 0] for start in (0, 4)]
    real = made.stage.census(0, 8)[..., 0]
    everyone = torch.cat([*dreamt, real]).round(decimals=5)
    assert len(everyone.unique(dim=0)) == 16
    assert isinstance(made.stage.rosters, Islanders)


def test_worlds_that_cannot_be_shared_out_are_refused_in_words():
    made = dreams("quadratic")
    with pytest.raises(ValueError, match=r"7 imagined worlds.*2 ensemble members"):
        made.dream(learner(made.stage), 0, 7)
    with pytest.raises(ValueError, match=r"6 imagined worlds.*2 copies x 2"):
        made.dream(learner(made.stage), 0, 6, copies=2)


def test_real_episodes_join_the_last_batch_only_and_move_the_policy():
    made, where, played = dreams("quadratic"), stage("revenue", steps=3), list[tuple[int, int]]()

    class Noted(Lived):
        def __call__(self, principal: Principal, start: int, worlds: int, copies: int = 1) -> Tensor:
            played.append((start, worlds))
            return super().__call__(principal, start, worlds, copies)

    few = replace(PPO, iterations=3, worlds=10)
    alone, joined = learner(made.stage), learner(made.stage)
    improve_by_ppo(alone, made.rewards, few, 0, quiet)
    improve_by_ppo(joined, made.rewards, few, 0, quiet, Real(Noted(where), 50, 4))
    assert played == [(50, 4)]
    assert float((rates(alone, where) - rates(joined, where)).abs().max()) > 1e-4


def test_real_people_live_once():
    with pytest.raises(ValueError, match="copies must be 1"):
        Lived(stage("revenue"))(learner(stage("revenue")), 0, 4, copies=2)
