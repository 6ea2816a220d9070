"""The cells that kinds of people are compared by: planted answers are read back, in every society."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.scripted import ScriptedPopulation
from experiments.compared_cells import Part, elasticity, part_of, with_recovery
from experiments.compared_rules import Rulebook, rules_for
from experiments.errors import UserError
from experiments.signatures import Lived
from learning.draws import draws
from personas.people import People
from societies import catalog
from societies.base import Scaled, Society
from societies.play import Fixed, Played, play
from tests.experiments.test_signatures import TAXES, Sticky, lived, workers
from tests.towns import rosters, societies_to_check, town


def part(society: Society, worlds: int = 2, names: list[str] | None = None, drawn: int = 1) -> Part:
    """Of scripted people under the usual rules and some drawn ones."""
    d, who = draws(5, 0, worlds), rosters(society)
    people = who.people(d)
    rules = rules_for(Rulebook(society, who, 3), names or [], drawn)
    played = {rule.name: play(society, ScriptedPopulation(), people, rule.principal(d), d) for rule in rules}
    return part_of(Lived(people, played, society))


@pytest.mark.parametrize("name", societies_to_check())
def test_every_society_can_be_compared_in(name: str) -> None:
    society = catalog.load(name)
    assert isinstance(society, Scaled)
    found = part(society)
    for table in found.cells:
        for cell in found.cells[table].values():
            assert isinstance(cell, str) or math.isfinite(cell), (table, cell)
    assert found.chosen.sum(1) == pytest.approx(1.0, abs=1e-5)
    for table in ("answer", "welfare", "inequality"):
        assert len(found.cells[table]) == len(found.chosen)


def test_a_society_that_declares_no_scale_gets_a_plain_one() -> None:
    class Bare:
        """facility8 without what it declares."""

        def __init__(self) -> None:
            self.inside = catalog.load("facility8")

        def __getattr__(self, name: str) -> object:
            if name in ("answer", "amounts", "faced", "lot", "price", "prices", "takes_home", "changes", "lot_of"):
                raise AttributeError(name)
            return getattr(self.inside, name)

    bare, whole = Bare(), catalog.load("facility8")
    people, d = town(whole, 0, 2), draws(0, 0, 2)
    rule = Fixed(torch.eye(64)[:5])
    played = play(whole, ScriptedPopulation(), people, rule, d)
    ours, theirs = (part_of(Lived(people, {"a": played}, s)) for s in (bare, whole))
    assert ours.cells["answer"] == theirs.cells["answer"]  # whether one does anything is whether one goes out
    assert ours.cells["elasticity"] == {"price": "this society declares no price that people face"}


def test_answers_that_rise_evenly_with_the_price_have_its_slope_as_elasticity() -> None:
    generator = torch.Generator().manual_seed(0)
    prices = torch.rand(4, 3, 5, 6, generator=generator)
    own, when = torch.rand(1, 3, 1, 6, generator=generator), torch.rand(1, 1, 5, 1, generator=generator)
    answers = 10 + 20 * prices + 50 * own + 30 * when  # tastes that last, and times, are none of it
    expected = 20 * prices.mean() / answers.mean()
    assert elasticity(prices, answers) == pytest.approx(float(expected), rel=1e-4)
    answers[0, 0, 0, 0] = torch.nan
    prices[0, 0, 0, 0] = torch.nan
    assert elasticity(prices, answers) == pytest.approx(float(expected), rel=0.02)
    assert elasticity(torch.ones(2, 1, 1, 1), torch.ones(2, 1, 1, 1)) == "everybody always faces the same price"


def test_a_taste_for_hours_is_read_as_its_trait() -> None:
    """People who choose by one trait alone: its slope is large, the others' are near 0, and it can be read."""
    people = workers(24)
    found = part_of(lived(Sticky(0.0), people)).cells
    trait, hours = people.trait("preferred_hours").flatten(), torch.arange(0.0, 101.0, 5.0)
    meant = (4 * trait[:, None] * torch.linspace(-1, 1, 21)).softmax(-1) @ hours
    expected = float(np.polyfit(trait.numpy(), meant.numpy(), 1)[0])
    slopes = {name: value for name, value in found["trait"].items() if isinstance(value, float)}
    assert len(slopes) == len(TAXES.traits_used)
    assert slopes["preferred_hours"] == pytest.approx(expected, rel=0.03)
    assert all(abs(value) < 3 for name, value in slopes.items() if name != "preferred_hours")
    curve = [found["trait curve"][f"preferred_hours {i + 1}"] for i in range(5)]
    assert curve == sorted(curve)


def test_answers_that_could_not_be_read_count_for_nothing() -> None:
    """Half of the people give no usable answer: the others' cells are theirs alone."""
    whole = lived(ScriptedPopulation(), workers(2))
    silent = torch.arange(16) < 8

    def without(played: Played) -> Played:
        choice = played.episode.choice.clone()
        choice[:, :, silent] = 0.0
        return replace(played, episode=replace(played.episode, choice=choice))

    found = part_of(replace(whole, played={name: without(own) for name, own in whole.played.items()}))
    first = next(iter(whole.played.values())).episode
    meant = (first.choice @ TAXES.amounts())[:, first.counted][:, :, ~silent]
    assert found.cells["answer"]["flat 0.1"] == pytest.approx(float(meant.mean()), rel=1e-5)
    assert found.cells["signature"]["overreaction"] == pytest.approx(0.0, abs=1e-5)
    assert int(np.isnan(found.people).sum()) == 16
    nobody = torch.zeros_like(first.choice)
    quiet = {n: replace(o, episode=replace(o.episode, choice=nobody)) for n, o in whole.played.items()}
    cells = part_of(replace(whole, played=quiet)).cells
    assert cells["answer"]["flat 0.1"] == cells["trait"]["habit"] == "nobody gave an answer"
    for table in cells.values():
        assert all(isinstance(cell, str) or math.isfinite(cell) for cell in table.values())


def test_a_decision_that_was_not_made_is_no_choice_of_nothing() -> None:
    """All choose 40 hours whenever they choose; half of them do not in one year, and one never under a rule."""
    hours, whole = 8, lived(ScriptedPopulation(), workers(2))

    def decided(played: Played, never: bool) -> Played:
        action = torch.full_like(played.episode.action, hours)
        action[:, int(played.episode.counted.int().argmax()), :8] = -1
        action[0, :, 0] = -1 if never else hours
        return replace(played, episode=replace(played.episode, action=action))

    played = {name: decided(own, i == 0) for i, (name, own) in enumerate(whole.played.items())}
    found = part_of(replace(whole, played=played)).products[:5, :5] / 31  # 1, and hours under four rules, by people
    told = np.array([1.0, *[float(TAXES.amounts()[hours])] * 4])
    np.testing.assert_allclose(found, np.outer(told, told), rtol=1e-6)


def test_people_who_are_alike_have_no_slope() -> None:
    found = part_of(lived(ScriptedPopulation(), workers(2, habit=0.5))).cells
    assert found["trait"]["habit"] == "everybody has as much of it"


def test_inequality_is_the_accounts_own_in_taxes() -> None:
    """Gini of mean incomes is near the mean of 1 - equality, which has the factor N / (N - 1)."""
    alike = lived(ScriptedPopulation(), workers(2))
    gini = part_of(alike).cells["inequality"]
    for name, played in alike.played.items():
        equal = played.episode.accounts["equality"][:, played.episode.counted].mean()
        assert gini[name] == pytest.approx(float((1 - equal) * 15 / 16), abs=0.03)


def test_traits_are_read_on_people_of_other_seeds() -> None:
    """As well as what people did goes with the trait that they choose by; and nothing else can be read."""
    seeds = [lived(Sticky(0.0), town(TAXES, 100 * i, 4, 16), TAXES) for i in range(6)]
    found = [part.cells["recovery"] for part in with_recovery([part_of(seed) for seed in seeds])]
    means = {name: float(np.mean([cells[name] for cells in found])) for name in TAXES.traits_used}
    worked, trait = zip(*map(_hours_and_taste, seeds), strict=True)
    at_best = np.corrcoef(np.concatenate(worked), np.concatenate(trait))[0, 1] ** 2
    assert means["preferred_hours"] == pytest.approx(at_best, abs=0.08)
    assert all(value < 0.1 for name, value in means.items() if name != "preferred_hours")
    (alone,) = with_recovery([part_of(seeds[0])])
    assert set(alone.cells["recovery"].values()) == {"it takes the people of another seed"}


def _hours_and_taste(seed: Lived) -> tuple[np.ndarray, np.ndarray]:
    years = [own.episode.action[:, own.episode.counted].double().mean(1) for own in seed.played.values()]
    return torch.stack(years).mean(0).flatten().numpy(), seed.people.trait("preferred_hours").flatten().numpy()


class Nobody:
    """Rosters that are not looked at."""

    def people(self, draws: object) -> People:
        raise AssertionError


@pytest.mark.parametrize("name", ["income_tax", "facility8", "facility_line", "congestion_game"])
def test_unknown_rules_are_refused_by_name(name: str) -> None:
    book = Rulebook(catalog.load(name), Nobody(), 0)
    with pytest.raises(UserError, match=r"no rules 'k_medain'.*\n.*compare.mechanisms\n.*choose from"):
        book.named("k_medain")
    for other in ("planning", "flat_101"):
        with pytest.raises(UserError, match=r"compare\.mechanisms"):
            book.named(other)


def test_one_set_of_rules_is_too_few() -> None:
    with pytest.raises(UserError, match="one set of rules"):
        rules_for(Rulebook(catalog.load("matrix_game"), Nobody(), 0), ["default"], 0)


def test_drawn_rules_are_allowed_and_stay() -> None:
    town_, taxes = Rulebook(catalog.load("facility8"), Nobody(), 0), Rulebook(TAXES, Nobody(), 0)
    path = town_.drawn(2)[1].principal(draws(0, 0, 1))
    assert isinstance(path, Fixed)
    assert path.mechanism.shape == (5, 64)
    assert bool((path.mechanism.sum(0) <= 1).all())  # five different cells
    drawn = [rule.principal(draws(9, 0, 1)) for rule in taxes.drawn(3)]
    again = [rule.principal(draws(7, 0, 1)) for rule in taxes.drawn(3)]
    for a, b in zip(drawn, again, strict=True):
        assert isinstance(a, Fixed)
        assert isinstance(b, Fixed)
        assert torch.equal(a.mechanism, b.mechanism)
        assert bool(((a.mechanism >= 0) & (a.mechanism <= 1)).all())


def test_named_rules_are_what_they_say() -> None:
    book = Rulebook(TAXES, rosters(TAXES), 0)
    assert book.usual() == ("default", "flat_25", "flat_50", "flat_75", "saez")
    told = {name: book.named(name).principal(draws(0, 0, 1)) for name in (*book.usual(), "best_fixed", "flat_40")}
    assert all(isinstance(one, Fixed) for one in told.values())
    rates = {name: one.mechanism for name, one in told.items() if isinstance(one, Fixed)}
    assert torch.equal(rates["default"], TAXES.default_mechanism())
    assert torch.allclose(rates["flat_40"], torch.tensor(0.4))
    assert 0.2 < float(rates["saez"].mean()) < 0.95
