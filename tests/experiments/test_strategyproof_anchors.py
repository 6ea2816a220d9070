"""The claim about rules on the line: its verdict follows from what it finds, which is right on small cases."""

import pytest
import torch

from experiments import strategyproof_anchors
from experiments.line_learning import NETWORK, Learning, Task, learn, scored
from experiments.line_profiles import every_profile, known_place, play_mean, uniform_phantom_welfare, worst
from experiments.strategyproof_anchors import EXACT, SUPREMUM, Anchor, claim
from mechanism.baselines.line import KNOWN


def test_every_profile_of_a_grid():
    profiles = every_profile(3, 4)
    assert len(profiles) == 35  # 7 choose 3
    assert len({tuple(row) for row in profiles.tolist()}) == 35
    assert bool((profiles.diff(dim=1) >= 0).all())


def test_the_worst_of_the_median_and_of_the_uniform_phantom_for_three():
    median, phantom = (worst(name, every_profile(3, 12)) for name in ("median", "uniform_phantom"))
    assert (median.welfare, median.total_cost, median.farthest) == pytest.approx((1, 1, 2))
    assert (phantom.welfare, phantom.total_cost, phantom.farthest) == pytest.approx((1.2, 2, 2))
    assert not median.axioms["IFS"]
    assert all(phantom.axioms.values())


@pytest.mark.parametrize("n", [7, 8, 20])
def test_the_worst_of_the_uniform_phantom_is_with_everyone_at_an_end(n: int):
    profiles = torch.rand(20_000, n, generator=torch.Generator().manual_seed(n)).double().sort(-1).values
    assert worst("uniform_phantom", profiles).welfare <= uniform_phantom_welfare(n) <= SUPREMUM


def test_play_against_the_mean_ends_at_the_uniform_phantom():
    homes = torch.tensor([[0.1, 0.2, 0.9], [0.0, 0.0, 1.0], [0.3, 0.3, 0.3]]).double()
    assert known_place("uniform_phantom", homes).tolist() == pytest.approx([1 / 3, 1 / 3, 0.3])
    ended = play_mean(homes)
    assert ended.gap < 1e-9
    assert ended.regret < 1e-9
    assert ended.gap_of_truth == pytest.approx(0.4 - 1 / 3)


def test_a_learned_median_is_the_median():
    """With one facility the best that phantoms can do is the median."""
    task = Task(3, 1, "phantoms", 0.0)
    rule = learn(task, Learning(steps=150, profiles=256, starts=2), 0)
    profiles = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)).double()
    found = scored(task, rule, profiles, 100, torch.linspace(0, 1, 11).double())
    median = (known_place("median", profiles)[:, None] - profiles).abs().mean()
    assert found.cost == pytest.approx(float(median), rel=0.02)
    assert found.regret <= 1e-12
    assert len(found.parameters) == 1


def test_a_penalty_makes_a_network_harder_to_lie_to():
    profiles = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)).double()
    regrets = list[float]()
    for penalty in (0.0, 2.0):
        task = Task(3, 2, NETWORK, penalty)
        rule = learn(task, Learning(steps=150, profiles=128, judged=32, starts=1), 1)
        regrets.append(scored(task, rule, profiles, 200, torch.linspace(0, 1, 11).double()).mean_regret)
    assert regrets[1] < 0.5 * regrets[0]


def test_a_smoke_run_has_every_kind_of_anchor():
    outcome = claim(smoke=True)
    names = [anchor["name"] for anchor in outcome.figures["anchors"]]  # type: ignore[index, union-attr]
    assert all(any(name.startswith(rule) for name in names) for rule in KNOWN)
    assert all(any(part in name for name in names) for part in ("UFS", "welfare ratio up to", "regret", "optimum"))
    assert outcome.passed == all(anchor["met"] for anchor in outcome.figures["anchors"])  # type: ignore[index, union-attr]


def test_one_anchor_that_is_missed_fails_the_claim(monkeypatch: pytest.MonkeyPatch):
    for found, passed in ((1.0, True), (1.0 + 2 * EXACT, False)):
        anchors = [Anchor("median", 1.0, 1.0, EXACT), Anchor("mean", found, 1.0, EXACT)]
        monkeypatch.setattr(strategyproof_anchors, "_anchors", lambda scale, anchors=anchors: iter(anchors))
        outcome = claim(smoke=True)  # and the learned phantoms
        assert outcome.passed is passed
        assert outcome.figure.startswith("3 of 3 anchors;" if passed else "2 of 3 anchors (not mean);")
