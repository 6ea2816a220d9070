"""The online trait tracker: sums that forget order, and agents that are told apart by what they did only."""

import torch
from torch import Tensor
from torch.distributions import LowRankMultivariateNormal, Normal

from world_model.traits import LARGEST_SHARE, Belief, Tracker

B, T, N, X, V, Z, C = 3, 4, 5, 7, 1, 2, 3


def tracker() -> Tracker:
    made = Tracker(X, V, Z, C, 16, torch.Generator().manual_seed(0))
    with torch.no_grad():
        made.read[-1].weight.mul_(10)  # type: ignore[operator, union-attr]  # an untrained one hardly answers
    return made


def some(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


EVIDENCE, COVARIATES = some(B, T, N, X), some(B, N, V, seed=2)


def test_agents_in_another_order_are_believed_the_same():
    order = torch.tensor([2, 4, 0, 3, 1])
    straight = tracker().beliefs(EVIDENCE, COVARIATES)
    moved = tracker().beliefs(EVIDENCE[:, :, order], COVARIATES[:, order])
    torch.testing.assert_close(moved.mean, straight.mean[:, :, order])
    torch.testing.assert_close(moved.log_sd, straight.log_sd[:, :, order])


def test_the_order_of_evidence_does_not_matter():
    straight = tracker().beliefs(EVIDENCE, COVARIATES)
    backwards = tracker().beliefs(EVIDENCE.flip(1), COVARIATES)
    torch.testing.assert_close(backwards.mean[:, -1], straight.mean[:, -1])
    assert float((backwards.mean[:, 0] - straight.mean[:, 0]).detach().abs().max()) > 0.01


def test_the_future_is_not_read():
    later = EVIDENCE.clone()
    later[:, 2:] = 9.0
    now, then = tracker().beliefs(EVIDENCE, COVARIATES), tracker().beliefs(later, COVARIATES)
    assert torch.equal(now.mean[:, :2], then.mean[:, :2])
    assert float((now.mean[:, 2:] - then.mean[:, 2:]).detach().abs().max()) > 0.01


def test_one_persons_replies_tell_of_that_person_most_and_of_the_others_a_little():
    other = EVIDENCE.clone()
    other[:, :, 0] += 2.0
    moved = (tracker().beliefs(other, COVARIATES).mean - tracker().beliefs(EVIDENCE, COVARIATES).mean).detach().abs()
    own, rest = moved[:, :, 0].mean(), moved[:, :, 1:].mean()
    assert float(rest) > 1e-4
    assert float(own) > 1.5 * float(rest)


def test_worlds_do_not_touch_each_other():
    other = EVIDENCE.clone()
    other[0] += 1.0
    moved = (tracker().beliefs(other, COVARIATES).mean - tracker().beliefs(EVIDENCE, COVARIATES).mean).detach().abs()
    assert float(moved[0].max()) > 0.01
    assert torch.equal(moved[1:], torch.zeros_like(moved[1:]))


def test_running_sums_say_the_same_as_whole_histories():
    made, total = tracker(), torch.zeros(B, N, 16)
    whole = made.beliefs(EVIDENCE, COVARIATES)
    for t in range(T):
        total = total + made.encode(EVIDENCE[:, t])
        running = made(total, torch.full((B,), t + 1.0), COVARIATES)
        torch.testing.assert_close(running.mean, whole.mean[:, t])
        torch.testing.assert_close(running.log_sd, whole.log_sd[:, t])


def some_belief() -> Belief:
    return Belief(some(N, Z), some(N, Z, seed=3), 0.3 * some(N, Z, C, seed=6))


def test_density_agrees_with_torch_distributions():
    belief, z = some_belief(), some(N, Z, seed=4)
    expected = -Normal(belief.mean, belief.log_sd.exp()).log_prob(z).sum(-1)
    constant = Z * 0.5 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(belief.nll(z) + constant, expected)


def test_the_dependence_of_a_roster_agrees_with_torch_distributions():
    belief, z = some_belief(), some(N, Z, seed=4)
    own = (1 - belief.shared.square().sum(-1)).flatten()
    joint = LowRankMultivariateNormal(torch.zeros(N * Z), belief.shared.flatten(0, 1), own)
    standard = ((z - belief.mean) / belief.log_sd.exp()).flatten()
    constant = Z * 0.5 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(belief.dependence_nll(z) + constant, -joint.log_prob(standard) / N)


def test_a_belief_draws_what_it_believes():
    belief, worlds = some_belief(), 200_000
    drawn = belief.draw(some(worlds, C, seed=7), some(worlds, N, Z, seed=8))
    sd = belief.log_sd.exp().flatten()
    correlation = torch.corrcoef(drawn.flatten(1).T)
    expected = (belief.shared.flatten(0, 1) @ belief.shared.flatten(0, 1).T).fill_diagonal_(1.0)
    torch.testing.assert_close(drawn.mean(0), belief.mean, atol=0.02, rtol=0.0)
    torch.testing.assert_close(drawn.flatten(1).std(0), sd, atol=0.0, rtol=0.02)
    torch.testing.assert_close(correlation, expected, atol=0.01, rtol=0.0)


def test_however_much_is_shared_everyone_keeps_something_of_their_own():
    made = tracker()
    with torch.no_grad():
        made.read[-1].bias.add_(50.0)  # type: ignore[operator, union-attr]
        shared = made.beliefs(EVIDENCE, COVARIATES).shared
    assert shared.shape == (B, T, N, Z, C)
    assert LARGEST_SHARE - 0.01 < float(shared.square().sum(-1).max()) <= LARGEST_SHARE + 1e-6
