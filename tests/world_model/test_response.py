"""Response heads: distributions, members that do not touch each other, and no place in line that matters."""

import pytest
import torch
from torch import Tensor

from world_model.response import Form, MLPHead, Sizes, UtilityHead, make_head

FORMS: list[Form] = ["utility", "mlp"]
SIZES = Sizes(members=3, choices=5, prospects=4, state=2, traits=2, hidden=8)


def head(form: Form) -> UtilityHead | MLPHead:
    return make_head(form, SIZES, torch.Generator().manual_seed(0))


def situation(worlds: int = 4, agents: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Prospects [S, B, N, K, D], state [S, B, N, F], z [S, B, N, Z]."""
    generator = torch.Generator().manual_seed(1)
    shapes = ((SIZES.choices, SIZES.prospects), (SIZES.state,), (SIZES.traits,))
    a, b, c = (torch.randn(SIZES.members, worlds, agents, *s, generator=generator) for s in shapes)
    return a, b, c


@pytest.mark.parametrize("form", FORMS)
def test_probabilities_sum_to_one(form: Form):
    log_p = head(form)(*situation())
    assert log_p.shape == (3, 4, 6, 5)
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(3, 4, 6))
    assert float((log_p[0] - log_p[1]).detach().abs().max()) > 0.05  # the members are not copies of each other


@pytest.mark.parametrize("form", FORMS)
def test_a_member_answers_alone(form: Form):
    """Changing one member's weights changes no other member's answers."""
    model = head(form)
    before = model(*situation())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter[1] += 0.3
    changed = (model(*situation()) - before).detach().abs().amax((1, 2, 3))
    assert float(changed[1]) > 0.01
    assert torch.equal(changed[[0, 2]], torch.zeros(2))


@pytest.mark.parametrize("form", FORMS)
def test_a_member_learns_alone(form: Form):
    model = head(form)
    model(*situation())[2].exp()[..., 0].sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert torch.equal(parameter.grad[:2], torch.zeros_like(parameter.grad[:2]))


@pytest.mark.parametrize("form", FORMS)
def test_agents_in_another_order_get_their_own_answers(form: Form):
    prospects, state, z = situation()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    moved = head(form)(prospects[:, :, order], state[:, :, order], z[:, :, order])
    torch.testing.assert_close(moved, head(form)(prospects, state, z)[:, :, order])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_prospects_state_and_trait_all_matter(form: Form, which: int):
    inputs = list(situation())
    before = head(form)(*inputs)
    inputs[which] = inputs[which] + torch.randn(inputs[which].shape, generator=torch.Generator().manual_seed(9))
    assert float((head(form)(*inputs) - before).detach().abs().max()) > 0.02


def test_a_choice_is_weighed_by_its_own_prospects():
    """In the utility form, what one choice brings moves its odds against the others, never the odds among those."""
    prospects, state, z = situation()
    better = prospects.clone()
    better[..., 2, :] += 1.0
    change = head("utility")(better, state, z) - head("utility")(prospects, state, z)  # [S, B, N, K]
    rest = change[..., [0, 1, 3, 4]]
    torch.testing.assert_close(rest, rest[..., :1].expand_as(rest), atol=1e-5, rtol=0)
    assert float((change[..., 2] - rest[..., 0]).detach().abs().max()) > 0.05


def test_an_unknown_form_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'forest'.*utility.*mlp"):
        make_head("forest", SIZES, torch.Generator())  # type: ignore[arg-type]
