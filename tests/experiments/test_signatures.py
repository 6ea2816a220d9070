"""Signatures of behaviour: what was planted is found, and what only looks like it is not."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.base import Decisions, Population, Round
from agents.scripted import ScriptedPopulation
from experiments.signatures import Lived, habit, loss_aversion, overreaction, signatures
from learning.draws import Draws, draws
from personas.people import People
from societies import catalog
from societies.base import Society
from societies.play import Fixed, play
from tests.towns import town

TAXES = catalog.load("income_tax")
RATES = (0.1, 0.35, 0.6, 0.85)


def lived(who: Population, people: People, society: Society = TAXES) -> Lived:
    """Under four flat taxes."""
    rules = {f"flat {rate}": Fixed(torch.full_like(society.default_mechanism(), rate)) for rate in RATES}
    d = draws(3, 0, people.worlds)
    played = {name: play(society, who, people, rule, d) for name, rule in rules.items()}
    return Lived(people, played, society)


def workers(worlds: int, **traits: float) -> People:
    """People with the same value of some traits."""
    people = town(TAXES, 0, worlds, 16)
    values = people.traits.clone()
    for name, value in traits.items():
        values[..., people.trait_names.index(name)] = value
    return people.with_traits(values)


@dataclass
class Sticky:
    """With chance `stick` what one did last; else any choice, by tastes that last and differ between people."""

    stick: float

    def start(self, people: People) -> Tensor:
        return torch.full((people.worlds, people.agents), -1)

    def decide(self, memory: Tensor, round: Round, draws: Draws) -> tuple[Any, Decisions]:
        size = round.choices.shape[-1]
        taste = 4 * round.people.trait("preferred_hours")[..., None] * torch.linspace(-1, 1, size)
        chances = taste.softmax(-1)
        same = torch.nn.functional.one_hot(memory.clamp_min(0), size)
        chances = torch.where(memory[..., None] >= 0, (1 - self.stick) * chances + self.stick * same, chances)
        action = draws.choice("decision", round.step, chances.log())
        return action, Decisions(action, chances.log())


@pytest.mark.parametrize("stick", [0.0, 0.3, 0.7])
def test_a_planted_habit_is_found_and_a_lasting_taste_is_none(stick: float) -> None:
    assert habit(lived(Sticky(stick), workers(8))) == pytest.approx(stick, abs=0.04)


def test_scripted_people_have_the_habit_of_their_trait() -> None:
    none, strong = (habit(lived(ScriptedPopulation(), workers(3, habit=v, loss_aversion=0.0))) for v in (0.0, 1.0))
    assert isinstance(none, float)
    assert isinstance(strong, float)
    assert abs(none) < 0.1 < 0.3 < strong


@pytest.mark.parametrize("trait", [0.0, 0.5, 1.0])
def test_planted_loss_aversion_is_found_whatever_the_habit(trait: float) -> None:
    """Lambda is .3 of the trait, in shares of what a dollar is worth to people who do not mind risk."""
    for own in (0.0, 1.0):
        people = workers(2, loss_aversion=trait, habit=own, risk_aversion=0.0, fairness=0.0)
        assert loss_aversion(lived(ScriptedPopulation(), people)) == pytest.approx(0.3 * trait, abs=0.03)


def test_scripted_people_react_as_they_should_and_who_never_reacts_by_one_less() -> None:
    people = workers(2)
    assert overreaction(lived(ScriptedPopulation(), people)) == pytest.approx(0.0, abs=1e-5)
    assert overreaction(lived(Sticky(0.0), people)) == pytest.approx(-1.0, abs=1e-5)


def test_people_who_tell_single_actions_show_neither_habit_nor_loss_aversion() -> None:
    found = signatures(lived(ScriptedPopulation(tells_distribution=False), workers(1)))
    assert "single actions" in str(found["habit"])
    assert "single actions" in str(found["loss aversion"])
    assert isinstance(found["overreaction"], float)


def test_what_a_society_cannot_show_is_said_with_its_reason() -> None:
    society = catalog.load("facility8")
    people, d = town(society, 0, 2), draws(0, 0, 2)
    places = {i: Fixed(torch.eye(64)[[i, i + 9, i + 20, i + 30, i + 40]]) for i in (0, 7)}
    played = {f"{i}": play(society, ScriptedPopulation(), people, rule, d) for i, rule in places.items()}
    found = signatures(Lived(people, played, society))
    assert found["loss aversion"] == "nobody takes anything home here"
    assert isinstance(found["habit"], float)
    assert found["overreaction"] == pytest.approx(0.0, abs=1e-5)
