"""Files that somebody wrote to break the reader or the terminal: refused with file and line, shown without escapes."""

from pathlib import Path

import pytest

from personas.inspect import diff, listing
from personas.load import PersonaFileError, Problem, load_persona, load_population
from personas.rosters import open_rosters

TAGS, MERGE = "tags (!...) are not read", "merge keys (<<) are not read"
HUGE = "9" * 400
POPULATION = "name: p\nsize: 2\nattributes:\n  trade: {law: choice, options: {%s: 1}}\n  wage: {law: gb2}\n"


def refusal(path: Path) -> str:
    with pytest.raises(PersonaFileError) as caught:
        load_persona(path)
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("traits: !!python/tuple [1]", TAGS),
        ('name: !!python/object/apply:os.system ["echo x"]', TAGS),
        ("attributes: !!omap [wage: 3]", TAGS),
        ("attributes: !!set {wage}", TAGS),
        ("traits: !foo {habit: .5}", TAGS),
        ("name: ! Maria", TAGS),
        ("!k name: Maria", TAGS),
        ("<<: {biography: hi}", MERGE),
        ("attributes: {<<: {wage: 3}}", MERGE),
    ],
)
def test_tags_and_merge_keys_are_refused_with_their_line(tmp_path: Path, lines: str, message: str):
    path = tmp_path / "x.yaml"
    path.write_text(f"id: maria\n{lines}\n")
    assert refusal(path).startswith(f"x.yaml:2: {message}")


def test_a_quoted_merge_key_is_a_text_like_any_other(tmp_path: Path):
    path = tmp_path / "x.yaml"
    path.write_text("id: maria\nname: '<<'\nbiography: '!hi'\n")
    assert (load_persona(path).name, load_persona(path).biography) == ("<<", "!hi")


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        (f"attributes: {{height: {HUGE}}}", "attributes.height"),
        (f"attributes: {{height: -{HUGE}}}", "attributes.height"),
        (f"attributes: {{height: {{value: 0x{'f' * 5000}}}}}", "attributes.height.value"),
        (f"traits: {{habit: {HUGE}}}", "traits.habit"),
    ],
)
def test_a_number_beyond_every_float_is_refused(tmp_path: Path, lines: str, field: str):
    path = tmp_path / "x.yaml"
    path.write_text(f"id: maria\nname: Maria\n{lines}\n")
    assert refusal(path).startswith(f"x.yaml:3: {field}: the number is too large")


def test_a_hostile_file_does_not_hide_the_faults_of_the_others(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("id: a\nname: A\ntraits: !!python/tuple [1]\n")
    (tmp_path / "b.yaml").write_text(f"id: b\nname: B\nattributes: {{height: {HUGE}}}\n")
    (tmp_path / "c.yaml").write_text("id: c\n<<: {name: C}\n")
    (tmp_path / "d.yaml").write_text("id: d\nname: D\nattributes: {wage: 0}\n")
    with pytest.raises(PersonaFileError) as caught:
        listing(tmp_path)
    assert [(p.file.name, p.line) for p in caught.value.problems] == [(f"{n}.yaml", 3 - (n == "c")) for n in "abcd"]


def test_a_name_reaches_no_message_with_escapes(tmp_path: Path):
    (tmp_path / "a.yaml").write_text('id: a\nname: "Ma\\e[31mria\\u202E\\nfake.yaml: line"\n', encoding="utf-8")
    with pytest.raises(PersonaFileError) as caught:
        open_rosters(tmp_path, attributes=("wage",))
    assert "Ma[31mria fake.yaml: line does not declare it" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "lines",
    [
        'name: A\n"k\\e[31m\\u202E\\n": 1',
        'name: A\nattributes: {"k\\e[31m": 1}',
        'name: A\nattributes: {wage: "\\e[31m\\u202E"}',
        'name: A\nwords: {habit: "\\e[31m"}',
        'name: A\ntraits: {"hab\\u202Eit": .5}',
        'name: A\n"k\\e": 1\n"k\\e": 2',
        'name: A\nattributes: {"k\\e": 2001-01-01}',
    ],
)
def test_no_key_or_value_reaches_a_message_with_escapes(tmp_path: Path, lines: str):
    path = tmp_path / "x.yaml"
    path.write_text(f"id: a\n{lines}\n")
    assert all(line.isprintable() for line in refusal(path).split("\n"))
    assert all(line.startswith("x.yaml:") for line in refusal(path).split("\n"))


def test_a_community_and_a_file_name_reach_no_message_with_escapes(tmp_path: Path):
    path = tmp_path / "p\x1b[31m.yaml"
    path.write_text(
        (POPULATION % "nurse") + 'traits: {habit: {law: logistic, noise: 1, loadings: {"k\\e[31m\\u202E": 1}}}\n'
    )
    with pytest.raises(PersonaFileError, match="no such community") as caught:
        load_population(path)
    assert str(caught.value).isprintable()
    assert str(Problem(Path("a  b.yaml"), 3, "", "x")) == "a  b.yaml:3: x"


def test_diff_shows_no_escapes(tmp_path: Path):
    for name, option in (("a", "nurse"), ("b", '"nurse\\e[31m"')):
        (tmp_path / f"{name}.yaml").write_text(POPULATION % option)
    (change,) = [c for c in diff(tmp_path / "a.yaml", tmp_path / "b.yaml") if c.before == "(none)"]
    assert change.field == "attributes.trade.options.nurse[31m"


def test_misspelt_keys_do_not_hide_impossible_values(tmp_path: Path):
    path = tmp_path / "x.yaml"
    path.write_text("id: a\nname: A\nbiografy: hi\nattributes:\n  wage: 0\n  age: {value: 30, publik: true}\n")
    found = refusal(path).split("\n")
    assert [line.split(": ")[1] for line in found] == ["biografy", "attributes.wage", "attributes.age.publik"]
    path.write_text(
        (POPULATION % "nurse").replace("gb2", "gb2, lo: 3")
        + "traits: {habit: {law: logistic, noise: 1, loadings: {k: 1}}}\n"
    )
    with pytest.raises(PersonaFileError) as caught:
        load_population(path)
    assert [p.field for p in caught.value.problems] == ["attributes.wage.lo", "traits.habit.loadings.k"]


def test_unlike_things_are_not_compared(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("id: a\nname: A\n")
    (tmp_path / "p.yaml").write_text(POPULATION % "nurse")
    with pytest.raises(PersonaFileError, match="a population cannot be compared with a person; give two of one kind"):
        diff(tmp_path / "a.yaml", tmp_path / "p.yaml")


@pytest.mark.parametrize("line", ['occupation: "nurse \\uD83D\\uDE00"', '"age \\uD83D": 3'])
def test_half_a_character_is_refused(tmp_path: Path, line: str):
    path = tmp_path / "x.yaml"
    path.write_text(f"id: a\nname: A\nattributes:\n  {line}\n")
    assert refusal(path).startswith("x.yaml:4: ")
