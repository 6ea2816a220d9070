"""The loop: what it costs, when it goes on, that it resumes, and that it finds a known best rate."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from learning.ppo import PPOSettings
from mechanism.dreams import Dreams
from mechanism.improve import ImproveSettings
from mechanism.search import SearchSettings
from mechanism.swm_ap import Outcome, SWMSettings, imagined_episodes, made_now, most_episodes, swm_ap
from societies.base import Principal
from societies.stage import Stage
from tests.world_model.island import BEST_RATE, Counting, Island, Islanders, Objective, assert_is_an_episode
from world_model.fit import FitSettings, quiet
from world_model.imagine import Dream
from world_model.model import ModelSettings

TINY = SWMSettings(
    first_episodes=4,
    mixed_episodes=0,
    later_episodes=3,
    check_episodes=1,
    rounds=3,
    base_worlds=4,
    base_search=SearchSettings(generations=2, candidates=4),
    tracker_worlds=6,
    model=ModelSettings(members=2, traits=1, community=1, hidden=4, tracker_hidden=4),
    fit=FitSettings(steps=4, batch=2, tracker_steps=3),
    improve=ImproveSettings(iterations=2, worlds=4, ppo=PPOSettings(epochs=1, minibatches=2)),
)
NEVER, ALWAYS = replace(TINY, gap=-1.0), replace(TINY, gap=10.0)


def place(objective: Objective = "revenue", soft: bool = True) -> tuple[Stage, Counting]:
    people = Counting(soft)
    return Stage(Island(objective, steps=3), people, Islanders(), 0), people


def rates(outcome: Outcome, here: Stage) -> Tensor:
    with torch.no_grad():
        return here.play(outcome.learned, 7000, 20).mechanism[:, 1:, 0]


@pytest.mark.parametrize(("settings", "rounds"), [(ALWAYS, 1), (NEVER, 3), (replace(NEVER, rounds=1), 1)])
def test_the_gate_stops_when_gains_agree_and_refits_until_the_rounds_are_spent(settings: SWMSettings, rounds: int):
    here, people = place()
    outcome = swm_ap(here, settings, 0, quiet)
    assert len(outcome.checks) == rounds
    spent = people.decisions // here.decisions_per_episode
    assert spent == len(outcome.episodes.ids) == outcome.checks[-1].real_episodes
    assert spent == 4 + 2 * rounds + 3 * (rounds - 1) <= most_episodes(settings)
    assert outcome.imagined_episodes == rounds * imagined_episodes(settings)
    assert_is_an_episode(here.society, outcome.episodes)


def test_every_round_spent_costs_exactly_what_was_announced():
    here, people = place()
    swm_ap(here, NEVER, 0, quiet)
    assert people.decisions == most_episodes(NEVER) * here.decisions_per_episode


def test_ppo_ends_on_real_episodes_of_its_own_which_are_counted_and_named_apart():
    here, people = place()
    mixed = replace(NEVER, rounds=2, mixed_episodes=2)
    outcome = swm_ap(here, mixed, 0, quiet)
    assert len(outcome.episodes.ids) == 4 + 2 * 2 + 3
    assert outcome.real_episodes == len(outcome.episodes.ids) + 2 * 2 == most_episodes(mixed)
    assert people.decisions == outcome.real_episodes * here.decisions_per_episode
    assert outcome.episodes.ids.tolist() == [0, 1, 2, 3, 6, 6, 8, 9, 10, 13, 13]  # 4, 5 and 11, 12 went to PPO


def test_back_propagation_spends_no_real_episodes_on_learning_rules():
    here, people = place()
    outcome = swm_ap(here, replace(TINY, check_episodes=0, mixed_episodes=2, optimizer="backprop"), 0, quiet)
    assert people.decisions == 4 * here.decisions_per_episode
    assert outcome.real_episodes == 4


def test_dream_and_life_agree_where_people_do_not_matter():
    """In the quadratic objective a rate is worth the same in both, so that the first check is passed, if narrowly."""
    here, _ = place("quadratic")
    outcome = swm_ap(here, replace(TINY, gap=0.003), 0, quiet)
    [check] = outcome.checks
    assert check.dreamt_gain == pytest.approx(check.real_gain, abs=0.003)
    assert check.dreamt_level == pytest.approx(check.real_level, abs=0.003)


def test_without_checks_only_the_first_episodes_are_spent():
    here, people = place()
    outcome = swm_ap(here, replace(TINY, check_episodes=0), 0, quiet)
    assert outcome.checks == ()
    assert people.decisions == 4 * here.decisions_per_episode


def test_imagined_episodes_are_counted(monkeypatch: pytest.MonkeyPatch):
    dreamt, dream = list[int](), Dreams.dream

    def noted(self: Dreams, principal: Principal, start: int, worlds: int, copies: int = 1) -> Dream:
        dreamt.append(worlds)
        return dream(self, principal, start, worlds, copies)

    monkeypatch.setattr(Dreams, "dream", noted)
    outcome = swm_ap(place()[0], replace(TINY, check_episodes=0), 0, quiet)
    assert outcome.imagined_episodes == sum(dreamt)


def test_a_refit_reads_every_episode_so_far(monkeypatch: pytest.MonkeyPatch):
    seen = list[int]()

    def keep(name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        if name.startswith("people"):
            seen.append(len(make.args[1].ids))  # type: ignore[attr-defined]  # partial(learn_people, dreams, episodes, ...)
        return make()

    swm_ap(place()[0], NEVER, 0, quiet, keep)
    assert seen == [4, 4 + 2 + 3, 4 + 2 * (2 + 3)]


def test_the_check_plays_policy_and_base_before_the_same_people():
    here, _ = place()
    outcome = swm_ap(here, ALWAYS, 0, quiet)
    checked = outcome.episodes.features[4:]  # the pair
    assert torch.equal(checked[0, 0], checked[1, 0])
    assert torch.equal(outcome.episodes.action[4, 0], outcome.episodes.action[5, 0])  # the warm-up, by the same draws
    gain = outcome.episodes.returns()[4] - outcome.episodes.returns()[5]
    assert outcome.checks[0].real_gain == pytest.approx(float(gain), abs=1e-6)


class Killed(Exception):
    pass


class Shelf:
    """Keeps weights as bytes, as a run folder does, and dies after so many stages."""

    def __init__(self) -> None:
        self.kept = dict[str, bytes]()
        self.left = 10**9

    def keep(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        if name not in self.kept:
            if self.left == 0:
                raise Killed
            self.left -= 1
            self.kept[name] = save({k: v.contiguous() for k, v in make().items()})
        return load(self.kept[name])


def same(one: Outcome, two: Outcome) -> bool:
    """Equal to the last bit: weights, checks and what was lived."""
    weights = [(a.learned.policy.state_dict(), b.learned.policy.state_dict()) for a, b in [(one, two)]]
    weights += [(one.model.state_dict(), two.model.state_dict())]
    alike = all(torch.equal(a[name], b[name]) for a, b in weights for name in a)
    lived = torch.equal(one.episodes.action, two.episodes.action)
    return alike and lived and one.checks == two.checks and one.imagined_episodes == two.imagined_episodes


TWICE = replace(NEVER, rounds=2)


@pytest.fixture(scope="module", name="whole")
def _whole() -> Outcome:
    return swm_ap(place()[0], TWICE, 0, quiet)


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_killed_loop_ends_as_if_it_had_never_been(done: int, whole: Outcome):
    shelf, settings = Shelf(), TWICE
    shelf.left = done
    with pytest.raises(Killed):
        swm_ap(place()[0], settings, 0, quiet, shelf.keep)
    shelf.left = 10**9
    assert same(swm_ap(place()[0], settings, 0, quiet, shelf.keep), whole)
    assert sorted(shelf.kept) == ["people-0", "people-1", "rules-0", "rules-1"]
    nothing_new = replace(settings, improve=replace(settings.improve, iterations=10**9))  # would never end if made anew
    again = swm_ap(place()[0], nothing_new, 0, quiet, shelf.keep)
    assert torch.equal(again.learned.policy.base, whole.learned.policy.base)


def test_the_seed_decides_the_outcome():
    one, two, other = (swm_ap(place()[0], ALWAYS, seed, quiet, made_now) for seed in (0, 0, 1))
    assert same(one, two)
    assert not same(one, other)


@pytest.mark.parametrize("soft", [True, False])
def test_dreams_reply_as_the_real_people_do(soft: bool):
    here, _ = place(soft=soft)
    outcome = swm_ap(here, replace(TINY, check_episodes=0), 0, quiet)
    assert outcome.episodes.soft is soft


def test_the_ablation_without_beliefs_sees_none():
    outcome = swm_ap(place()[0], replace(ALWAYS, beliefs="none"), 0, quiet)
    full = swm_ap(place()[0], ALWAYS, 0, quiet)
    assert outcome.learned.observer.model is None
    assert full.learned.observer.size - outcome.learned.observer.size == 3  # one trait: mean, times skill, spread


@pytest.mark.parametrize("optimizer", ["ppo", "backprop"])
def test_the_best_rate_is_found_from_few_real_episodes(optimizer: str):
    settings = replace(
        TINY,
        optimizer=optimizer,
        base_search=SearchSettings(generations=8, candidates=6),
        improve=ImproveSettings(iterations=8, worlds=20, ppo=PPOSettings(learning_rate=3e-3)),
        check_episodes=0,
    )
    here, people = place("quadratic")
    outcome = swm_ap(here, settings, 0, quiet)
    assert people.decisions == 4 * here.decisions_per_episode
    assert float(rates(outcome, here).mean()) == pytest.approx(BEST_RATE, abs=0.03)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (replace(TINY, base_worlds=5), r"base_worlds is 5; make it a multiple of 2"),
        (replace(TINY, improve=replace(TINY.improve, worlds=6, copies=2)), r"improve\.worlds is 6.*multiple of 4"),
        (replace(TINY, base_worlds=0), r"base_worlds is 0"),
    ],
)
def test_worlds_that_cannot_be_shared_out_are_refused_before_anybody_is_asked(settings: SWMSettings, told: str):
    here, people = place()
    with pytest.raises(ValueError, match=told):
        swm_ap(here, settings, 0, quiet)
    assert people.decisions == 0


def test_ensembles_of_other_sizes_can_be_checked():
    """A check dreams as many worlds as can be shared out, whatever the number of members."""
    sizes = replace(TINY.model, members=3)
    settings = replace(ALWAYS, model=sizes, base_worlds=3, improve=replace(TINY.improve, worlds=6))
    assert len(swm_ap(place()[0], settings, 0, quiet).checks) == 1


def test_a_fit_sets_out_from_a_world_model_of_other_people() -> None:
    here, _ = place()
    other = swm_ap(here, replace(ALWAYS, first_episodes=6), 3, quiet).model.state_dict()
    still = replace(ALWAYS, fit=replace(TINY.fit, steps=1, learning_rate=1e-9, tracker_rate=1e-9))
    head = {name: value for name, value in other.items() if name.startswith(("head", "scaler"))}
    assert head
    near = swm_ap(here, still, 0, quiet, known=other).model.state_dict()
    assert all(torch.allclose(near[name], value, atol=1e-6) for name, value in head.items())
    afresh = swm_ap(here, still, 0, quiet).model.state_dict()
    assert any(not torch.allclose(afresh[name], value, atol=1e-3) for name, value in head.items())
