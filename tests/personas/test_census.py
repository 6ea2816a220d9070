"""Populations drawn from a table of counts or shares: what is drawn, and every way to get a table wrong."""

import csv
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.draws import Draws, draws
from personas.inspect import diff
from personas.load import PersonaFileError, load_population, population_files
from personas.rosters import open_rosters
from personas.sample import Sampler

POPULATIONS = Path(__file__).parents[2] / "personas" / "populations"

POPULATION = """\
name: small
size: 40
table: {file: t.csv, counts: count}
attributes:
  wage: {law: table}
  age: {law: table}
  work: {law: table, column: Work}
traits:
  habit: {law: table}
  preferred_hours: {law: table, column: hours}
  trust: {law: uniform, low: 0, high: 1}
"""

TABLE = """\
# Made up.

age,Work,wage,habit,hours,count
20-24,mill,8-10.5,0.2,30-40,3
25-25,"farm, or garden",11,0.5-0.9,25,1
70 to 79,shop,100,1,58,0
"""


def write(folder: Path, table: str = TABLE, population: str = POPULATION) -> Path:
    (folder / "t.csv").write_text(table)
    path = folder / "small.yaml"
    path.write_text(population)
    return path


def refusal(folder: Path, table: str = TABLE, population: str = POPULATION) -> str:
    with pytest.raises(PersonaFileError) as caught:
        load_population(write(folder, table, population))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.fixture(name="sampler")
def _sampler(tmp_path: Path) -> Sampler:
    return Sampler(load_population(write(tmp_path)))


def test_everybody_comes_from_one_row(sampler: Sampler):
    people = sampler.people(draws(1, 0, 100))
    ages, mill = Counter[float](), 0
    for world in range(100):
        for agent in range(40):
            person = people.persona(world, agent)
            age, wage = float(person.attributes["age"]), float(person.attributes["wage"])
            hours = 25 + 33 * person.traits["preferred_hours"]
            ages[age] += 1
            if person.attributes["work"] == "mill":
                mill += 1
                assert 20 <= age <= 24
                assert 8 <= wage <= 10.5
                assert person.traits["habit"] == pytest.approx(0.2)
                assert 30 - 1e-4 <= hours <= 40 + 1e-4
            else:
                assert person.attributes["work"] == "farm, or garden"
                assert (age, wage) == (25, 11)
                assert 0.5 - 1e-6 <= person.traits["habit"] <= 0.9 + 1e-6
                assert hours == pytest.approx(25)
    assert mill / 4000 == pytest.approx(0.75, abs=0.02)
    assert set(ages) == {
        20,
        21,
        22,
        23,
        24,
        25,
    }  # both ends of a band of whole years, and nobody of a row without people
    assert all(ages[age] / 4000 == pytest.approx(0.15, abs=0.02) for age in range(20, 25))


def test_tensors_say_what_personas_say(sampler: Sampler):
    people = sampler.people(draws(1, 0, 3))
    assert people.attribute_names == ("wage",)
    for agent in range(40):
        person = people.persona(2, agent)
        assert person.attributes["wage"] == float(people.attribute("wage")[2, agent])
        assert person.traits["habit"] == float(people.trait("habit")[2, agent])


def test_bands_are_drawn_evenly(sampler: Sampler):
    wages = sampler.people(draws(1, 0, 200)).attribute("wage").flatten()
    band = wages[wages < 11]
    assert float(band.mean()) == pytest.approx(9.25, abs=0.05)
    assert float(band.std()) == pytest.approx(2.5 / 12**0.5, abs=0.02)


@settings(max_examples=20)
@given(st.integers(0, 2**40), st.lists(st.integers(0, 2**50), min_size=1, max_size=5, unique=True), st.data())
def test_an_episode_has_the_same_people_whatever_the_batch(seed: int, episodes: list[int], data: st.DataObject):
    pick = data.draw(st.integers(0, len(episodes) - 1))
    sampler = Sampler(load_population(POPULATIONS / "us_workers.yaml").model_copy(update={"size": 7}))
    together = sampler.people(Draws(seed, torch.tensor(episodes)))
    alone = sampler.people(Draws(seed, torch.tensor(episodes[pick : pick + 1])))
    assert torch.equal(together.public[pick], alone.public[0])
    assert torch.equal(together.traits[pick], alone.traits[0])
    assert [together.persona(pick, i) for i in range(7)] == [alone.persona(0, i) for i in range(7)]


def test_published_shares_may_miss_1_by_their_rounding(tmp_path: Path):
    shares = "work,share\n" + "".join(f"w{i},0.33\n" for i in range(3))
    population = "name: s\nsize: 3\ntable: {file: t.csv, shares: share}\nattributes: {work: {law: table}}\n"
    census = load_population(write(tmp_path, shares, population)).census
    assert census.shares == pytest.approx((1 / 3,) * 3)
    off = refusal(tmp_path, shares.replace("0.33", "0.25"), population)
    assert off.startswith("t.csv: share: the shares sum to 0.75, not to 1; add the rows that are missing")
    assert "divide them by 100" in refusal(tmp_path, shares.replace("0.33", "33.3"), population)


@pytest.mark.parametrize(
    ("change", "to", "right"),
    [
        (",3\n", ",-3\n", "t.csv:4: count: found '-3'; should be a number, 0 or more"),
        (",3\n", ",many\n", "t.csv:4: count: found 'many'"),
        (",3\n", ",inf\n", "t.csv:4: count: found 'inf'"),
        (",3\n", ",1e999\n", "t.csv:4: count: found '1e999'"),
        (",3\n", ",\n", "t.csv:4: count: found ''"),
        ("20-24", "70+", "t.csv:4: age: found '70+'; a band needs both ends"),
        ("20-24", "65 and over", "t.csv:4: age: found '65 and over'; a band needs both ends"),
        ("20-24", "24-20", "t.csv:4: age: found '24-20'; a band goes from its lower end"),
        ("20-24", "20.5-24", "t.csv:4: age: found '20.5-24'; should be whole numbers"),
        ("20-24", "20-240", "t.csv:4: age: found '20-240'; should be above 0 and at most 120"),
        ("20-24", "young", "t.csv:4: age: found 'young'; should be a number or a band"),
        ("8-10.5", "0", "t.csv:4: wage: found '0'; should be above 0.01"),
        ("0.2", "1.2", "t.csv:4: habit: found '1.2'; should be from 0 to 1"),
        ("30-40", "20-40", "t.csv:4: hours: found '20-40'; should be from 25 to 58"),
        ("mill", "", "t.csv:4: Work: should be a text"),
        ('"farm, or garden"', "farm, or garden", "t.csv:5: 7 cells, but 6 columns have names"),
        ('"farm, or garden"', '"farm', "t.csv:5: not a row of a table"),
        ("age,Work", "age,Werk", "t.csv:3: Work: there is no such column (did you mean 'Werk'?)"),
        ("age,Work", "age,wage", "t.csv:3: wage: two columns have this name"),
        ("age,Work", ",Work", "t.csv:3: column 1 has no name"),
        (TABLE, "# nothing\n", "t.csv:1: the table is empty"),
        (TABLE, TABLE.splitlines()[2], "t.csv:1: the table has no rows"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, change: str, to: str, right: str):
    assert change in TABLE
    message = refusal(tmp_path, TABLE.replace(change, to, 1))
    assert any(line.startswith(right) for line in message.splitlines()), message


def test_a_table_of_nobody_is_refused(tmp_path: Path):
    assert "nobody is in this table" in refusal(tmp_path, TABLE.replace(",3\n", ",0\n").replace(",1\n", ",0\n"))


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path):
    path = write(tmp_path)
    (tmp_path / "t.csv").write_bytes(b"age\n\xff\n")
    with pytest.raises(PersonaFileError, match=r"t\.csv:2: not UTF-8"):
        load_population(path)
    (tmp_path / "t.csv").unlink()
    with pytest.raises(PersonaFileError, match=r"t\.csv: cannot be read"):
        load_population(path)


@pytest.mark.parametrize(
    ("change", "to", "right"),
    [
        ("counts: count", "counts: count, shares: share", "small.yaml:3: table: should name one column"),
        (", counts: count", "", "small.yaml:3: table: should name one column"),
        ("counts: count", "count: count", "small.yaml:3: table.count: unknown key (did you mean 'counts'?)"),
        (
            "t.csv",
            "../t.csv",
            "small.yaml:3: table.file: found '../t.csv'; should be the name of a file beside this one",
        ),
        ("table: {file: t.csv, counts: count}\n", "", "small.yaml:4: attributes.wage: there is no table; name one"),
        ("counts: count", "counts: number", "t.csv:3: number: there is no such column"),
        (
            "uniform, low: 0, high: 1}\n",
            "uniform, low: 0, high: 1}\ncorrelations: [{between: [age, trust], value: 0.2}]\n",
            "small.yaml:12: correlations.0.between: 'age' is drawn from the table",
        ),
    ],
)
def test_a_wrong_use_of_a_table_is_refused(tmp_path: Path, change: str, to: str, right: str):
    assert change in POPULATION
    message = refusal(tmp_path, TABLE, POPULATION.replace(change, to, 1))
    assert any(line.startswith(right) for line in message.splitlines()), message


def test_a_table_that_nobody_reads_is_refused(tmp_path: Path):
    population = "name: s\nsize: 3\ntable: {file: t.csv, counts: count}\nattributes: {wage: {law: gb2}}\n"
    assert "small.yaml:3: table: nothing is drawn from it" in refusal(tmp_path, TABLE, population)


def test_traits_of_a_table_cannot_be_drawn_for_an_income(sampler: Sampler):
    with pytest.raises(ValueError, match="draws traits from its table"):
        sampler.traits_given(draws(1, 0, 1), torch.zeros(1, 40))


def test_semicolons_and_a_byte_order_mark_are_read(tmp_path: Path):
    path = write(tmp_path, "\ufeff" + TABLE.replace('"farm, or garden"', "farm").replace(",", ";"))
    assert load_population(path).census.shares == pytest.approx((0.75, 0.25, 0))


def test_a_table_is_part_of_its_population(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = write(tmp_path / "a"), write(tmp_path / "b", TABLE.replace("mill", "mine"))
    assert population_files(first) == [first, tmp_path / "a" / "t.csv"]
    (change,) = diff(first, second)
    assert (change.field, "mill" in change.before, "mine" in change.after) == ("table row 1", True, True)


def test_the_workers_are_as_the_source_counts_them():
    """count = percent of the published totals, and all ages together come to the published shares of the groups."""
    totals = dict(
        zip(("16", "20", "25", "35", "45", "55", "65"), (5551, 14347, 36276, 37036, 32304, 26605, 11374), strict=True)
    )
    lines = (POPULATIONS / "us_workers.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(rows) == 7 * 9
    for row in rows:
        assert int(row["count"]) == round(totals[row["age"][:2]] * float(row["percent"]) / 100)
    published = {
        "professional": 24.6,
        "service worker": 16.7,
        "salesperson": 8.7,
        "production or transport worker": 12.1,
    }
    for group, percent in published.items():
        assert 100 * sum(int(r["count"]) for r in rows if r["occupation"] == group) / 163_493 == pytest.approx(
            percent, abs=0.1
        )


def test_the_workers_can_be_drawn():
    people = open_rosters(POPULATIONS / "us_workers.yaml").people(draws(1, 0, 100))
    drawn = [people.persona(b, i) for b in range(100) for i in range(32)]
    young = [p.attributes["occupation"] for p in drawn if float(p.attributes["age"]) < 20]
    assert young.count("service worker") / len(young) == pytest.approx(0.42, abs=0.1)
