"""Persona files as they are written and edited: what is read back is what was meant, and nothing else changes."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personas.edit import edited
from personas.fields import field_of, id_of, stands, value_of
from personas.load import PersonaFileError, load_folder, load_persona, parse_persona
from personas.people import Persona
from personas.sweeps import copies, evenly, read_the_same
from personas.write import persona_text, place_people
from tests.personas.anybody import LINES, SHARES, people

VILLAGE = Path(__file__).parents[2] / "personas" / "village"
MARIA = VILLAGE / "maria-keller.yaml"


@settings(max_examples=60)
@given(people(st.integers(-(10**9), 10**9).map(float), st.floats(0.001, 1)), SHARES, LINES)  # written without exponents
def test_an_edit_of_anybody_says_what_was_set(person: Persona, habit: float, biography: str):
    sets: dict[tuple[str, ...], object] = {("traits", "habit"): habit, ("biography",): biography}
    after = parse_persona(Path("x.yaml"), edited(Path("x.yaml"), persona_text(person), sets))
    assert (after.traits, after.biography) == ({**person.traits, "habit": habit}, biography)
    assert (after.id, after.name, after.attributes, after.words) == (
        person.id,
        person.name,
        person.attributes,
        person.words,
    )


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("habit", ("traits", "habit")),
        ("Preferred Hours", ("traits", "preferred_hours")),
        ("words.habit", ("words", "habit")),
        ("wage", ("attributes", "wage", "value")),
        ("wage.public", ("attributes", "wage", "public")),
        ("attributes.height.value", ("attributes", "height", "value")),
        ("Name", ("name",)),
    ],
)
def test_fields_by_their_short_names(name: str, field: tuple[str, ...]):
    assert field_of(name) == field


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("habits", "did you mean 'habit'?"),
        ("traits.habits", "did you mean 'habit'?"),
        ("words", "name the trait"),
        ("height", "attributes.NAME"),
        ("wage.pubic", ".value and .public"),
        ("attributes", "attributes.NAME"),
        ("", "attributes.NAME"),
    ],
)
def test_what_is_no_field(name: str, right: str):
    with pytest.raises(ValueError, match="there is no field") as caught:
        field_of(name)
    assert right in str(caught.value)


def test_values_are_read_as_what_belongs_there():
    texts = {
        "wage": "12.50",
        "attributes.code": "02139",
        "attributes.size": "-3",
        "occupation": "7",
        "habit": ".5",
        "name": "1",
    }
    read = {name: value_of(field_of(name), text) for name, text in texts.items()}
    assert list(read.values()) == [12.5, "02139", -3, "7", 0.5, "1"]
    assert [value_of(("attributes", "wage", "public"), text) for text in ("Yes", "0", "maybe")] == [
        True,
        False,
        "maybe",
    ]


def test_ids_are_made_of_names():
    assert (id_of("María José Keller"), id_of("  O'Neil, Jr. ")) == ("maria-jose-keller", "o-neil-jr")
    with pytest.raises(ValueError, match="give an id"):
        id_of("愛")


def test_a_bare_attribute_stands():
    assert stands({"attributes": {"wage": 3}}, ("attributes", "wage", "value"))
    assert not stands({"attributes": {"wage": 3}}, ("attributes", "wage", "public"))
    assert not stands({"traits": {"habit": None}}, ("traits", "habit"))


def texts(*ids: str) -> dict[str, str]:
    return {id_: persona_text(Persona(id_, id_.title(), "", {}, frozenset(), {"habit": 0.5})) for id_ in ids}


def test_a_folder_is_written_whole(tmp_path: Path):
    place_people(texts("ann", "bob"), tmp_path / "far" / "mine", False)
    assert [p.id for p in load_folder(tmp_path / "far" / "mine")] == ["ann", "bob"]
    assert [p.name for p in (tmp_path / "far").iterdir()] == ["mine"]  # nothing is left of the staging


def test_others_in_a_folder_stay_and_nobody_is_replaced_unasked(tmp_path: Path):
    place_people(texts("ann", "bob"), tmp_path / "mine", False)
    place_people(texts("cy"), tmp_path / "mine", False)
    with pytest.raises(PersonaFileError, match=r"already there: bob\.yaml \(1 in all\); --force"):
        place_people(texts("bob", "dee"), tmp_path / "mine", False)
    assert len(load_folder(tmp_path / "mine")) == 3
    place_people(texts("bob", "dee"), tmp_path / "mine", True)
    assert len(load_folder(tmp_path / "mine")) == 4


def test_an_id_that_another_file_has_is_refused(tmp_path: Path):
    (tmp_path / "other.yaml").write_text(texts("ann")["ann"])
    with pytest.raises(PersonaFileError, match=r"other\.yaml: id: 'ann' is already the id of this file"):
        place_people(texts("ann"), tmp_path, True)


def test_texts_that_are_not_of_people_are_not_written(tmp_path: Path):
    bad = texts("ann", "bob") | {"bob": "id: bob\nname: Bob\ntraits: {habit: 7}\n"}
    with pytest.raises(PersonaFileError, match=r"bob\.yaml:3: traits\.habit"):
        place_people(bad, tmp_path / "mine", False)
    assert not list(tmp_path.iterdir())


def test_what_fails_halfway_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place_people(texts("ann", "zoe"), tmp_path / "mine", False)
    before = {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()}
    replace, calls = Path.replace, [0]

    def failing(self: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == 4:  # ann's old file went aside, her new one took its place, bob's is there, and now
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    new = {id_: text.replace("0.50", "0.60") for id_, text in texts("ann", "bob", "zoe").items()}
    with pytest.raises(OSError, match="No space"):
        place_people(new, tmp_path / "mine", True)
    assert {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_copies_differ_in_the_trait_only():
    maria = load_persona(MARIA)
    made = copies(MARIA, {"elasticity": evenly(0.1, 0.9, 3)})
    assert [copy.id for copy in made] == [f"maria-keller-elasticity-{value}" for value in ("0.10", "0.50", "0.90")]
    for copy, value in zip(made, (0.1, 0.5, 0.9), strict=True):
        person = parse_persona(Path("x.yaml"), copy.text)
        assert person.traits == {**maria.traits, "elasticity": value}
        assert (person.name, person.attributes, person.words) == (maria.name, maria.attributes, maria.words)


def test_several_traits_make_a_grid_without_own_words(tmp_path: Path):
    file = Path(shutil.copy(VILLAGE / "ahmet-yildiz.yaml", tmp_path))
    made = [parse_persona(file, c.text) for c in copies(file, {"habit": [0.1, 0.9], "patience": [0.2, 0.3, 0.4]})]
    assert [(p.traits["habit"], p.traits["patience"]) for p in made] == [
        (h, p) for h in (0.1, 0.9) for p in (0.2, 0.3, 0.4)
    ]
    assert not any(person.words for person in made)


def test_steps_that_read_the_same():
    assert read_the_same("elasticity", [0.1, 0.14, 0.15, 0.5]) == [(0.1, 0.14)]
    assert read_the_same("preferred_hours", [0.5, 0.51, 0.6]) == [(0.5, 0.51)]


def test_close_steps_have_ids_of_their_own():
    assert evenly(0, 1, 4) == [0, 0.333333, 0.666667, 1]
    ids = [copy.id for copy in copies(MARIA, {"habit": evenly(0.1, 0.11, 5)})]
    assert ids[1] == "maria-keller-habit-0.1025"
    assert len(set(ids)) == 5


@pytest.mark.parametrize(
    ("low", "high", "steps"), [(0.5, 0.5, 3), (0.9, 0.1, 3), (-0.1, 1, 3), (0, 1, 1), (0, 1e-7, 3)]
)
def test_sweeps_that_cannot_be(low: float, high: float, steps: int):
    with pytest.raises(ValueError, match="a sweep"):
        evenly(low, high, steps)


def test_a_grid_has_an_end():
    many = [i / 200 for i in range(200)]
    with pytest.raises(ValueError, match="40,000 copies"):
        copies(MARIA, {"habit": many, "patience": many})
