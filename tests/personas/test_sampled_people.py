"""People drawn from population files: the laws' statistics, and the same people whatever the batch."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.draws import Draws, draws
from personas.laws import trait_at
from personas.lives import (
    BANDS,
    FIRST_NAMES,
    HOUSEHOLDS,
    LAST_NAMES,
    PASTIMES,
    SENTENCES,
    TOWNS,
    Words,
    life,
    life_words,
    part,
)
from personas.load import load_population
from personas.people import People
from personas.sample import Sampler
from personas.schema import Beta, Logistic, PopulationFile
from personas.summary import between_share, sample_table

FOLDER = Path(__file__).parents[2] / "personas" / "populations"
COMMUNITIES = load_population(FOLDER / "communities.yaml")
TAX_TRAITS = ("elasticity", "fairness", "risk_aversion", "loss_aversion", "habit", "preferred_hours")


@pytest.fixture(scope="module")
def many() -> People:
    return Sampler(COMMUNITIES).people(draws(1, 0, 4_000))


def test_communities_are_as_specified(many: People):
    assert (many.attribute_names, many.trait_names, many.agents) == (("wage",), TAX_TRAITS, 32)
    logit = {name: torch.logit(many.trait(name).double().clamp(1e-6, 1 - 1e-6)) for name in TAX_TRAITS[:5]}
    assert float(logit["fairness"].std()) == pytest.approx((2.5**2 + 0.5**2) ** 0.5, rel=0.03)
    assert between_share(logit["fairness"]) == pytest.approx(6.25 / 6.5, abs=0.01)
    for name, noise in (("risk_aversion", 0.5), ("loss_aversion", 1.0), ("habit", 1.0)):
        assert float(logit[name].std()) == pytest.approx(noise, rel=0.02)
        assert between_share(logit[name]) < 0.01


def test_a_community_decides_whether_its_rich_or_its_poor_are_elastic(many: People):
    """Within a town, logit elasticity = 2.5 A + 0.8 B s + 0.5 eps: the slope on s has mean 0 and sd 0.8 over towns."""
    s = ((many.attribute("wage") * 2080).log() - 10.5).div(1.1).clamp(-2, 2).double()
    u = torch.logit(many.trait("elasticity").double().clamp(1e-6, 1 - 1e-6))
    centred = s - s.mean(1, keepdim=True)
    slope = (centred * u).sum(1) / centred.square().sum(1)  # [B]
    rest = u - u.mean(1, keepdim=True) - slope[:, None] * centred
    level = u.mean(1) - slope * s.mean(1)
    assert float(slope.mean()) == pytest.approx(0.0, abs=0.05)
    assert float(slope.std()) == pytest.approx(0.8, abs=0.05)
    assert float(level.std()) == pytest.approx(2.5, rel=0.04)
    assert float(rest.square().sum(1).mean() / 30) == pytest.approx(0.25, rel=0.03)  # 32 people less two estimates


def test_usual_hours_are_a_clipped_normal(many: People):
    hours = 25 + 33 * many.trait("preferred_hours")
    assert float(hours.mean()) == pytest.approx(38.0, abs=0.1)
    assert float(hours.std()) == pytest.approx(4.97, abs=0.05)
    assert 25.0 == float(hours.min()) <= float(hours.max()) <= 58.0


def test_incomes_are_clipped_to_the_stated_range(many: People):
    yearly = many.attribute("wage") * 2080
    assert float(yearly.min()) == pytest.approx(8_000)
    assert float(yearly.max()) == pytest.approx(1_500_000)


@settings(max_examples=25)
@given(st.integers(0, 2**40), st.lists(st.integers(0, 2**50), min_size=1, max_size=6, unique=True), st.data())
def test_an_episode_has_the_same_people_whatever_the_batch(seed: int, episodes: list[int], data: st.DataObject):
    pick = data.draw(st.integers(0, len(episodes) - 1))
    size = data.draw(st.sampled_from([5, 7, 32]))  # odd sizes shift people's places in vector registers
    sampler = Sampler(COMMUNITIES.model_copy(update={"size": size}))
    together = sampler.people(Draws(seed, torch.tensor(episodes)))
    alone = sampler.people(Draws(seed, torch.tensor(episodes[pick : pick + 1])))
    assert torch.equal(together.public[pick], alone.public[0])
    assert torch.equal(together.traits[pick], alone.traits[0])
    assert together.persona(pick, 4) == alone.persona(0, 4)


def test_seed_file_seed_and_episode_each_change_the_people():
    base = Sampler(COMMUNITIES).people(draws(1, 0, 1))
    others = [
        Sampler(COMMUNITIES).people(draws(2, 0, 1)),
        Sampler(COMMUNITIES).people(draws(1, 1, 1)),
        Sampler(COMMUNITIES.model_copy(update={"seed": 9})).people(draws(1, 0, 1)),
    ]
    for other in others:
        assert not torch.isclose(base.public, other.public).any()


def test_a_longer_roster_begins_with_the_same_people():
    short = Sampler(COMMUNITIES.model_copy(update={"size": 8})).people(draws(1, 0, 2))
    long = Sampler(COMMUNITIES).people(draws(1, 0, 2))
    assert torch.equal(short.traits, long.traits[:, :8])
    assert short.persona(1, 7) == long.persona(1, 7)


def test_personas_say_what_the_tensors_say(many: People):
    for agent in range(4):
        persona = many.persona(17, agent)
        assert persona.attributes["wage"] == float(many.attribute("wage")[17, agent])
        assert [persona.traits[name] for name in many.trait_names] == many.traits[17, agent].tolist()
        assert persona.public == {"wage"}
        assert 18 <= float(persona.attributes["age"]) <= 79


def test_edited_traits_reach_the_persona(many: People):
    few = Sampler(COMMUNITIES).people(draws(1, 0, 2))
    edited = few.traits.clone()
    edited[1, 3, 0] = 0.99
    assert few.with_traits(edited).persona(1, 3).traits["elasticity"] == pytest.approx(0.99)
    assert few.with_traits(edited).persona(1, 2) == few.persona(1, 2)


def _population(**parts: object) -> PopulationFile:
    spec: dict[str, object] = {"name": "x", "size": 200, "attributes": {"wage": {"law": "gb2"}}, **parts}
    return PopulationFile.model_validate(spec)


def test_correlations_hold_between_traits_and_with_the_wage():
    uniform = {"law": "uniform", "low": 0.0, "high": 1.0}
    pairs = [("habit", "patience", 0.6), ("habit", "wage", -0.4)]
    spec = _population(
        traits={"habit": uniform, "patience": uniform, "trust": uniform},
        correlations=[{"between": [a, b], "value": value} for a, b, value in pairs],
    )
    people = Sampler(spec).people(draws(3, 0, 200))
    columns = [people.trait(n) for n in people.trait_names] + [people.attribute("wage")]
    ranks = torch.stack([c.flatten().argsort().argsort().double() for c in columns])
    r = torch.corrcoef(ranks)  # Spearman's; of normal scores with correlation c it is (6 / pi) asin(c / 2)
    assert r[0, 1].item() == pytest.approx(0.582, abs=0.02)
    assert r[0, 3].item() == pytest.approx(-0.385, abs=0.02)
    assert r[1, 2].item() == pytest.approx(0.0, abs=0.02)


def test_beta_uniform_and_constant_laws():
    z = draws(5, 0, 1).normal("z", 0, 100_000)
    beta = trait_at("trust", Beta(law="beta", a=2.0, b=5.0), z, {}, None)
    assert float(beta.mean()) == pytest.approx(2 / 7, abs=0.002)
    assert float(beta.var()) == pytest.approx(10 / (49 * 8), rel=0.02)
    spec = _population(
        traits={"trust": {"law": "constant", "value": 0.3}, "preferred_hours": {"law": "constant", "value": 38.0}}
    )
    people = Sampler(spec).people(draws(1, 0, 1))
    assert people.traits[0, 0].tolist() == pytest.approx([0.3, 13 / 33])


def test_the_logistic_law_by_hand():
    law = Logistic(law="logistic", mean=0.1, loadings={"a": 2.0}, slopes={"b": 0.5}, noise=0.3)
    communities = {"a": torch.tensor([[0.4]]), "b": torch.tensor([[-1.0]])}
    u = trait_at("habit", law, torch.tensor([[1.0, -1.0]]), communities, torch.tensor([[2.0, -2.0]]))
    expected = [1 / (1 + 2.718281828 ** -(0.1 + 0.8 - 1.0 + 0.3)), 1 / (1 + 2.718281828 ** -(0.1 + 0.8 + 1.0 - 0.3))]
    assert u[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_words_and_integers_are_drawn_by_their_laws():
    spec = _population(
        attributes={
            "wage": {"law": "lognormal", "median": 20.0, "spread": 0.5, "low": 5.0, "high": 100.0},
            "age": {"law": "integer", "low": 30, "high": 32, "public": True},
            "town": {"law": "choice", "options": {"Rome": 3.0, "Oslo": 1.0}},
        }
    )
    people = Sampler(spec).people(draws(1, 0, 20))
    assert people.attribute_names == ("wage", "age")
    ages = people.attribute("age").flatten()
    assert [float((ages == age).float().mean()) for age in (30, 31, 32)] == pytest.approx([1 / 3] * 3, abs=0.03)
    towns = [people.persona(b, i).attributes["town"] for b in range(20) for i in range(200)]
    assert towns.count("Rome") / len(towns) == pytest.approx(0.75, abs=0.03)
    assert any("Rome" in people.persona(0, i).biography for i in range(5))
    assert float(people.attribute("wage").median()) == pytest.approx(20.0, rel=0.03)


def test_there_is_variety():
    assert min(len(set(FIRST_NAMES)), len(set(LAST_NAMES))) >= 200
    assert len({trade for band in BANDS for trade in band.trades}) >= 80
    assert min(len(set(TOWNS)), len(set(PASTIMES))) >= 30
    assert len(set(HOUSEHOLDS)) >= 15


def test_held_out_words_are_never_used_in_training():
    entries = (FIRST_NAMES, LAST_NAMES, TOWNS, PASTIMES, HOUSEHOLDS, SENTENCES, *(band.trades for band in BANDS))
    for words in entries:
        train, held_out = set(part(words, "train")), set(part(words, "held_out"))
        assert not train & held_out
        assert train | held_out == set(words)
        assert len(held_out) == len(words) // 5


@pytest.mark.parametrize("words", ["train", "held_out"])
def test_sampled_people_use_their_part_only(words: Words):
    people = Sampler(COMMUNITIES, words).people(draws(1, 0, 20))
    names = set(part(FIRST_NAMES, words))
    trades = {trade for band in BANDS for trade in part(band.trades, words)}
    vocabulary = set(life_words(words).replace(",", " ").split())
    for persona in (people.persona(b, i) for b in range(20) for i in range(32)):
        assert persona.name.split()[0] in names
        assert persona.attributes["occupation"] in trades
        assert set(str(persona.attributes["pastime"]).split()) <= vocabulary


@given(st.floats(0.5, 5000), st.floats(18, 110), st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8))
def test_trades_go_with_wages_and_households_with_ages(wage: float, age: float, u: list[float]):
    told = life(u, {"wage": wage, "age": float(int(age))}, "held_out")
    places = [i for i, band in enumerate(BANDS) if told.attributes["occupation"] in band.trades]
    own = next(i for i, band in enumerate(BANDS) if wage <= band.up_to)
    assert abs(places[0] - own) <= 1
    low, high = next((low, high) for h, low, high in HOUSEHOLDS if h == told.attributes["household"])
    assert low <= int(age) <= high
    assert "{" not in told.biography


def test_sampling_is_fast_enough():
    import time

    sampler = Sampler(COMMUNITIES)
    sampler.people(draws(1, 0, 10))
    start = time.process_time()
    sampler.people(draws(1, 0, 5_000))
    assert time.process_time() - start < 1.0  # 5,000 rosters of 32 a second


def test_the_summary_tells_communities_from_strangers():
    table = sample_table(Sampler(COMMUNITIES).people(draws(1, 0, 300)))
    elasticity, fairness, risk = table.traits[0], table.traits[1], table.traits[2]
    assert (table.rosters, table.people) == (300, 9_600)
    assert elasticity.between > 0.75
    assert fairness.between > 0.85
    assert risk.between < 0.03
    assert fairness.mean == pytest.approx(0.5, abs=0.06)
    assert list(fairness.quantiles) == sorted(fairness.quantiles)
    assert table.community_correlations[0][0] == pytest.approx(1.0)
    assert abs(table.community_correlations[0][1]) < 0.2


def test_the_share_between_rosters_by_hand():
    values = torch.tensor([[1.0, 3.0], [5.0, 7.0]])  # between mean square 16, within 2: (16 - 2) / (16 + 2)
    assert between_share(values) == pytest.approx(14 / 18)
