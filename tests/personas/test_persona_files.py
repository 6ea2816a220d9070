"""Persona and population files: the ones that ship, and every way to get one wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personas.load import PersonaFileError, load_folder, load_persona, load_population
from personas.traits import TRAITS, hours_told
from personas.words import render

Refusal = Callable[..., str]
ROOM = Path(__file__).parents[2] / "personas"

GOOD = """\
id: maria-keller
name: Maria Keller
biography: You have nursed for twenty years.
attributes:
  wage: 38.5
  age: {value: 44, public: false}
  town: {value: Aldermoor, public: true}
traits:
  habit: 0.85
  preferred_hours: 0.24
words:
  habit: You guard your Wednesdays.
"""

POPULATION = """\
name: small
size: 4
communities: [fair, rich]
attributes:
  wage: {law: gb2}
  age: {law: integer, low: 18, high: 79}
traits:
  fairness: {law: logistic, loadings: {fair: 2}, slopes: {rich: 1}, noise: 0.5}
  habit: {law: uniform, low: 0, high: 1}
  patience: {law: beta, a: 2, b: 2}
correlations:
  - {between: [fairness, habit], value: 0.3}
"""


@pytest.fixture(name="refusal")
def _refusal(tmp_path: Path):
    """Loads a text that must be refused, and returns the message without the folder's name."""

    def refuse(text: str | bytes, population: bool = False) -> str:
        path = tmp_path / "x.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(PersonaFileError) as caught:
            load_population(path) if population else load_persona(path)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refuse


def test_a_good_file_says_what_it_says(tmp_path: Path):
    path = tmp_path / "maria.yaml"
    path.write_text(GOOD)
    maria = load_persona(path)
    assert (maria.id, maria.name) == ("maria-keller", "Maria Keller")
    assert maria.attributes == {"wage": 38.5, "age": 44.0, "town": "Aldermoor"}
    assert maria.public == {"wage", "town"}
    assert maria.traits == {"habit": 0.85, "preferred_hours": 0.24}
    assert "You guard your Wednesdays." in render(maria)


@pytest.mark.parametrize(
    ("change", "to", "place", "right"),
    [
        ("name: Maria", "nmae: Maria", "x.yaml:2: nmae", "did you mean 'name'?"),
        ("habit: 0.85", "habits: 0.85", "x.yaml:9: traits.habits", "did you mean 'habit'?"),
        ("habit: 0.85", "habit: 1.2", "x.yaml:9: traits.habit", "less than or equal to 1"),
        ("habit: 0.85", "habit: -0.1", "x.yaml:9: traits.habit", "greater than or equal to 0"),
        ("habit: 0.85", "habit: .nan", "x.yaml:9: traits.habit", "finite"),
        ("habit: 0.85", "habit: '0.85'", "x.yaml:9: traits.habit", "valid number"),
        ("habit: 0.85", "habit: true", "x.yaml:9: traits.habit", "valid number"),
        ("habit: 0.85", "habit: {value: 0.85, public: true}", "x.yaml:9: traits.habit", "valid number"),
        ("wage: 38.5", "wage: 0", "x.yaml:5: attributes.wage", "above 0"),
        ("wage: 38.5", "wage: 1.0e-300", "x.yaml:5: attributes.wage", "above 0.01"),
        ("wage: 38.5", "wage: -4", "x.yaml:5: attributes.wage", "above 0"),
        ("wage: 38.5", "wage: .inf", "x.yaml:5: attributes.wage", "finite number"),
        ("wage: 38.5", "wage: lots", "x.yaml:5: attributes.wage", "should be a number"),
        ("wage: 38.5", "wage: {value: 38.5, pubic: true}", "x.yaml:5: attributes.wage.pubic", "did you mean 'public'?"),
        ("wage: 38.5", "wage: {public: true}", "x.yaml:5: attributes.wage.value", "missing"),
        ("public: false", "public: 'no'", "x.yaml:6: attributes.age.public", "valid boolean"),
        ("value: 44", "value: 404", "x.yaml:6: attributes.age", "at most 120"),
        ("value: 44", "value: 1990-05-01", "x.yaml:6: attributes.age.value", "quote it"),
        ("id: maria-keller", "id: Maria Keller!", "x.yaml:1: id", "lower-case letters"),
        ("id: maria-keller\n", "", "x.yaml:1: id", "missing"),
        ("name: Maria Keller", "name: ' '", "x.yaml:2: name", "should not be empty"),
        ("name: Maria Keller", 'name: "\\u200b\\u200b"', "x.yaml:2: name", "should not be empty"),
        ("habit: You guard your Wednesdays.", 'habit: "\\u200b"', "x.yaml:12: words.habit", "should not be empty"),
        ("value: Aldermoor", 'value: "\\u200b"', "x.yaml:7: attributes.town.value", "a text of 1 to"),
        ("name: Maria Keller", "name: 7", "x.yaml:2: name", "valid string"),
        ("  habit: You guard", "  fairness: You guard", "x.yaml:12: words.fairness", "add fairness to traits"),
        ("  wage: 38.5", "  wage: 38.5\n  wage: 39", "x.yaml:6", 'duplicate key "wage"'),
        ("  wage: 38.5", "  wage: &w 38.5\n  rate: *w", "x.yaml:6", "aliases"),
        ("  wage: 38.5", "  wage: !!python/object:os.system 1", "x.yaml:5", ""),
        ("  wage: 38.5", "  wage: [38.5", "x.yaml:6", "not valid YAML"),
        ("  wage: 38.5", "  2: 38.5", "x.yaml:5: attributes", "should be text"),
        ("biography: You", "biography: " + "y" * 2001, "x.yaml:3: biography", "at most 2000"),
    ],
)
def test_a_malformed_person_is_refused(refusal: Refusal, change: str, to: str, place: str, right: str):
    assert change in GOOD
    message = refusal(GOOD.replace(change, to, 1))
    assert any(line.startswith(place) and right in line for line in message.splitlines()), message


@pytest.mark.parametrize(
    ("change", "to", "place", "right"),
    [
        ("size: 4", "size: 0", "x.yaml:2: size", "greater than or equal to 1"),
        ("size: 4\n", "", "x.yaml:1: size", "missing"),
        ("law: gb2", "law: gb3", "x.yaml:5: attributes.wage", "did you mean 'gb2'?"),
        ("law: gb2", "low: 3", "x.yaml:5: attributes.wage", "needs a law"),
        (
            "wage: {law: gb2}",
            "wage: {law: normal, mean: 20, sd: 9, low: 0, high: 50}",
            "x.yaml:5: attributes.wage",
            "above 0",
        ),
        ("wage: {law: gb2}", "income: {law: gb2}", "x.yaml:5: attributes.income", "wage"),
        (
            "wage: {law: gb2}",
            "cows: {law: integer, low: 0, high: 1" + "0" * 60 + "}",
            "x.yaml:5: attributes.cows",
            "at most 1e+12",
        ),
        ("wage: {law: gb2}", "wage: {law: gb2, low: 9, high: 8}", "x.yaml:5: attributes.wage", "should be below high"),
        ("wage: {law: gb2}", "wage: {law: gb2, high: 1.0e+300}", "x.yaml:5: attributes.wage", "dollars a year"),
        ("age: {law: integer, low: 18", "age: {law: integer, low: 80", "x.yaml:6: attributes.age", "below high"),
        ("age: {law: integer, low: 18", "age: {law: integer, low: 18.5", "x.yaml:6: attributes.age.low", "integer"),
        ("habit: {law", "habti: {law", "x.yaml:9: traits.habti", "did you mean 'habit'?"),
        ("high: 1}", "high: 2}", "x.yaml:9: traits.habit", "leaves the scale"),
        ("noise: 0.5", "noize: 0.5", "x.yaml:8: traits.fairness.noize", "did you mean 'noise'?"),
        ("noise: 0.5", "noise: -1", "x.yaml:8: traits.fairness.noise", "greater than or equal to 0"),
        ("{fair: 2}", "{fare: 2}", "x.yaml:8: traits.fairness.loadings.fare", "did you mean 'fair'?"),
        ("{rich: 1}", "{poor: 1}", "x.yaml:8: traits.fairness.slopes.poor", "declared are: fair, rich"),
        ("  wage: {law: gb2}\n", "", "x.yaml:7: traits.fairness.slopes", "declare a wage"),
        ("[fair, rich]", "[fair, rich, fair]", "x.yaml:3: communities.2", "twice"),
        ("[fairness, habit]", "[fairness, haste]", "x.yaml:12: correlations.0.between", "does not vary"),
        ("[fairness, habit]", "[habit, habit]", "x.yaml:12: correlations.0.between", "two different"),
        ("value: 0.3", "value: 1.0", "x.yaml:12: correlations.0.value", "less than 1"),
        ("law: beta, a: 2", "law: beta, a: 0", "x.yaml:10: traits.patience.a", "greater than 0"),
    ],
)
def test_a_malformed_population_is_refused(refusal: Refusal, change: str, to: str, place: str, right: str):
    assert change in POPULATION
    message = refusal(POPULATION.replace(change, to, 1), population=True)
    assert any(line.startswith(place) and right in line for line in message.splitlines()), message


def test_impossible_correlations_are_refused(refusal: Refusal):
    pairs = [("fairness", "habit", 0.9), ("habit", "patience", 0.9), ("fairness", "patience", -0.9)]
    lines = "".join(f"  - {{between: [{a}, {b}], value: {value}}}\n" for a, b, value in pairs)
    text = POPULATION.split("correlations:")[0] + "correlations:\n" + lines
    message = refusal(text, population=True)
    assert message.startswith("x.yaml:11: correlations: no population can have these correlations")


def test_every_fault_of_a_file_is_told_at_once(refusal: Refusal):
    text = GOOD.replace("name:", "nmae:").replace("wage: 38.5", "wage: {}").replace("0.85", "7")
    assert [line.split(": ")[1] for line in refusal(text).splitlines()] == [
        "name",
        "nmae",
        "attributes.wage.value",
        "traits.habit",
    ]


@pytest.mark.parametrize(
    ("content", "right"),
    [
        (b"", "should be a mapping"),
        (b"- 1\n", "should be a mapping"),
        (b"just words\n", "should be a mapping"),
        (b"name: Jos\xe9\n", "x.yaml:1: not UTF-8"),
        (b"\nname: a\x07b\n", "x.yaml: not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "expected a single document"),
        (b"x: " + b"[" * 500, "nested too deeply"),
        (b"#" * 1_000_001, "larger than 1,000,000 bytes"),
    ],
)
def test_files_that_are_not_persona_files_at_all(refusal: Refusal, content: bytes, right: str):
    assert right in refusal(content)


def test_a_missing_file_and_a_folder_in_its_place(tmp_path: Path):
    for path in (tmp_path / "nobody.yaml", tmp_path):
        with pytest.raises(PersonaFileError, match="cannot be read"):
            load_persona(path)


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path):
    with pytest.raises(PersonaFileError, match="nobody lives here"):
        load_folder(tmp_path)
    with pytest.raises(PersonaFileError, match="no such folder"):
        load_folder(tmp_path / "nowhere")


def test_two_people_with_one_id_are_refused_with_both_files(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("# a copy\n" + GOOD)
    with pytest.raises(PersonaFileError) as caught:
        load_folder(tmp_path)
    assert f"{tmp_path}/b.yaml:2: id: 'maria-keller' is already the id of {tmp_path}/a.yaml" in str(caught.value)


def test_faults_of_all_files_in_a_folder_are_told(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(GOOD.replace("38.5", "0"))
    with pytest.raises(PersonaFileError) as caught:
        load_folder(tmp_path)
    assert [problem.file.name for problem in caught.value.problems] == ["a.yaml", "b.yaml"]


@settings(max_examples=150)
@given(
    st.one_of(st.binary(max_size=80), st.text(alphabet="abc:{}[]-&*!#|>'\" \n0.,%@?\t", max_size=60).map(str.encode))
)
def test_any_other_bytes_are_refused_with_the_file_named(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(PersonaFileError, match=r"any\.yaml"):
        load_persona(path)


def test_the_village_is_diverse():
    village = load_folder(ROOM / "village")
    wages = [float(p.attributes["wage"]) for p in village]
    ages = [float(p.attributes["age"]) for p in village]
    assert len(village) >= 32
    assert len({p.attributes["occupation"] for p in village}) == len(village)
    assert (min(wages), max(wages)) == (8.0, 240.0)
    assert min(ages) < 20
    assert max(ages) >= 80
    for name in ("elasticity", "fairness", "risk_aversion", "loss_aversion", "habit"):
        values = [p.traits[name] for p in village]
        assert min(values) < 1 / 7
        assert max(values) > 6 / 7
    assert 36 <= sum(hours_told(p.traits["preferred_hours"]) for p in village) / len(village) <= 42
    assert sum(bool(p.words) for p in village) >= 3
    assert sum(any(TRAITS[name].words_only for name in p.traits) for p in village) >= 5


def test_everyone_in_the_village_has_a_life_and_shows_only_the_wage():
    for person in load_folder(ROOM / "village"):
        assert 120 < len(person.biography) < 420, person.id
        assert person.biography.startswith(("You", "Your"))
        assert person.public == {"wage"}
        assert {"age", "occupation"} <= set(person.attributes)


@pytest.mark.parametrize("path", sorted((ROOM / "populations").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_populations_that_ship_are_good(path: Path):
    population = load_population(path)
    assert (population.name, population.size) == (path.stem, {"gatherers": 4, "players": 16}.get(path.stem, 32))
