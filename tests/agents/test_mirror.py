"""Mirror descent as a way to live: it rests in the quantal response, sooner or later, sharper or blunter."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agents.base import Round
from agents.mirror import MirrorPopulation, MirrorSettings
from learning.draws import draws
from tests.towns import four_players

UTILITY = torch.tensor([[[1.0, 0.0, 3.0], [0.0, 2.0, 0.0], [-1.0, 0.0, 0.5], [0.0, 0.0, 0.0]]])  # [1, N, K]


def round_at(step: int, open_: Tensor | None = None) -> Round:
    choices = torch.ones(1, 4, 3, dtype=torch.bool) if open_ is None else open_
    told = UTILITY.masked_fill(~choices, -60.0).log_softmax(-1)
    return Round(step, lambda: UTILITY, choices, four_players(), lambda w, n: pytest.fail("asked"), lambda: told)


def after(people: MirrorPopulation, steps: int, open_: Tensor | None = None) -> Tensor:
    """[N, K] log-probabilities in the last of so many steps of the same round."""
    memory, d = people.start(four_players()), draws(0, 0, 1)
    for step in range(steps):
        memory, decisions = people.decide(memory, round_at(step, open_), d)
    assert decisions.log_probs is not None
    return decisions.log_probs[0]


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_they_come_to_rest_in_the_quantal_response(temperature: float) -> None:
    people = MirrorPopulation(MirrorSettings(temperature, 0.0, 0.5))
    torch.testing.assert_close(after(people, 400), (UTILITY[0] / temperature).log_softmax(-1), atol=1e-4, rtol=0)


def test_the_step_is_how_fast() -> None:
    slow, fast = (after(MirrorPopulation(MirrorSettings(1.0, 0.0, step)), 2) for step in (0.1, 1e6))
    torch.testing.assert_close(fast, UTILITY[0].log_softmax(-1), atol=1e-4, rtol=0)
    far = (slow - UTILITY[0].log_softmax(-1)).abs().amax(-1)[:3]
    assert bool((far > 0.3).all())
    torch.testing.assert_close(slow[3].exp(), torch.full((3,), 1 / 3))


def test_one_step_by_hand() -> None:
    """From even chances: log p' = step q / (1 + step temperature) + constant."""
    told = after(MirrorPopulation(MirrorSettings(2.0, 0.0, 0.5)), 1)
    torch.testing.assert_close(told, (0.5 * UTILITY[0] / (1 + 0.5 * 2.0)).log_softmax(-1))


def test_what_is_shut_has_no_chance_and_comes_back_when_it_opens() -> None:
    people, open_ = MirrorPopulation(MirrorSettings(1.0, 0.0, 1.0)), torch.ones(1, 4, 3, dtype=torch.bool)
    open_[..., 2] = False
    assert float(after(people, 3, open_)[:, 2].max()) < -50
    memory, d = people.start(four_players()), draws(0, 0, 1)
    for step, choices in enumerate([open_, *[torch.ones_like(open_)] * 60]):
        memory, decisions = people.decide(memory, round_at(step, choices), d)
    assert decisions.log_probs is not None
    torch.testing.assert_close(decisions.log_probs, UTILITY.log_softmax(-1), atol=1e-3, rtol=0)


def test_people_differ_in_how_rational_they_are_and_stay_so() -> None:
    people, d = MirrorPopulation(MirrorSettings(1.0, 0.5)), draws(0, 0, 500)
    heat = people.temperatures(four_players(), d)
    assert heat.shape == (500, 4)
    assert float(heat.log().std()) == pytest.approx(0.5, abs=0.03)
    assert torch.equal(heat, people.temperatures(four_players(), d))


@pytest.mark.parametrize(("name", "value"), [("temperature", 0.0), ("step", float("inf")), ("spread", -1.0)])
def test_settings_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value}"):
        MirrorPopulation(replace(MirrorSettings(), **{name: value}))
