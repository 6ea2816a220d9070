"""People edited and seated in towns: what is predicted and what is answered, where both are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.scripted import ScriptedPopulation
from experiments.counterfactual import Standing, hours_of, newcomers, standing
from experiments.edit_effects import Edit, Place, actual, predicted
from experiments.errors import ROOT, UserError
from experiments.link_fit import fitted
from experiments.persona_link import INFERRED, Fitted, inputs, played
from experiments.seats import _nearest, edited, seated
from learning.draws import draws
from mechanism.baselines.fixed import default, flat
from personas.people import Persona, gather
from personas.rosters import open_rosters
from societies.base import State
from societies.library.income_tax import MARKET, IncomeTax
from societies.play import play
from societies.taxes import tax
from world_model.model import ModelSettings, WorldModel

TOWNS, STEP, SOCIETY = 3, 4, IncomeTax()


@pytest.fixture(scope="module")
def at() -> Standing:
    """Scripted people after four years of US rates."""
    d = draws(5, 0, TOWNS)
    people = open_rosters(ROOT / "personas/populations/communities.yaml", SOCIETY.agents).people(d)
    return standing(SOCIETY, play(SOCIETY, ScriptedPopulation(), people, default(SOCIETY), d).episode, people, d, STEP)


@pytest.fixture(scope="module")
def place(at: Standing) -> Place:
    return Place(at, MARKET, flat(SOCIETY, 0.4).mechanism.expand(TOWNS, -1))


@pytest.fixture(scope="module")
def model(at: Standing) -> WorldModel:
    model = WorldModel(SOCIETY, ModelSettings(members=3), 0).requires_grad_(False)
    model.scaler.read(at.seen.prospects, at.seen.features[..., model.own])
    return model


@pytest.fixture(scope="module")
def link(at: Standing, model: WorldModel) -> Fitted:
    """Of people whom nobody knows: what is predicted means nothing, but it must hang together."""
    seen = play(SOCIETY, ScriptedPopulation(), at.people, default(SOCIETY), at.draws).episode
    return fitted(model, played(SOCIETY, at.people, seen, worded=True), 8.0, 0, (INFERRED,))


def somebody(at: Standing, town: int = 1, agent: int = 9) -> Persona:
    return at.people.persona(town, agent)


def test_whoever_sits_down_in_the_own_seat_changes_nothing(at: Standing) -> None:
    there = seated(at, somebody(at))
    assert int(there.seat[1]) == 9
    assert there.at.features[1] == pytest.approx(at.features[1], abs=1e-5)
    assert torch.equal(there.at.people.traits[1], at.people.traits[1])
    assert there.at.people.persona(1, 9) is somebody(at)
    assert there.who.tolist() == [int(there.seat[0]), 32 + 9, 64 + int(there.seat[2])]


def test_a_newcomer_takes_the_seat_of_the_nearest_wage_and_the_accounts_follow(at: Standing) -> None:
    person = replace(somebody(at), id="new", attributes={**somebody(at).attributes, "wage": 31.0})
    there = seated(at, person)
    wages = at.people.attribute("wage")
    assert there.seat.tolist() == (wages - 31.0).abs().argmin(1).tolist()
    others = torch.ones(TOWNS, SOCIETY.agents, dtype=torch.bool)
    others[torch.arange(TOWNS), there.seat] = False
    assert torch.equal(there.at.people.public[others], at.people.public[others])
    assert torch.equal(there.at.people.traits[others], at.people.traits[others])
    assert there.at.people.persona(0, int(there.seat[0])) is person
    assert there.at.people.persona(0, (int(there.seat[0]) + 1) % 32).id != "new"
    own, hours = there.of(there.at.features), SOCIETY.feature_names.index("hours")
    assert own[:, hours] == pytest.approx(there.of(at.features)[:, hours])  # worked as long as who sat there
    assert MARKET.income(own[None])[0] == pytest.approx(torch.full((TOWNS,), 31.0 * 2080), rel=1e-4)
    gross = own[:, hours] * 31.0 * 2080
    owed = tax(gross[:, None], SOCIETY.default_mechanism().expand(TOWNS, -1))[:, 0]
    net = gross - owed + there.of(MARKET.lump_sum(there.at.features))
    assert own[:, SOCIETY.feature_names.index("net")] == pytest.approx(net / (31.0 * 2080), rel=1e-4)


def test_newcomers_have_a_census_and_no_past(at: Standing) -> None:
    fresh = newcomers(SOCIETY, at.people, at.draws)
    person = replace(somebody(at), attributes={**somebody(at).attributes, "wage": 12.5})
    there = seated(fresh, person)
    again = SOCIETY.census(there.at.people.public, there.at.people.attribute_names)
    assert torch.equal(there.at.features, again)


def test_an_edit_sets_one_trait_and_drops_the_words_about_it(at: Standing) -> None:
    person = replace(somebody(at), words={"habit": "You never change a shift.", "fairness": "You share."})
    after = edited(person, "habit", 0.25)
    assert after.traits == {**person.traits, "habit": 0.25}
    assert after.words == {"fairness": "You share."}
    assert person.traits["habit"] != 0.25


def test_actual_shifts_are_those_of_the_people(at: Standing, place: Place) -> None:
    """Against the scripted people's own rule, asked of whole towns in which only that person was changed."""
    edit, people = Edit(somebody(at), "preferred_hours", 0.2, 0.7), ScriptedPopulation()
    found = actual(people, people, edit, place)
    hours = []
    for person in edit.ends:
        there = seated(at, person)
        log_p = SOCIETY.teacher(State(STEP, there.at.features, there.at.people), place.rules)
        hours.append(float((there.of(log_p.exp()).double().numpy() @ hours_of(SOCIETY)).mean()))
    move = found.moves["hours"]
    assert (move.before, move.after) == pytest.approx(tuple(hours), rel=1e-5)
    assert 5 < move.shift < 16.5  # 0.5 of the scale are 16.5 hours, of which taxes and habit leave a part
    income = found.moves["income"]
    assert income.shift / move.shift == pytest.approx(2080 / 40 * float(edit.person.attributes["wage"]), rel=1e-3)
    assert (found.asked, found.unusable) == (2 * TOWNS, 0)


def test_the_prediction_is_the_ensembles_mean_and_its_error_what_members_disagree(
    at: Standing, place: Place, model: WorldModel, link: Fitted
) -> None:
    edit = Edit(somebody(at), "elasticity", 0.2, 0.8)
    alone = replace(link, without=())
    told = predicted(model, alone, edit, place)["hours"]
    there = seated(at, edit.person)
    facts = [there.of(SOCIETY.prospects(there.at.features, place.rules)), there.of(there.at.features)]
    means = []
    for value in (1.5 / 7, 5.5 / 7):  # the middles of the grades that 0.2 and 0.8 are told in
        person = edited(edit.person, "elasticity", value)
        declared = torch.tensor([[person.traits[name] for name in link.names]]).expand(TOWNS, -1)
        wage = there.of(there.at.features)[:, :1].clamp(-2, 2)
        z = link.link(inputs(declared, wage, link.names, True))
        log_p = model.log_probs(*[x.expand(3, *x.shape) for x in (*facts, z)])
        means.append((log_p.exp().double().numpy() @ hours_of(SOCIETY)).mean(1))
    assert (told.before, told.after) == pytest.approx((means[0].mean(), means[1].mean()), rel=1e-4)
    assert told.ensemble == pytest.approx(link.stretch * float(np.std(means[1] - means[0])), rel=1e-3)
    assert (told.link, told.error) == (0, told.ensemble)
    assert predicted(model, link, edit, place)["hours"].error > told.ensemble


def test_what_reads_the_same_is_predicted_to_change_nothing(
    at: Standing, place: Place, model: WorldModel, link: Fitted
) -> None:
    move = predicted(model, link, Edit(somebody(at), "habit", 0.45, 0.55), place)["hours"]
    assert (move.shift, move.error) == (0, 0)


def test_an_edit_out_of_range_is_refused(at: Standing, place: Place, model: WorldModel, link: Fitted) -> None:
    low, high = link.reach.named["risk_aversion"]
    with pytest.raises(UserError, match=rf"risk_aversion 1 is outside .* declared, {low:.4g} to {high:.4g}:"):
        predicted(model, link, Edit(somebody(at), "risk_aversion", 0.5, 1.0), place)


def test_the_first_towns_are_those_of_the_whole(at: Standing) -> None:
    few = at.first(2)
    assert few.size == 64
    assert torch.equal(few.features, at.features[:2])
    assert torch.equal(few.people.traits, at.people.traits[:2])
    assert few.people.persona(1, 3).id == at.people.persona(1, 3).id
    assert few.seen.episodes == 2


def test_people_are_seated_by_all_that_is_public() -> None:
    names = ("wage", "age")
    town = [Persona(str(i), "", "", {"wage": 10.0 + i, "age": 60.0 - 10 * i}, frozenset(names), {}) for i in range(4)]
    people = gather([town], names, ())
    assert _nearest(people, replace(town[0], attributes={"wage": 12.0, "age": 50.0})).tolist() == [1]
