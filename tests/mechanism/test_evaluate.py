"""Evaluation: the same communities for everyone, whatever the batch."""

import pytest
import torch

from learning.draws import draws
from mechanism.baselines.ppo import new_policy
from mechanism.evaluate import evaluate, welfare
from mechanism.explore import RandomRules
from societies.base import PublicStep
from societies.play import Fixed
from tests.world_model.island import BEST_RATE, Island, assert_is_an_episode, stage

STAGE = stage("revenue")


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_batches_change_nothing(batch: int):
    learned = new_policy(STAGE, 0)
    with torch.no_grad():
        learned.policy.deviation[-1].weight.mul_(30)  # type: ignore[operator, union-attr]
    whole, parts = evaluate(STAGE, learned, 8), evaluate(STAGE, learned, 8, batch)
    assert torch.equal(parts.ids, torch.arange(8))
    assert torch.equal(parts.action, whole.action)
    torch.testing.assert_close(parts.welfare, whole.welfare)
    torch.testing.assert_close(parts.mechanism, whole.mechanism)
    assert_is_an_episode(STAGE.society, parts)


def test_two_principals_meet_the_same_communities():
    one, two = (evaluate(STAGE, Fixed(torch.tensor([rate])), 5) for rate in (0.2, 0.6))
    assert torch.equal(one.features[:, 0], two.features[:, 0])
    assert torch.equal(one.action[:, 0], two.action[:, 0])  # and the same draws: the warm-up year is the same


def test_welfare_is_the_mean_of_counted_steps():
    """Under a fixed rate in the quadratic objective: 1 - 4 (rate - best)^2, the warm-up left out."""
    values = welfare(stage("quadratic"), Fixed(torch.tensor([0.7])), 4)
    torch.testing.assert_close(values, torch.full((4,), 1 - 4 * (0.7 - BEST_RATE) ** 2))


def test_nothing_is_learned_by_being_evaluated():
    learned = new_policy(STAGE, 0)
    before = [p.clone() for p in learned.policy.parameters()]
    evaluate(STAGE, learned, 3)
    assert all(torch.equal(a, b) for a, b in zip(before, learned.policy.parameters(), strict=True))
    assert learned.taken == []


def test_random_rules_cover_the_range_and_hold():
    island = Island(steps=9)
    rules = RandomRules(island, draws(0, 0, 400))
    played = stage(steps=9).play(rules, 0, 400).mechanism[..., 0]  # [B, T]
    assert torch.equal(played[:, 3], played[:, 4])
    assert torch.equal(played[:, 3], played[:, 5])
    assert not torch.equal(played[:, 5], played[:, 6])
    seen = played[:, 3].histc(5, 0.0, 1.0) / 400
    assert float(seen.min()) > 0.08  # no fifth of the range stays unseen
    assert bool(((played >= 0) & (played <= 1)).all())


def test_random_rules_are_the_same_for_a_world_in_any_batch():
    alone = RandomRules(Island(), draws(3, 4, 2)).propose(2, _at(5))[1]
    among = RandomRules(Island(), draws(3, 0, 8)).propose(8, _at(5))[1]
    assert torch.equal(alone, among[4:6])


def _at(step: int) -> PublicStep:
    return PublicStep(step, torch.zeros(1, 6, 3), None, None, None, None)
