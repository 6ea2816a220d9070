"""RL people come to what is known of best responses: the truth where it is dominant, lies where they pay."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agents.base import Decisions, Round
from agents.rl import RLPopulation
from agents.scripted import ScriptedPopulation
from learning.draws import Draws, draws
from mechanism.explore import VariedRules
from personas.people import People
from societies.base import Society
from societies.best_response import best_response, exploitability, train
from societies.library.income_tax import IncomeTax
from societies.library.matrix_game import society as matrix_game
from societies.line import FacilityLine
from societies.people_ppo import BestResponseSettings
from societies.play import Fixed, play
from tests.towns import rosters, town
from world_model.fit import quiet


def taught(society: Society, settings: BestResponseSettings, fixed: bool = False) -> RLPopulation:
    """RL people of small rosters, under the default rules or under many."""

    def rules(draws: Draws) -> VariedRules | Fixed:
        return Fixed(society.default_mechanism()) if fixed else VariedRules(society, draws)

    return RLPopulation(train(society, rosters(society), rules, settings, 0, quiet))


def test_they_exaggerate_to_the_mean() -> None:
    """That they tell the truth to medians is shown by docs/rl-people.md, and tested there."""
    street = FacilityLine("street", 3, family="weights", points=21)
    people = taught(street, BestResponseSettings(iterations=30, decisions=2000, hidden=32), fixed=True)
    there = town(street, 0, 100)
    e = play(street, people, there, Fixed(street.default_mechanism()), draws(3, 0, 100)).episode
    home, report, place = there.trait("position"), e.response[:, -1, :, 0], e.features[:, -1, :1, -1]
    pulling = (report - home) * (home - place)  # away from where the stall is, on one's own side of it
    far = (home - place).abs() > 0.1
    assert (pulling[far] > 0).float().mean() > 0.7
    assert (report - home).abs().mean() > 0.15


@pytest.fixture(scope="module")
def workers() -> RLPopulation:
    return taught(_town_of_8(), BestResponseSettings(iterations=40, decisions=3000, hidden=32))


def _town_of_8() -> IncomeTax:
    society = IncomeTax()
    society.agents = 8
    return society


def hours(people: RLPopulation, rate: float, trait: str = "", value: float = 0.5) -> float:
    """Mean hours a week in the counted years under one flat rate, where everyone has that value of a trait."""
    society = _town_of_8()
    here = town(society, 0, 30, 8)
    if trait:
        here = _with(here, trait, value)
    e = play(society, people, here, Fixed(torch.full((7,), rate)), draws(4, 0, 30)).episode
    return 40 * float(e.response[:, e.counted].mean())


def _with(people: People, trait: str, value: float) -> People:
    traits = people.traits.clone()
    traits[..., people.trait_names.index(trait)] = value
    return people.with_traits(traits)


def test_workers_answer_taxes_and_differ_by_their_traits(workers: RLPopulation) -> None:
    assert hours(workers, 0.1) > hours(workers, 0.5) + 1 > hours(workers, 0.9) + 3
    assert hours(workers, 0.3, "preferred_hours", 0.9) > hours(workers, 0.3, "preferred_hours", 0.1) + 3
    fall = {u: hours(workers, 0.1, "elasticity", u) - hours(workers, 0.8, "elasticity", u) for u in (0.1, 0.9)}
    assert fall[0.9] > fall[0.1]  # that is what elasticity means


def test_workers_earn_about_what_scripted_ones_do(workers: RLPopulation) -> None:
    society = _town_of_8()
    here, d = town(society, 0, 30, 8), draws(4, 0, 30)
    rl, scripted, untaught = (
        play(society, people, here, VariedRules(society, d), d).sealed.payoff.median()
        for people in (workers, ScriptedPopulation(), taught(society, BestResponseSettings(1, 100, 8)))
    )
    assert rl > scripted - 0.15
    assert untaught < scripted - 0.3


def test_the_same_seed_teaches_the_same() -> None:
    street = FacilityLine("street", 3, points=5)
    settings = BestResponseSettings(iterations=2, decisions=60, hidden=4)
    first, again = (taught(street, settings).policy.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


class _Shifts(FacilityLine):
    """Nobody is asked in odd weeks, and only even marks are ever open."""

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        open_ = super().choices(step, features, mechanism)
        return open_ & (torch.arange(open_.shape[-1]) % 2 == 0) & (step % 2 == 0)


def test_people_who_are_not_asked_decide_nothing_and_shut_choices_are_never_taken() -> None:
    street = _Shifts("street", 3, points=5)
    people = taught(street, BestResponseSettings(iterations=2, decisions=60, hidden=4))
    e = play(street, people, town(street, 0, 20), Fixed(street.default_mechanism()), draws(1, 0, 20)).episode
    assert (e.action[:, 1::2] == -1).all()
    assert (e.choice[:, 1::2] == 0).all()
    assert set(e.action[:, ::2].unique().tolist()) <= {0, 2, 4}


@pytest.mark.parametrize(
    ("name", "value"), [("iterations", 0), ("decisions", 0), ("hidden", 0), ("care", 1.5), ("discount", -0.1)]
)
def test_settings_that_make_no_sense_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value:g}; it must"):
        taught(FacilityLine("street", 3), replace(BestResponseSettings(), **{name: value}))


class _Always:
    """People who always make the first choice."""

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        return None, Decisions(torch.zeros(round.choices.shape[:2], dtype=torch.int64), None)


def test_whoever_leaves_the_helpful_gains_what_the_dilemma_says() -> None:
    """Where all help, not to brings 5 instead of 3, and those who are met 0 instead of 3."""
    game = matrix_game()
    home = rosters(game)
    rules = Fixed(game.default_mechanism())
    settings = BestResponseSettings(iterations=40, decisions=6000, hidden=32, discount=0.0)
    found = exploitability(game, _Always(), home, lambda draws: rules, settings, 0, quiet)
    altruism = town(game, 0, 500).trait("altruism")
    known = float((2 - 3 * altruism).relu().mean())
    assert found.gain == pytest.approx(known, abs=0.05 + 3 * found.error)


def test_learning_under_rules_that_stay_ends_where_nobody_gains() -> None:
    game = matrix_game()
    home = rosters(game)
    rules = Fixed(game.default_mechanism())
    settings = BestResponseSettings(iterations=15, decisions=4000, hidden=32, discount=0.0)
    found = best_response(game, home, lambda draws: rules, settings, 0, quiet)
    assert found.settled
    assert 2 < len(found.payoff) < 11
    people = RLPopulation(found.policy)
    left = exploitability(game, people, home, lambda draws: rules, replace(settings, iterations=40), 1, quiet)
    assert left.gain < 0.03 + 2 * left.error  # of some 2 points that it takes to leave the first choice


def test_each_seat_may_have_a_network_of_its_own() -> None:
    street = FacilityLine("street", 3, points=5)
    home = rosters(street)
    rules, settings = Fixed(street.default_mechanism()), BestResponseSettings(iterations=2, decisions=60, hidden=4)
    policy = train(street, home, lambda draws: rules, settings, 0, quiet, shared=False)
    assert policy.sizes.seats == 3
    here = town(street, 0, 1)
    inputs = policy.read(street.look(street.reset(here), rules.mechanism[None]), here, 0)
    same = inputs[:, :1].expand(-1, 3, -1).clone()
    same[..., -1] = torch.arange(3.0)  # three people alike, in the three seats
    told = policy.log_probs(same, torch.ones(1, 3, 5, dtype=torch.bool))[0]
    assert not torch.allclose(told[0], told[1])
    one = policy.log_probs(same[:, 1], torch.ones(1, 5, dtype=torch.bool))[0]
    torch.testing.assert_close(one, told[1])
    with pytest.raises(ValueError, match="a network for each of 3 seats; here there are 4"):
        policy.read(torch.zeros(1, 4, policy.sizes.view), town(street, 0, 1, 4), 0)
