"""The street: what people want by hand, lines that cannot be, and words of every family."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agents.llm.journal import Journal
from agents.llm.mock import MockEngine
from agents.llm.population import LanguagePopulation
from agents.scripted import ScriptedPopulation
from learning.draws import draws
from mechanism.baselines.line import KNOWN, best_percentile, known
from societies.line import LYING, TEMPERATURE, FacilityLine
from societies.line_rules import FAMILIES
from societies.mechanisms import check
from societies.play import Fixed, play
from societies.regret import regret
from tests.towns import some_rules, three_neighbours, town

STREET = FacilityLine("street", 3)  # homes .1, .42, .8; honesty .9, .05, .5
MEANS = FacilityLine("street", 3, family="weights")


def told(*reports: int) -> Tensor:
    return torch.tensor([reports])


def test_utilities_are_those_of_the_formula():
    state = MEANS.step(MEANS.reset(three_neighbours()), torch.ones(1, 3), told(10, 40, 80)).state
    u = MEANS.utilities(state, torch.ones(1, 3))[0]  # [N, P]
    low, high = LYING
    price = low + (high - low) * 0.05
    assert float(u[1, 0]) == pytest.approx(-abs((0.1 + 0.8 + 0) / 3 - 0.42) - price * 0.42)
    assert float(u[1, 36]) == pytest.approx(-0.0 - price * 0.06, abs=1e-6)
    assert float(u[0, 10]) == pytest.approx(-abs((0.1 + 0.4 + 0.8) / 3 - 0.1))
    chances = MEANS.teacher(state, torch.ones(1, 3)).exp()[0, 1]
    assert float((chances[36] / chances[35]).log()) == pytest.approx(float(u[1, 36] - u[1, 35]) / TEMPERATURE, rel=1e-3)


def test_before_anybody_reported_others_are_taken_to_live_evenly_spread():
    features = STREET.reset(three_neighbours()).features
    prospects = STREET.prospects(features, STREET.default_mechanism()[None])[0, 0]  # phantoms 0, 1/3, 2/3, 1
    assert prospects[:, 0].tolist() == pytest.approx([k / 100 for k in range(101)])
    assert float(prospects[0, 1]) == pytest.approx(1 / 3)  # others at .25 and .75
    assert float(prospects[100, 1]) == pytest.approx(2 / 3)


def test_what_is_usual_is_half_the_last_report_and_half_what_was_usual():
    state, rules = STREET.reset(three_neighbours()), STREET.default_mechanism()[None]
    for reports, usual in (((10, 42, 80), (0.1, 0.42, 0.8)), ((20, 42, 0), (0.15, 0.42, 0.4))):
        state = STREET.step(state, rules, told(*reports)).state
        assert state.features[0, :, STREET.feature_names.index("usual")].tolist() == pytest.approx(usual)


def test_prospects_are_what_settling_would_bring():
    for family in FAMILIES:
        society = FacilityLine("street", 3, 2, family)
        state = society.step(society.reset(three_neighbours()), some_rules(society, 1), told(10, 42, 80)).state
        rules = some_rules(society, 1, 3)
        prospects = society.prospects(state.features, rules)
        for report in (0, 17, 42, 100):
            settled = society.settle(state.features, rules, society.respond(told(10, report, 80)))
            torch.testing.assert_close(prospects[0, 1, report, 1:], settled.features[0, 1, 3:])


def test_welfare_is_of_where_people_truly_live():
    rules = torch.ones(1, 3)
    for objective, expected in (("mean_distance", -(0.9 + 0.58 + 0.2) / 3), ("farthest", -0.9)):
        society = FacilityLine("street", 3, family="weights", objective=objective)
        state = society.reset(three_neighbours())
        assert society.step(state, rules, told(100, 100, 100)).welfare.tolist() == pytest.approx([expected])
    with pytest.raises(ValueError, match="hidden positions"):
        STREET.public_welfare({})


def test_nothing_public_tells_where_anybody_lives():
    people = three_neighbours()
    moved = people.with_traits(people.traits.flip(1))
    for society in (STREET, MEANS):
        ours, theirs = (society.step(society.reset(p), some_rules(society, 1), told(1, 2, 3)) for p in (people, moved))
        assert torch.equal(ours.state.features, theirs.state.features)
        assert all(torch.equal(ours.accounts[name], theirs.accounts[name]) for name in ours.accounts)
    assert not STREET.personal


def returns(society: FacilityLine, principal: Fixed, honesty: float) -> float:
    """The mean return where everyone is equally honest."""
    people = town(society, 0, 200)
    traits = people.traits.clone()
    traits[..., people.trait_names.index("honesty")] = honesty
    episode = play(society, ScriptedPopulation(), people.with_traits(traits), principal, draws(3, 0, 200)).episode
    return float(episode.returns().mean())


def test_the_median_costs_least_and_lies_cost_it_nothing_much():
    society = FacilityLine("street", 9)
    honest, schemers = (returns(society, known(society, "median"), h) for h in (1.0, 0.0))
    assert (
        honest > returns(society, known(society, "uniform_phantom"), 1.0) > returns(society, Fixed(torch.ones(10)), 1.0)
    )
    assert schemers == pytest.approx(honest, abs=0.01)


def test_schemers_bring_the_mean_near_the_uniform_phantom():
    """Best responses to the mean end there; scripted schemers, who lie a little less gladly, come near."""
    society, phantom = FacilityLine("street", 9, family="weights"), FacilityLine("street", 9)
    people = town(society, 0, 100)
    fair = phantom.place(known(phantom, "uniform_phantom").mechanism.expand(100, -1), people.trait("position"))
    gaps = dict[float, float]()
    for honesty in (0.0, 1.0):
        traits = people.traits.clone()
        traits[..., people.trait_names.index("honesty")] = honesty
        cast = people.with_traits(traits)
        episode = play(society, ScriptedPopulation(), cast, known(society, "mean"), draws(3, 0, 100)).episode
        gaps[honesty] = float((episode.features[:, -1, 0, 3:] - fair).abs().mean())
    assert gaps[0.0] < 0.5 * gaps[1.0]


def test_a_language_model_is_asked_for_marks(tmp_path: Path):
    street = FacilityLine("street", 3)
    engine = MockEngine(lambda request: f'{{"mark":{re.findall("[0-9]+", request.question.user)[0]}}}')  # the truth
    with Journal(tmp_path / "journal.sqlite") as journal:
        people = LanguagePopulation(engine, journal, way="sample")
        episode = play(street, people, three_neighbours(), known(street, "median"), draws(0, 0, 1)).episode
    assert episode.action[0].tolist() == [[10, 42, 80]] * street.steps
    assert episode.returns().tolist() == pytest.approx([-(0.32 + 0 + 0.38) / 3])
    assert not episode.fallbacks


def test_the_regret_meter_takes_the_society_as_it_is():
    truth = town(STREET, 0, 50, 3).trait("position")
    for society, most in ((STREET, 1e-6), (MEANS, 0.3)):
        rules = some_rules(society, 50)
        found = float(regret(society.place, society.cost, rules, truth, society.grid).max())
        assert found <= most
        assert (found > 0.05) == (society is MEANS)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stalls", [1, 2])
def test_words_of_every_family_carry_the_view(family: str, stalls: int):
    society = FacilityLine("street", 3, stalls, family)
    state, people = society.reset(three_neighbours()), three_neighbours()
    for _ in range(2):
        rules = some_rules(society, 1)
        views = society.look(state, rules)
        for n in range(3):
            question = society.tell(views[0, n], people.persona(0, n))
            numbers = [int(x) for x in re.findall(r"\d+", question.user)]
            assert numbers == [int(v) for v in views[0, n].tolist() if v >= 0]
        state = society.step(state, rules, told(10, 42, 80)).state
    assert len(numbers) == 1 + stalls * (society.rules.parameters(3) + 1) + 3


def test_the_rule_is_told_as_it_works():
    society = FacilityLine("street", 3, family="percentiles")
    view = society.look(society.reset(three_neighbours()), torch.tensor([[0.5]]))[0, 0]
    assert society.tell(view, three_neighbours().persona(0, 0)).user == "You live at 10. This week's turn: 2."
    view = MEANS.look(MEANS.reset(three_neighbours()), torch.tensor([[1.0, 0.5, 0.5]]))[0, 1]
    assert MEANS.tell(view, three_neighbours().persona(0, 1)).user == "You live at 42. This week's per cent: 50 25 25."


@pytest.mark.parametrize(
    ("agents", "facilities", "points", "message"),
    [
        (0, 1, 101, "street: 0 agents; there must be at least 1"),
        (3, 1, 1, "street: 1 marks on the line; there must be at least 2"),
        (5, 3, 2, "street: 3 facilities for 5 agents on 2 marks; there must be 1 to 2"),
        (3, 4, 101, "street: 4 facilities for 3 agents on 101 marks; there must be 1 to 3"),
        (3, 0, 101, "street: 0 facilities for 3 agents on 101 marks; there must be 1 to 3"),
    ],
)
def test_lines_that_cannot_be(agents: int, facilities: int, points: int, message: str):
    with pytest.raises(ValueError, match=message):
        FacilityLine("street", agents, facilities, points=points)


def test_rules_and_objectives_that_are_not_known():
    with pytest.raises(
        ValueError, match=r"street: family of rules 'dictator' is not known; choose one of: phantoms, perc"
    ):
        FacilityLine("street", 3, family="dictator")
    with pytest.raises(
        ValueError, match=r"street: objective 'joy' is not known; choose one of: mean_distance, farthest"
    ):
        FacilityLine("street", 3, objective="joy")
    with pytest.raises(ValueError, match=r"street: a view of 3 numbers"):
        STREET.tell(torch.zeros(3), three_neighbours().persona(0, 0))


@pytest.mark.parametrize("report", [-0.01, 1.5, float("nan"), float("inf")])
def test_reports_off_the_line_are_refused(report: float):
    for settle in (
        lambda reports: STREET.place(torch.zeros(1, 4), reports),
        lambda reports: STREET.settle(torch.zeros(1, 3, 4), torch.zeros(1, 4), reports[..., None]),
    ):
        with pytest.raises(ValueError, match=f"street: report {report:g}; it must lie between 0 and 1"):
            settle(torch.tensor([[0.2, report, 0.3]]))


def test_rules_off_the_line_are_refused():
    with pytest.raises(ValueError, match=r"street: rules of 3 numbers; need 4"):
        STREET.place(torch.zeros(1, 3), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"street: parameter 1.2; it must lie between 0 and 1"):
        STREET.place(torch.tensor([[0.2, 1.2, 0.3, 0.4]]), torch.zeros(1, 3))
    with pytest.raises(
        ValueError, match=r"street, step 0: parameter 2 of the rules is 1.2; it must lie between 0 and 1"
    ):
        check(STREET, 0, torch.tensor([[0.2, 1.2, 0.3, 0.4]]), 1)


def test_known_rules_belong_to_a_family():
    for name, (family, parameters) in KNOWN.items():
        society = FacilityLine("street", 5, 2, family)
        rule = known(society, name).mechanism
        check(society, 0, rule, 1)
        torch.testing.assert_close(rule, parameters(5).float().repeat(2))
    with pytest.raises(ValueError, match=r"street: its rules are weights, among them no 'median'; known: .*mean"):
        known(MEANS, "median")
    with pytest.raises(ValueError, match=r"street: its rules are weights, not percentiles"):
        best_percentile(MEANS, torch.rand(5, 3))
    ranks = FacilityLine("street", 3, family="percentiles")
    assert best_percentile(ranks, torch.rand(200, 3)).mechanism.tolist() == [0.5]


def test_what_rounding_put_outside_is_taken_as_the_end():
    street = FacilityLine("street", 3, family="weights")
    place = street.place(torch.tensor([[1e-6, -9.9e-7, 0.0]]), torch.tensor([[0.1, 0.9, 0.9]]))
    assert float(place) == pytest.approx(0.1)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_rules_and_reports_have_to_match_one_to_one(family: str):
    street = FacilityLine("street", 3, family=family)
    rules, m = torch.ones(1, *street.mechanism.shape), street.mechanism.shape[0]
    for own, reports in ((rules, torch.ones(2, 3)), (rules, torch.ones(3)), (rules[0], torch.ones(1, 3))):
        with pytest.raises(ValueError, match=rf"street: .*need \[B, {m}\] with \[B, N\]"):
            street.place(own, reports)
