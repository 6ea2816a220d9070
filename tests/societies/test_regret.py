"""The regret meter, on rules whose regret is known, of this society and of others."""

import pytest
import torch
from torch import Tensor

from societies.line_rules import distances, weighted
from societies.regret import regret

GRID = torch.linspace(0, 1, 101).double()


def mean(rules: Tensor, reports: Tensor) -> Tensor:
    return weighted(rules[:, None], reports)


def test_the_mean_is_worth_lying_to():
    truth, rules = torch.tensor([[0.25, 0.0, 0.0, 0.0]]).double(), torch.ones(1, 4).double()
    found = regret(mean, distances, rules, truth, GRID)[0]
    assert found.tolist() == pytest.approx(
        [3 / 16, 0, 0, 0]
    )  # the one at 1/n says 1; the others are at the end already


def test_an_equilibrium_has_none_where_the_truth_has_some():
    truth, rules = torch.tensor([[0.2, 0.3, 0.9]]).double(), torch.ones(1, 3).double()
    assert float(regret(mean, distances, rules, truth, GRID).max()) > 0.1
    told = torch.tensor([[0.0, 0.0, 1.0]]).double()  # the mean is 1/3, the Uniform Phantom's place
    assert regret(mean, distances, rules, truth, GRID, told)[0].tolist() == pytest.approx([0, 1 / 30 - 1 / 30, 0])


def auction(rank: int):
    """One good goes to the highest bid, for the bid of that rank, 0 = its own. Outcome [B, 2 N]: who, at what price."""

    def settle(rules: Tensor, bids: Tensor) -> Tensor:
        price = bids.sort(-1, descending=True).values[:, rank] * rules[:, 0]
        won = torch.nn.functional.one_hot(bids.argmax(-1), bids.shape[1]).to(bids.dtype)
        return torch.cat([won, won * price[:, None]], -1)

    return settle


def paid_less_worth(outcome: Tensor, worth: Tensor) -> Tensor:
    won, paid = outcome.chunk(2, -1)
    return paid - won * worth


def test_it_measures_any_society_in_which_people_report():
    worth, rules = torch.tensor([[0.8, 0.5, 0.1], [0.3, 0.6, 0.2]]).double(), torch.ones(2, 1).double()
    assert not regret(auction(1), paid_less_worth, rules, worth, GRID).any()
    found = regret(auction(0), paid_less_worth, rules, worth, GRID)  # to bid a little more than the second pays
    assert found.tolist() == [pytest.approx([0.3, 0, 0], abs=0.011), pytest.approx([0, 0.3, 0], abs=0.011)]


def test_everyone_may_have_misreports_of_their_own():
    truth, rules = torch.tensor([[0.25, 0.0, 0.0, 0.0]]).double(), torch.ones(1, 4).double()
    tries = torch.full((1, 4, 1), 0.5).double()
    assert float(regret(mean, distances, rules, truth, tries)[0, 0]) == pytest.approx(1 / 16)


def test_gradients_pass():
    truth, rules = torch.tensor([[0.25, 0.1, 0.0, 0.0]]).double(), torch.ones(1, 4).double().requires_grad_()
    (gradient,) = torch.autograd.grad(regret(mean, distances, rules, truth, GRID).sum(), rules)
    assert float(gradient.abs().sum()) > 0


@pytest.mark.parametrize(
    ("rules", "tries"), [(torch.ones(2, 4), torch.linspace(0, 1, 3)), (torch.ones(1, 4), torch.zeros(0))]
)
def test_what_cannot_be_measured_is_refused(rules: Tensor, tries: Tensor):
    with pytest.raises(ValueError, match=r"regret: \d rules for 1 profiles and \d misreports"):
        regret(mean, distances, rules, torch.zeros(1, 4), tries)


def test_reports_of_others_are_refused():
    rules, truth, tries = torch.ones(2, 3), torch.rand(2, 3), torch.tensor([0.0, 1.0])
    with pytest.raises(ValueError, match="one report for everyone"):
        regret(weighted, distances, rules, truth, tries, torch.rand(3, 3))
