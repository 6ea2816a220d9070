"""What was learned with few people, used with others and with more of them."""

from dataclasses import replace

import pytest
import torch

from experiments.people_not_in_training import Size, place, town
from experiments.town_scale import small, swm_budget
from learning.draws import draws
from mechanism.explore import RandomRules
from mechanism.swm_ap import Outcome, SWMSettings, swm_ap
from mechanism.transfer import as_it_is, carried, imagined_anew
from societies.base import Episode, PublicStep
from societies.library.facility8 import society as facility8
from world_model.fit import quiet
from world_model.model import ModelSettings, WorldModel

TINY: SWMSettings = small().swm


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return swm_ap(place(4, 0, 2).training, swm_budget(TINY, 3), 0, quiet)


def doubled(episode: Episode, step: int) -> tuple[PublicStep, PublicStep]:
    """The same moment, and that of a town in which everyone lives twice."""
    state, before = episode.features[:, step], episode.features[:, step - 1]
    rules, last = episode.mechanism[:, step - 1], (episode.response[:, step - 1], episode.choice[:, step - 1])
    once = PublicStep(step, state, before, rules, *last)
    return once, PublicStep(
        step, *(x.repeat(1, 2, 1) for x in (state, before)), rules, *(x.repeat(1, 2, 1) for x in last)
    )


def test_a_town_in_which_everyone_lives_twice_gets_the_same_rules(outcome: Outcome):
    few = place(4, 1, 2).training
    episode = few.play(RandomRules(few.society, draws(0, 0, 5)), 0, 5)
    model = carried(outcome.model, TINY, town(8))
    larger = as_it_is(outcome.learned, model, town(8))
    once, twice = doubled(episode, 1)
    seen = outcome.learned.watch(outcome.learned.start(5), once)[1]
    seen_twice = larger.watch(larger.start(5), twice)[1]
    assert seen_twice.shape[1] == 2 * seen.shape[1]
    with torch.no_grad():
        torch.testing.assert_close(larger.policy.evaluate(seen_twice, _first(seen))[0], _chance(outcome, seen))


def _first(seen: torch.Tensor) -> torch.Tensor:
    return torch.eye(49)[:1].expand(len(seen), -1)


def _chance(outcome: Outcome, seen: torch.Tensor) -> torch.Tensor:
    return outcome.learned.policy.evaluate(seen, _first(seen))[0]


def test_rules_learned_anew_ask_nobody(outcome: Outcome, monkeypatch: pytest.MonkeyPatch):
    there = place(8, 0, 2).training
    model = carried(outcome.model, TINY, there.society)
    monkeypatch.setattr(type(there), "play_sealed", lambda *_: pytest.fail("somebody was asked"))
    learned = imagined_anew(there, model, TINY, 0, quiet)
    assert learned.society.agents == 8


def test_what_cannot_go_along_is_refused(outcome: Outcome):
    with pytest.raises(ValueError, match="facility8 tells other things"):
        carried(outcome.model, TINY, facility8())
    joint = replace(TINY, model=ModelSettings(latent="joint", form="mlp", traits=2, members=2))
    with pytest.raises(ValueError, match="one roster's size"):
        carried(WorldModel(town(4), joint.model, 0), joint, town(8))


def test_every_size_learns_from_as_many_real_decisions():
    size = Size()
    assert {size.decisions % (n * town(n).steps) for n in size.people} == {0}
