"""Trained policies: what they read, what they may choose, and how they are kept."""

from pathlib import Path

import pytest
import torch

from agents.rl import RARE, SHUT, Policy, RLPopulation, Sizes, load_policy, save_policy
from tests.towns import three_neighbours

STREET = Sizes("street", 6, 2, 5, (), ("position", "honesty"), hidden=8)


def policy(sizes: Sizes = STREET) -> Policy:
    made = Policy(sizes, 0)
    with torch.no_grad():
        made.network[-1].weight.mul_(300)  # type: ignore[operator]  # as sharp as after some training
    made.normaliser.update(torch.randn(50, sizes.inputs, generator=torch.Generator().manual_seed(0)))
    return made


def inputs(made: Policy) -> torch.Tensor:
    view = torch.tensor([[[10.0, -1.0], [42.0, -1.0], [80.0, 3.0]]])
    return made.read(view, three_neighbours(), 2)


def test_it_comes_back_from_its_file_bit_for_bit(tmp_path: Path) -> None:
    made, file = policy(), tmp_path / "people.safetensors"
    save_policy(made, file)
    again, open_ = load_policy(file), torch.ones(1, 3, 5, dtype=torch.bool)
    assert again.sizes == STREET
    assert torch.equal(made.log_probs(inputs(made), open_), again.log_probs(inputs(again), open_))


def test_what_is_shut_has_no_chance(tmp_path: Path) -> None:
    made = policy()
    open_ = torch.tensor([[[True] * 5, [False, True, False, True, False], [False] * 5]])
    chances = made.log_probs(inputs(made), open_).exp()
    torch.testing.assert_close(chances.sum(-1), torch.tensor([[1.0, 1.0, 0.0]]))
    assert not chances[~open_].any()


def test_slips_are_left_out_and_the_rest_keeps_its_odds() -> None:
    made = policy()
    open_ = torch.ones(1, 3, 5, dtype=torch.bool)
    tried, played = made.log_probs(inputs(made), open_), RLPopulation(made).log_probs(inputs(made), open_)
    rare = tried.exp() <= RARE * tried.exp().amax(-1, keepdim=True)
    assert rare.any()
    assert torch.equal(played == SHUT, rare)
    shift = (played - tried).masked_fill(rare, 0).amax(-1, keepdim=True)
    torch.testing.assert_close((played - tried)[~rare], shift.expand_as(rare)[~rare])


def test_the_inputs_are_the_view_oneself_and_the_date() -> None:
    made = policy()
    x = inputs(made)
    assert x.shape == (1, 3, STREET.inputs)
    logarithms = torch.tensor([43.0, 2.0]).log() * torch.tensor([1, -1])
    torch.testing.assert_close(x[0, 1, :4], torch.cat([torch.tensor([42.0, -1.0]), logarithms]))
    torch.testing.assert_close(x[0, 1, 4:], torch.tensor([0.42, 0.05, 2 / 6]))


def test_views_of_another_length_are_refused() -> None:
    made = policy()
    with pytest.raises(ValueError, match="views of 2 numbers and see 3"):
        made.read(torch.zeros(1, 3, 3), three_neighbours(), 0)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    file, broken = tmp_path / "people.safetensors", policy()
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    save_policy(broken, file)
    with pytest.raises(ValueError, match="not all finite"):
        load_policy(file)


@pytest.mark.parametrize("content", [None, b"", b"not tensors at all"])
def test_a_file_that_holds_no_people_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "people.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"people\.safetensors holds no RL people"):
        load_policy(file)
