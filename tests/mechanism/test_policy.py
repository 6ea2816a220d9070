"""The policy: a base that stands alone, learned deviations, and exploration that is noted as it was played."""

from dataclasses import replace

import pytest
import torch
from gymnasium.spaces import Box
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Independent, Normal

from learning.draws import draws
from mechanism.observe import Observer
from mechanism.policy import Learned, Policy, to_logits, to_mechanism
from societies.play import Fixed
from tests.world_model.island import Island, stage

ISLAND = Island()
OBSERVER = Observer(ISLAND)


def learned(loud: bool = True) -> Learned:
    policy = Policy(ISLAND, OBSERVER.size, 0)
    if loud:
        with torch.no_grad():
            policy.deviation[-1].weight.mul_(30)  # type: ignore[operator, union-attr]
    return Learned(ISLAND, OBSERVER, policy)


def wide(low: float, high: float) -> Island:
    island = Island()
    island.mechanism = Box(low, high, (1,))
    return island


@given(st.floats(-50, 50), st.floats(0.1, 100), st.floats(0.01, 0.99))
def test_logits_and_mechanisms_are_inverse(low: float, width: float, share: float):
    society = wide(low, low + width)
    rate = torch.tensor([low + width * share])
    torch.testing.assert_close(to_mechanism(society, to_logits(society, rate)), rate, atol=1e-4 * width, rtol=1e-3)


@given(st.floats(-1e4, 1e4), st.floats(-50, 50), st.floats(0.1, 100))
def test_any_logits_are_allowed_rules(logit: float, low: float, width: float):
    society = wide(low, low + width)
    rate = float(to_mechanism(society, torch.tensor([logit])))
    bottom, top = float(society.mechanism.low[0]), float(society.mechanism.high[0])
    assert bottom - 1e-5 * width <= rate <= top + 1e-5 * width


def test_the_ends_of_the_range_stay_finite():
    assert bool(to_logits(ISLAND, torch.tensor([0.0])).isfinite() and to_logits(ISLAND, torch.tensor([1.0])).isfinite())
    torch.testing.assert_close(to_mechanism(ISLAND, to_logits(ISLAND, torch.tensor([0.0]))), torch.tensor([0.001]))


def test_an_untrained_policy_stays_near_the_default_rules():
    played = stage().play(learned(loud=False), 0, 6)
    torch.testing.assert_close(played.mechanism, torch.full_like(played.mechanism, 0.2), atol=0.02, rtol=0)


def test_the_base_alone_is_a_fixed_mechanism():
    """No deviation: the very episode that `Fixed` brings about."""
    principal = learned()
    with torch.no_grad():
        principal.policy.base.fill_(0.7)
        for parameter in principal.policy.deviation.parameters():
            parameter.zero_()
        alone = stage("revenue").play(principal, 0, 6)
        fixed = stage("revenue").play(Fixed(to_mechanism(ISLAND, torch.tensor([0.7]))), 0, 6)
    for name in ("mechanism", "action", "features", "welfare"):
        assert torch.equal(getattr(alone, name), getattr(fixed, name))


def test_without_exploring_the_same_rosters_bring_the_same_rules():
    with torch.no_grad():
        one, two = (stage("revenue").play(learned(), 0, 6) for _ in range(2))
    assert torch.equal(one.mechanism, two.mechanism)
    assert float(one.mechanism[:, 1:].std()) > 1e-3  # and rules that react


def test_exploring_plays_what_it_notes():
    principal = replace(learned(), explore=draws(1, 0, 6), taken=[])
    with torch.no_grad():
        played = stage("revenue").play(principal, 0, 6)
    assert [t.step for t in principal.taken] == [1, 2, 3, 4]
    for taken in principal.taken:
        torch.testing.assert_close(to_mechanism(ISLAND, taken.action), played.mechanism[:, taken.step])
    mean = principal.policy.logits(principal.taken[0].observation).detach()
    assert float((principal.taken[0].action - mean).abs().min()) > 0


def test_exploring_is_as_wide_as_the_policy_says():
    principal = replace(learned(), explore=draws(1, 0, 4000), taken=[])
    with torch.no_grad():
        principal.policy.log_std.fill_(-0.5)
        stage(steps=2).play(principal, 0, 4000)
        [taken] = principal.taken
        noise = taken.action - principal.policy.logits(taken.observation)
    assert float(noise.std()) == pytest.approx(0.6065, rel=0.04)
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.03)


def test_each_world_explores_alone():
    """Worlds 3..5 explore alone as they do among others."""

    def play(start: int, worlds: int) -> torch.Tensor:
        principal = replace(learned(), explore=draws(1, start, worlds), taken=[])
        with torch.no_grad():
            return stage("revenue").play(principal, start, worlds).mechanism

    torch.testing.assert_close(play(3, 3), play(0, 6)[3:])


def test_taken_logits_are_judged_as_torch_distributions_would():
    policy = learned().policy
    generator = torch.Generator().manual_seed(0)
    observation, action = torch.randn(7, OBSERVER.size, generator=generator), torch.randn(7, 1, generator=generator)
    log_prob, entropy, value = policy.evaluate(observation, action)
    expected = Independent(Normal(policy.logits(observation), policy.log_std.exp().expand(7, 1)), 1)
    torch.testing.assert_close(log_prob, expected.log_prob(action))
    torch.testing.assert_close(entropy, expected.entropy())
    assert torch.equal(value, policy.value(observation))
    assert value.shape == (7,)


def test_where_the_principal_does_not_decide_nothing_is_noted_and_the_default_holds():
    principal = replace(learned(), explore=draws(1, 0, 6), taken=[])
    with torch.no_grad():
        played = stage().play(principal, 0, 6)
    assert torch.equal(played.mechanism[:, 0], torch.full((6, 1), 0.2))
    assert 0 not in [t.step for t in principal.taken]
