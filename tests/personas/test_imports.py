"""People from CSV, JSON lines and TinyTroupe: who comes out, and what is refused, with its line and column."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.draws import draws
from personas.exports import jsonl_text, people_at
from personas.fields import Field
from personas.frozen import freeze
from personas.imports import changed, people_of
from personas.load import PersonaFileError, load_folder, load_persona
from personas.people import Persona
from personas.rosters import Village, open_rosters
from personas.rows import csv_people, jsonl_people
from personas.tinytroupe import tinytroupe_people
from tests.personas.anybody import people

ROOM = Path(__file__).parents[2] / "personas"
TILDA = Path(__file__).parent / "tinytroupe" / "Tilda_Moor.agent.json"

CSV = """\
name,biography,Wage,wage.public,age,occupation,attributes.code,habit,words.habit,Town of birth
Ann Lee,"You bake, and sing.",12.5,,34,baker,02139,0.5,Never.,Rome
Bob,,9,no,40,cook,7,0.25,,
"""
COLUMNS = {"Town of birth": "attributes.birthplace"}


def imported(path: Path, defaults: dict[Field, object] | None = None, traits: tuple[str, ...] = ()) -> list[Persona]:
    return people_of(csv_people(path, COLUMNS), defaults or {}, (), traits)


def refusal(path: Path, text: str | bytes, **columns: str) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PersonaFileError) as caught:
        people_of(
            csv_people(path, columns or COLUMNS) if path.suffix == ".csv" else jsonl_people(path), {}, (), ("habit",)
        )
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.fixture(name="table")
def _table(tmp_path: Path) -> Path:
    path = tmp_path / "p.csv"
    path.write_text(CSV)
    return path


def test_rows_become_people(table: Path):
    ann, bob = imported(table)
    assert (ann.id, ann.name, ann.biography) == ("ann-lee", "Ann Lee", "You bake, and sing.")
    assert ann.attributes == {"wage": 12.5, "age": 34, "occupation": "baker", "code": "02139", "birthplace": "Rome"}
    assert (ann.public, bob.public) == ({"wage"}, set())
    assert (ann.traits, ann.words, bob.words) == ({"habit": 0.5}, {"habit": "Never."}, {})
    assert "birthplace" not in bob.attributes  # an empty cell declares nothing


def test_defaults_are_given_to_those_who_say_nothing(table: Path):
    defaults: dict[Field, object] = {
        ("traits", "habit"): 0.9,
        ("traits", "trust"): 0.1,
        ("attributes", "code", "value"): 1,
    }
    ann, bob = imported(table, defaults, ("habit", "trust"))
    assert (ann.traits, bob.traits) == ({"habit": 0.5, "trust": 0.1}, {"habit": 0.25, "trust": 0.1})
    assert bob.attributes["code"] == 7


@pytest.mark.parametrize(
    ("change", "to", "right"),
    [
        ("12.5", "-4", "p.csv:2: Wage: found -4; should be above 0.01"),
        ("12.5", "lots", "p.csv:2: Wage: found 'lots'; should be a number"),
        ("40,cook", "400,cook", "p.csv:3: age: found 400; should be above 0 and at most 120"),
        ("0.25", "25%", "p.csv:3: habit: found '25%'"),
        ("0.25", "1.5", "p.csv:3: habit: found 1.5"),
        ("0.25", "", "p.csv:3: the society needs the trait 'habit'"),
        ("9,no", "9,perhaps", "p.csv:3: wage.public: found 'perhaps'"),
        ("Bob", "", "p.csv:3: id: missing"),
        ("Bob", "Ann  LEE", "p.csv:3: id: 'ann-lee' is already the id of line 2"),
        ("Bob", "愛", "p.csv:3: name: no id can be made"),
        (",0.25,", ",0.25,Always.,", "p.csv:3: 11 cells, but 10 columns have names"),
        ("occupation", "ocupation", "p.csv:1: ocupation: there is no field 'ocupation' (did you mean 'occupation'?)"),
        ("words.habit", "traits.habit", "p.csv:1: traits.habit: means the same as the column 'habit'"),
        ("Town of birth", "Born", "p.csv:1: Town of birth: there is no such column"),
        ('"You bake', "You bake", "p.csv:2: 11 cells"),
        (',"You', ',""You', "p.csv:2: not a row of a table"),
    ],
)
def test_a_broken_row_is_refused(tmp_path: Path, change: str, to: str, right: str):
    assert change in CSV
    message = refusal(tmp_path / "p.csv", CSV.replace(change, to, 1))
    assert any(line.startswith(right) for line in message.splitlines()), message


def test_an_unknown_column_is_explained_or_left_out(tmp_path: Path, table: Path):
    message = refusal(tmp_path / "q.csv", CSV, none="")
    assert (
        "say what it is, e.g. --map 'Town of birth=attributes.town_of_birth', or leave it out with --ignore" in message
    )
    ann, _ = people_of(csv_people(table, {}, ("Town of birth", "habit", "words.habit")), {})
    assert "habit" not in ann.traits


def test_every_fault_of_every_row_is_told_at_once(tmp_path: Path):
    text = CSV.replace("12.5", "-4").replace("0.5", "5").replace("40,cook", "400,cook").replace("0.25", "-1")
    told = [line.split("; ")[0] for line in refusal(tmp_path / "p.csv", text).splitlines()]
    assert told == [
        "p.csv:2: habit: found 5",
        "p.csv:2: Wage: found -4",
        "p.csv:3: habit: found -1",
        "p.csv:3: age: found 400",
    ]


@settings(max_examples=60)
@given(st.lists(people(), min_size=1, max_size=4, unique_by=lambda person: person.id))
def test_what_is_exported_comes_back(tmp_path_factory: pytest.TempPathFactory, persons: list[Persona]):
    path = tmp_path_factory.getbasetemp() / "all.jsonl"
    path.write_text(jsonl_text(persons), encoding="utf-8")
    assert people_of(jsonl_people(path), {}) == persons


def test_the_village_and_a_frozen_roster_are_exported(tmp_path: Path):
    village = load_folder(ROOM / "village")
    assert people_at(ROOM / "village") == village
    assert people_at(ROOM / "village" / "maria-keller.yaml") == [load_persona(ROOM / "village" / "maria-keller.yaml")]
    sampled = open_rosters(ROOM / "populations" / "communities.yaml", 4).people(draws(1, 0, 3))
    freeze(sampled, tmp_path / "f.jsonl")
    assert people_at(tmp_path / "f.jsonl") == [sampled.persona(b, i) for b in range(3) for i in range(4)]
    freeze(Village(tuple(village), 30).people(draws(1, 0, 4)), tmp_path / "v.jsonl")
    again = people_at(tmp_path / "v.jsonl")  # who sits in several rosters is one person
    assert sorted(again, key=lambda person: person.id) == village


MARIA = json.dumps({"id": "maria", "name": "Maria", "traits": {"habit": 0.5}})


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("{", "p.jsonl:2: not valid JSON"),
        ("[1]", "p.jsonl:2: should be an object"),
        ('{"id": "b", "id": "c"}', "p.jsonl:2: the key 'id' stands twice"),
        ('{"id": "b", "name": "B", "traits": {"habit": NaN}}', "p.jsonl:2: found NaN"),
        ('{"id": "b", "name": "B", "traits": {"habit": 0.5}, "age": 3}', "p.jsonl:2: age: unknown key"),
        ('{"id": "b", "name": "B", "traits": {"habit": "0.5"}}', "p.jsonl:2: traits.habit: found '0.5'"),
        ('{"id": "b", "name": "B", "traits": [0.5]}', "p.jsonl:2: traits: found [0.5]"),
        ('{"id": "b", "name": "B", "attributes": {"x": %s}}' % ("9" * 400), "p.jsonl:2: a number is too large"),
        ('{"id": "b", "name": "\\ud800"}', "p.jsonl:2: the text holds half a character"),
        ('{"id": "b", "name": 7, "traits": {"habit": 0.5}}', "p.jsonl:2: name: found 7"),
        ("[" * 100_000, "p.jsonl:2: nested too deeply"),
        (MARIA, "p.jsonl:2: id: 'maria' is already the id of line 1"),
    ],
)
def test_a_broken_line_is_refused(tmp_path: Path, line: str, right: str):
    message = refusal(tmp_path / "p.jsonl", f"{MARIA}\n{line}\n")
    assert any(told.startswith(right) for told in message.splitlines()), message


@pytest.mark.parametrize(
    ("content", "right"),
    [
        (b"", "nobody is in this file"),
        (b"\n\xff", "p.jsonl:2: not UTF-8"),
        (b'{"solon_roster": 1}\n', "solon personas export"),
    ],
)
def test_files_that_are_no_lists_of_people(tmp_path: Path, content: bytes, right: str):
    assert right in refusal(tmp_path / "p.jsonl", content)


def test_an_agent_of_tinytroupe_is_taken_over(tmp_path: Path):
    rows, left_out = tinytroupe_people(TILDA)
    (tilda,) = people_of(rows, {("traits", "habit"): 0.5}, (), ("habit",))
    assert (tilda.id, tilda.name) == ("tilda-moor", "Tilda Moor")
    assert tilda.attributes == {
        **{"age": 52, "occupation": "Boat Builder", "gender": "Female"},
        **{"nationality": "Norwegian", "residence": "Bergen, Norway"},
    }
    assert tilda.biography == (
        "You build and mend wooden boats, alone in winter and with two helpers in summer. You finish what you begin. "
        "You distrust anything that comes with a brochure. You were born on an island that nobody lives on now. "
        "To launch one more boat with your daughter."
    )
    assert not tilda.public
    assert {"education", "style", "skills", "relationships", "personality.big_five", "occupation.organization"} == set(
        left_out
    )


def test_a_long_agent_is_told_in_whole_sentences(tmp_path: Path):
    agent = json.loads(TILDA.read_text())
    agent["persona"]["other_facts"] = [f"Fact {i} of many that could be told." for i in range(100)]
    (tmp_path / "a.json").write_text(json.dumps(agent))
    rows, left_out = tinytroupe_people(tmp_path)
    biography = people_of(rows, {})[0].biography
    assert 1_900 < len(biography) <= 2_000
    assert biography.endswith("could be told.")
    assert "what goes beyond 2,000 characters of biography" in left_out


@pytest.mark.parametrize(
    ("change", "to", "right"),
    [
        ('"TinyPerson"', '"TinyWorld"', "a.agent.json: type: not an agent of TinyTroupe"),
        ('"persona": {', '"configuration": {', "a.agent.json: persona: not an agent of TinyTroupe"),
        ('"age": 52', '"age": 520', "a.agent.json: persona.age: found 520"),
        ('"age": 52', '"age": [52]', "a.agent.json: persona.age: should be a finite number"),
        ('"name": "Tilda Moor"', '"name": ""', "a.agent.json: persona.name"),
        ('"name": "Tilda Moor",', "", "a.agent.json: id: missing"),
        ('"age": 52,', '"age": 52', "a.agent.json: not valid JSON"),
    ],
)
def test_a_broken_agent_is_refused(tmp_path: Path, change: str, to: str, right: str):
    text = TILDA.read_text()
    assert change in text
    (tmp_path / "a.agent.json").write_text(text.replace(change, to, 1))
    shutil.copy(TILDA, tmp_path / "b.agent.json")
    with pytest.raises(PersonaFileError) as caught:
        people_of(tinytroupe_people(tmp_path)[0], {})
    assert right in str(caught.value)


def test_what_is_left_out_cannot_steer_a_terminal(tmp_path: Path):
    agent = {"type": "TinyPerson", "persona": {"name": "A", "\x1b[2Jgone": 1}}
    (tmp_path / "a.json").write_text(json.dumps(agent))
    assert tinytroupe_people(tmp_path)[1] == ("[2Jgone",)


def test_a_folder_without_agents_is_refused(tmp_path: Path):
    with pytest.raises(PersonaFileError, match=r"no \.json file"):
        tinytroupe_people(tmp_path)


def test_words_about_another_value_no_longer_hold():
    ahmet = load_persona(ROOM / "village" / "ahmet-yildiz.yaml")
    assert "habit" in ahmet.words
    assert not changed(Path("a.yaml"), ahmet, {("traits", "habit"): 0.1}).words
    kept = changed(Path("a.yaml"), ahmet, {("traits", "habit"): 0.1, ("words", "habit"): "Any hours do."})
    assert kept.words == {"habit": "Any hours do."}
