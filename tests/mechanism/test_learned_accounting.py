"""The whole loop where the accounting must be learned: hidden welfare, and the paper's fully learned dynamics."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from learning.ppo import PPOSettings
from mechanism.improve import ImproveSettings
from mechanism.search import SearchSettings
from mechanism.swm_ap import Outcome, SWMSettings, swm_ap
from societies.play import Fixed
from societies.stage import Stage
from tests.world_model.hidden_island import hidden_stage
from tests.world_model.island import BEST_RATE, stage
from world_model.fit import FitSettings, quiet
from world_model.model import ModelSettings

SIZES = ModelSettings(members=2, traits=1, community=1, hidden=12, tracker_hidden=4)
SETTINGS = SWMSettings(
    first_episodes=16,
    check_episodes=0,
    base_worlds=20,
    base_search=SearchSettings(generations=4, candidates=5),
    tracker_worlds=6,
    model=SIZES,
    fit=FitSettings(steps=80, tracker_steps=3, accounting_steps=300),
    improve=ImproveSettings(iterations=6, worlds=20, ppo=PPOSettings(learning_rate=3e-3)),
)
FEW = replace(
    SETTINGS,
    first_episodes=3,
    check_episodes=1,
    base_search=SearchSettings(generations=1, candidates=4),
    fit=FitSettings(steps=3, batch=2, tracker_steps=2, accounting_steps=3),
    improve=ImproveSettings(iterations=1, worlds=4),
)


class Shelf:
    """Keeps weights as bytes, as a run folder does."""

    def __init__(self, reads_rules: bool = True) -> None:
        self.kept = dict[str, bytes]()
        self.reads_rules = reads_rules

    def keep(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        if name not in self.kept or (name.startswith("rules") and not self.reads_rules):
            self.kept[name] = save({k: v.contiguous() for k, v in make().items()})
        return load(self.kept[name])


def welfare(here: Stage, outcome: Outcome) -> float:
    with torch.no_grad():
        return float(here.play(outcome.learned, 7000, 100).returns().mean())


def best(here: Stage) -> dict[float, float]:
    """The welfare of every fixed rate before the same people, in life."""
    rates = [i / 10 for i in range(11)]
    return {r: float(here.play(Fixed(torch.tensor([r])), 7000, 100).returns().mean()) for r in rates}


def test_rules_are_learned_for_a_welfare_that_is_hidden():
    """From 16 episodes: nine tenths of the way from the default to the best fixed rate, found on the true society."""
    here, shelf, optimizers = hidden_stage(), Shelf(reads_rules=False), ("ppo", "backprop")
    levels = best(here)
    top, start = max(levels.values()), levels[0.2]
    assert top - start > 0.1
    for optimizer in optimizers:
        outcome = swm_ap(here, replace(SETTINGS, optimizer=optimizer), 0, quiet, shelf.keep)  # of the same people
        assert welfare(here, outcome) > start + 0.9 * (top - start), optimizer


def test_the_best_rate_is_found_with_fully_learned_dynamics():
    """Neither the rules of the island nor the formula of its objective are used in imagination."""
    here = stage("quadratic")
    settings = replace(SETTINGS, model=replace(SIZES, dynamics="learned"))
    outcome = swm_ap(here, settings, 0, quiet)
    with torch.no_grad():
        rates = here.play(outcome.learned, 7000, 20).mechanism[:, 1:, 0]
    assert float(rates.mean()) == pytest.approx(BEST_RATE, abs=0.06)


@pytest.mark.parametrize("dynamics", ["settled", "learned"])
def test_a_loop_that_is_started_again_reads_its_accounting_from_the_shelf(dynamics: Literal["settled", "learned"]):
    shelf = Shelf()
    settings = replace(FEW, model=replace(SIZES, dynamics=dynamics))
    one, two = (swm_ap(hidden_stage(3), settings, 0, quiet, shelf.keep) for _ in range(2))
    assert one.checks == two.checks
    weights = one.model.state_dict()
    assert any(name.startswith("accounting.") for name in weights)
    assert all(torch.equal(value, two.model.state_dict()[name]) for name, value in weights.items())
