"""Villages, frozen rosters, and what the personas commands show."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from learning.draws import Draws, draws
from personas.frozen import freeze, load_frozen, roster_hash
from personas.inspect import SHIPPED, diff, edited_biographies, fingerprint, listing, show, validate
from personas.load import PersonaFileError, load_folder, load_persona
from personas.people import People, gather
from personas.rosters import Village, open_rosters
from personas.words import clean, closed_vocabulary_words, render

ROOM = Path(__file__).parents[2] / "personas"
VILLAGE = ROOM / "village"
TAX_TRAITS = ("elasticity", "fairness", "risk_aversion", "loss_aversion", "habit", "preferred_hours")


@pytest.fixture(scope="module")
def residents() -> tuple[Village, list[str]]:
    village = open_rosters(VILLAGE, attributes=("wage",), traits=TAX_TRAITS)
    assert isinstance(village, Village)
    return village, [persona.id for persona in village.residents]


@pytest.fixture(scope="module")
def sampled() -> People:
    return open_rosters(ROOM / "populations" / "communities.yaml", size=6).people(draws(4, 0, 3))


def _ids(people: People, world: int) -> list[str]:
    return [people.persona(world, agent).id for agent in range(people.agents)]


def test_the_whole_village_plays_in_file_order(residents: tuple[Village, list[str]]):
    village, ids = residents
    people = village.people(draws(1, 0, 2))
    assert (people.attribute_names, people.trait_names) == (("wage",), TAX_TRAITS)
    assert _ids(people, 0) == _ids(people, 1) == ids == sorted(ids)
    assert [people.persona(1, i).attributes["wage"] for i in range(32)] == pytest.approx(
        people.attribute("wage")[1].tolist()
    )


def test_a_smaller_roster_is_drawn_without_repeats_and_by_episode(residents: tuple[Village, list[str]]):
    village = Village(residents[0].residents, 8)
    people = village.people(draws(1, 0, 50))
    drawn = [_ids(people, world) for world in range(50)]
    assert all(len(set(ids)) == 8 for ids in drawn)
    assert len({identity for ids in drawn for identity in ids}) == 32
    alone = village.people(Draws(1, torch.tensor([17])))
    assert _ids(alone, 0) == drawn[17]
    assert torch.equal(alone.traits[0], people.traits[17])
    wages = [people.persona(9, i).attributes["wage"] for i in range(8)]
    assert wages == pytest.approx(people.attribute("wage")[9].tolist())


def test_a_roster_larger_than_the_village_is_refused():
    with pytest.raises(
        PersonaFileError, match="a roster of 33 was asked for; as many people as live here can be in it"
    ):
        open_rosters(VILLAGE, size=33)


@pytest.mark.parametrize("size", [-1, 0, 10_001])
def test_rosters_that_cannot_be_are_refused(size: int):
    with pytest.raises(PersonaFileError, match=f"a roster of {size} was asked for; give 1 to 10000"):
        open_rosters(ROOM / "populations" / "communities.yaml", size)


def test_people_who_lack_what_the_society_needs_are_named(tmp_path: Path):
    text = (VILLAGE / "lars-thomsen.yaml").read_text()
    (tmp_path / "lars.yaml").write_text(text.replace("public: true", "public: false").replace("  habit: 0.05\n", ""))
    with pytest.raises(PersonaFileError) as caught:
        open_rosters(tmp_path, attributes=("wage",), traits=("habit", "fairness"))
    assert [p.message.split(" of everyone")[0] for p in caught.value.problems] == [
        "the society needs the public number 'wage'",
        "the society needs the trait 'habit'",
    ]
    with pytest.raises(PersonaFileError, match=r"communities\.yaml: the society needs the trait 'patience'"):
        open_rosters(ROOM / "populations" / "communities.yaml", traits=("patience",))


def test_frozen_people_come_back_the_same(sampled: People, tmp_path: Path):
    digest = freeze(sampled, tmp_path / "rosters.jsonl")
    back = load_frozen(tmp_path / "rosters.jsonl")
    assert digest == roster_hash(sampled) == roster_hash(back)
    assert torch.equal(back.public, sampled.public)
    assert torch.equal(back.traits, sampled.traits)
    for world in range(3):
        for agent in range(6):
            assert back.persona(world, agent) == sampled.persona(world, agent)
    assert not list(tmp_path.glob("*.part"))


def test_the_hash_is_that_of_the_people_and_not_of_the_batch(sampled: People):
    again = open_rosters(ROOM / "populations" / "communities.yaml", size=6).people(draws(4, 0, 3))
    other = open_rosters(ROOM / "populations" / "communities.yaml", size=6).people(draws(4, 1, 3))
    assert roster_hash(again) == roster_hash(sampled) != roster_hash(other)


def test_a_frozen_village_keeps_overrides_and_line_separators(tmp_path: Path):
    ahmet = replace(load_persona(VILLAGE / "ahmet-yildiz.yaml"), biography='You "bake"\u2028 at\nnight.')
    people = gather([[ahmet]], ("wage",), TAX_TRAITS)
    freeze(people, tmp_path / "rosters.jsonl")
    assert load_frozen(tmp_path / "rosters.jsonl").persona(0, 0) == ahmet


def test_changed_rosters_are_refused(sampled: People, tmp_path: Path):
    path = tmp_path / "rosters.jsonl"
    freeze(sampled, path)
    lines = path.read_text().splitlines()
    person = json.loads(lines[3])
    person["traits"]["habit"] = 0.123
    path.write_text("\n".join([*lines[:3], json.dumps(person), *lines[4:]]))
    with pytest.raises(PersonaFileError, match="does not match its hash"):
        load_frozen(path)
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(PersonaFileError, match="does not match its hash"):
        load_frozen(path)
    path.write_text("")
    with pytest.raises(PersonaFileError, match="not a line of a frozen roster"):
        load_frozen(path)


def test_people_whose_tensors_and_words_disagree_cannot_be_frozen(sampled: People, tmp_path: Path):
    wrong = People(sampled.attribute_names, sampled.public + 1, sampled.trait_names, sampled.traits, sampled.persona)
    with pytest.raises(ValueError, match="disagree"):
        freeze(wrong, tmp_path / "rosters.jsonl")


def test_the_listing_has_everyone():
    lines = listing(VILLAGE)
    assert len(lines) == 32
    baker = next(line for line in lines if line.id == "ahmet-yildiz")
    assert (baker.name, baker.age, baker.occupation, baker.wage, baker.traits) == (
        "Ahmet Yildiz",
        "61",
        "baker",
        "17",
        6,
    )


def test_show_gives_marks_grades_words_and_the_whole_text():
    dolores = load_persona(VILLAGE / "dolores-quispe.yaml")
    shown = show(dolores)
    assert {a.name for a in shown.attributes if a.public} == {"wage"}
    traits = {t.name: t for t in shown.traits}
    assert (traits["elasticity"].grade, traits["elasticity"].natural) == (0, "e = 0.132")
    assert traits["elasticity"].words == "When you keep less of extra pay, you hardly cut hours."
    assert traits["preferred_hours"].grade is None
    assert not [t.name for t in shown.traits if t.words_only]
    assert [t.name for t in shown.traits if t.own_words] == ["loss_aversion"]
    assert shown.text == render(dolores)


def test_validate_finds_the_faults_of_all_files(tmp_path: Path):
    good = (VILLAGE / "lars-thomsen.yaml").read_text()
    (tmp_path / "a.yaml").write_text(good)
    (tmp_path / "b.yaml").write_text(good)
    (tmp_path / "c.yaml").write_text(good.replace("habit:", "habbit:"))
    (tmp_path / "d.yaml").write_text("name: d\nsize: none\nattributes: {wage: {law: gb2}}\n")
    found = validate([tmp_path, tmp_path / "nobody.yaml", ROOM / "populations"])
    assert found.checked == 5 + len(list((ROOM / "populations").glob("*.yaml")))
    assert [(p.file.name, p.field) for p in found.problems] == [
        ("c.yaml", "traits.habbit"),
        ("d.yaml", "size"),
        ("nobody.yaml", ""),
        ("b.yaml", "id"),
    ]


def test_validate_counts_words_that_a_vocabulary_lacks(tmp_path: Path):
    (tmp_path / "x.yaml").write_text(
        "id: x\nname: Maria Keller\nbiography: You keep hours in a tardigrade museum.\ntraits: {habit: 0.5}\n"
    )
    known = {word.lower() for word in closed_vocabulary_words()} | {"maria", "keller"}
    (one,) = validate([tmp_path], known).strangers
    assert (one.id, one.unknown, one.in_biography) == ("x", ("tardigrade", "museum"), 2)
    assert one.words == 4 + 7 + 11
    assert validate([tmp_path], known | {"tardigrade", "museum"}).strangers == ()
    assert validate([tmp_path]).strangers == ()


def test_the_fingerprints_of_the_village_are_those_of_its_files():
    ships = {persona.id: fingerprint(clean(persona.biography)) for persona in load_folder(VILLAGE)}
    assert json.loads(SHIPPED.read_text()) == ships  # a shipped biography was changed: change its fingerprint as well
    assert edited_biographies(load_folder(VILLAGE)) == ()


def test_an_edited_biography_is_noticed_even_in_words_that_are_known():
    maria, lars = (load_persona(VILLAGE / f"{name}.yaml") for name in ("maria-keller", "lars-thomsen"))
    other, none, new = (replace(maria, biography=lars.biography), replace(maria, biography=""), replace(maria, id="m"))
    assert edited_biographies([maria, other, lars]) == ("maria-keller",)
    assert edited_biographies([none, new]) == ("m",)


def test_diff_of_two_people(tmp_path: Path):
    path = tmp_path / "lars.yaml"
    text = (VILLAGE / "lars-thomsen.yaml").read_text()
    path.write_text(text.replace("habit: 0.05", "habit: 0.95").replace("value: 18", "value: 19"))
    changes = diff(VILLAGE / "lars-thomsen.yaml", path)
    assert [(c.field, c.before, c.after) for c in changes] == [
        ("attributes.wage", "18 (public)", "19 (public)"),
        (
            "traits.habit",
            "0.05: Changing your hours from last year is effortless.",
            "0.95: Changing your hours from last year is nearly impossible.",
        ),
    ]
    assert diff(path, path) == []


def test_diff_of_populations_folders_and_frozen_rosters(tmp_path: Path):
    populations = ROOM / "populations"
    changed = {change.field for change in diff(populations / "communities.yaml", populations / "iid.yaml")}
    assert {"name", "communities", "traits.fairness.noise"} <= changed
    assert "traits.habit.noise" not in changed
    (tmp_path / "a.yaml").write_text((VILLAGE / "lars-thomsen.yaml").read_text())
    assert {c.field.split(".")[0] for c in diff(VILLAGE, tmp_path)} == {p.id for p in load_folder(VILLAGE)} - {
        "lars-thomsen"
    }
    for seed in (1, 2):
        freeze(open_rosters(tmp_path).people(draws(seed, 0, 1)), tmp_path / f"{seed}.jsonl")
    assert diff(tmp_path / "1.jsonl", tmp_path / "2.jsonl") == []
