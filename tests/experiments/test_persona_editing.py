"""`solon personas new | edit | sweep`: files that are written, what is told, and what is refused."""

import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.commands import persona_editing
from experiments.errors import ROOT
from personas.load import load_folder, load_persona
from personas.rosters import open_rosters
from personas.write import persona_text
from societies.catalog import load

VILLAGE = ROOT / "personas/village"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISUAL", raising=False)


def told(*arguments: str | Path, typed: str = "") -> str:
    done = CliRunner().invoke(app, ["personas", *map(str, arguments)], env={"COLUMNS": "200"}, input=typed)
    assert done.exit_code == 0, done.output
    return done.output


def refused(*arguments: str | Path, typed: str = "") -> str:
    done = CliRunner().invoke(app, ["personas", *map(str, arguments)], env={"COLUMNS": "200"}, input=typed)
    assert done.exit_code == 2, (done.output, done.exception)
    assert "Traceback" not in done.output
    return done.output


@pytest.fixture(name="maria")
def _maria(tmp_path: Path) -> Path:
    return Path(shutil.copy(VILLAGE / "maria-keller.yaml", tmp_path / "maria.yaml"))


def test_a_new_person_can_play_and_what_was_not_said_is_told() -> None:
    output = told("new", "anna-berg", "--set", "habit=0.2", "--set", "occupation=tailor")
    text = Path("mine/anna-berg.yaml").read_text()
    assert text == persona_text(load_persona(Path("mine/anna-berg.yaml")))
    assert "wage: {value: 20, public: true}  # dollars an hour\n" in text
    assert "  preferred_hours: 0.50  # 42 hours a week\n" in text
    assert "by default, for income_tax: wage 20, elasticity 0.5, fairness 0.5" in output
    assert "You are Anna Berg, a tailor." in " ".join(output.split())
    society = load("income_tax")
    assert open_rosters(Path("mine"), None, "all", society.attributes_used, society.traits_used).size == 1


def test_a_new_person_like_another() -> None:
    output = told("new", "bea", "--like", "ahmet-yildiz", "--name", "Bea Yildiz", "--set", "habit=0.2")
    bea, ahmet = load_persona(Path("mine/bea.yaml")), load_persona(VILLAGE / "ahmet-yildiz.yaml")
    assert (bea.id, bea.name, bea.biography, bea.attributes) == ("bea", "Bea Yildiz", ahmet.biography, ahmet.attributes)
    assert bea.traits == {**ahmet.traits, "habit": 0.2}
    assert not bea.words
    assert "own words for habit are not in it" in output
    assert "by default" not in output


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (("new", "x", "--set", "habit=7"), "mine/x.yaml: traits.habit: found 7"),
        (("new", "x", "--set", "wage=-1"), "mine/x.yaml: attributes.wage: found -1"),
        (("new", "x", "--set", "habits=0.7"), "did you mean 'habit'?"),
        (("new", "x", "--set", "habit"), "write --set habit=VALUE"),
        (("new", "X Y"), "id: found 'X Y'; should be lower-case"),
        (("new", "../x"), "id: found '../x'"),
        (("new", "x", "--like", "maria-kellar"), "did you mean 'maria-keller'?"),
        (("new", "x", "--for", "moon"), "there is no society 'moon'"),
        (("sweep", "maria-keller", "--trait", "habits"), "did you mean 'habit'?"),
        (("sweep", "maria-keller", "--trait", "habit", "--from", "0.9", "--to", "0.1"), "a sweep goes up"),
        (("sweep", "nobody", "--trait", "habit"), "there is no person 'nobody'"),
        (("edit", "nobody", "--set", "habit=0.1"), "there is no person 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(tmp_path: Path, arguments: tuple[str, ...], right: str) -> None:
    assert right in refused(*arguments)
    assert not list(tmp_path.iterdir())


def test_a_new_person_replaces_nobody_unasked() -> None:
    told("new", "anna")
    assert "--force" in refused("new", "anna", "--set", "habit=0.1")
    told("new", "anna", "--set", "habit=0.1", "--force")
    assert load_persona(Path("mine/anna.yaml")).traits["habit"] == 0.1


def test_an_edit_is_told_by_field_and_by_sentence(maria: Path) -> None:
    before = maria.read_text()
    output = told("edit", maria, "--set", "traits.habit=0.05", "--set", "attributes.wage.value=40")
    assert maria.read_text() != before
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert "attributes.wage 38 (public) 40 (public)" in lines
    assert "- Changing your hours from last year is very hard." in lines or any(
        line.startswith("- Chang") for line in lines
    )
    assert "+ Changing your hours from last year is effortless." in lines


def test_an_edit_that_is_not_valid_leaves_the_file(maria: Path) -> None:
    before = maria.read_bytes()
    assert "traits.habit: found 9" in refused("edit", maria, "--set", "habit=9")
    assert "words for a trait that is not declared" in refused("edit", maria, "--set", "words.trust=I do.")
    assert "traits.trust: is not there" in refused("edit", maria, "--unset", "trust")
    assert maria.read_bytes() == before


def test_an_edit_mends_a_broken_file(maria: Path) -> None:
    maria.write_text(maria.read_text().replace("habit: ", "habit: 7 # was "))
    assert "was not valid before" in told("edit", maria, "--set", "habit=0.7")
    assert load_persona(maria).traits["habit"] == 0.7


def test_an_edit_that_a_model_does_not_read_says_so(tmp_path: Path) -> None:
    output = told("edit", "ahmet-yildiz", "--set", "habit=0.1", "--output", "ahmet.yaml")
    assert "a model reads the same as before" in output
    assert "--unset words.habit" in output
    assert "is there already" in refused("edit", "ahmet-yildiz", "--set", "habit=0.2", "--output", "ahmet.yaml")
    told("edit", "ahmet.yaml", "--unset", "words.habit", "--set", "habit=0.2")
    assert load_persona(tmp_path / "ahmet.yaml").words == {}


def test_a_copy_beside_its_original_needs_an_id_of_its_own(tmp_path: Path, maria: Path) -> None:
    message = refused("edit", maria, "--set", "habit=0.1", "--output", tmp_path / "other.yaml")
    assert "maria.yaml: id: 'maria-keller' is already the id of this file" in message
    told("edit", maria, "--set", "habit=0.1", "--set", "id=maria-2", "--output", tmp_path / "other.yaml")
    assert [person.id for person in load_folder(tmp_path)] == ["maria-keller", "maria-2"]


def test_an_edit_of_nothing(maria: Path) -> None:
    assert "nothing was changed" in told("edit", maria, "--set", f"habit={load_persona(maria).traits['habit']}")


def test_what_is_installed_is_not_edited_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in site-packages, where there is no pyproject.toml beside the rooms."""
    (tmp_path / "personas").mkdir()
    file = Path(shutil.copy(VILLAGE / "maria-keller.yaml", tmp_path / "personas"))
    monkeypatch.setattr(persona_editing, "ROOT", tmp_path)
    assert "part of the installed program" in refused("edit", file, "--set", "habit=0.1")
    told("edit", file, "--set", "habit=0.1", "--output", "mine.yaml")
    assert file.read_text() == (VILLAGE / "maria-keller.yaml").read_text()


def editor(folder: Path, *programs: str) -> str:
    """An editor that runs the programs one after the other, one each time it is opened; `text` is the file's."""
    script = folder / "editor.py"
    script.write_text(
        "import sys, pathlib\n"
        "file, count = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).with_suffix('.n')\n"
        "n = int(count.read_text()) if count.exists() else 0\n"
        "count.write_text(str(n + 1))\n"
        "text = file.read_text()\n"
        f"exec({list(programs)!r}[n])\n"
        "file.write_text(text)\n"
    )
    return f"{sys.executable} {script}"


SET = "text = text.replace('elasticity: 0.42', 'elasticity: 0.84')"
BREAK = "text = text.replace('elasticity: 0.42', 'elasticity: 4.2')"
MEND = "text = text.replace('elasticity: 4.2', 'elasticity: 0.62')"


def test_a_file_is_edited_in_the_users_editor(tmp_path: Path, maria: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, SET))
    output = told("edit", maria)
    assert load_persona(maria).traits["elasticity"] == 0.84
    assert "+ When you keep less of extra pay, you cut hours very strongly." in output


def test_faults_are_told_and_mended_in_the_editor(tmp_path: Path, maria: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, BREAK, MEND))
    line = 1 + maria.read_text().splitlines().index("  elasticity: 0.42")
    output = told("edit", maria, typed="y\n")
    assert f"maria.yaml:{line}: traits.elasticity: found 4.2" in output
    assert load_persona(maria).traits["elasticity"] == 0.62


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_what_was_typed_is_never_lost(
    tmp_path: Path, maria: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, BREAK))
    before = maria.read_bytes()
    output = refused("edit", maria, typed=answer)
    kept = Path(output.split("what you typed is in ")[1].splitlines()[0])
    assert "elasticity: 4.2" in kept.read_text()
    assert f"mend {kept}" in output
    assert maria.read_bytes() == before
    shutil.rmtree(kept.parent)


def test_an_editor_that_changes_nothing_or_fails(tmp_path: Path, maria: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = maria.read_bytes()
    monkeypatch.setenv("EDITOR", editor(tmp_path, "pass", "sys.exit(3)"))
    assert "nothing was changed" in told("edit", maria)
    assert "the editor ended with code 3" in refused("edit", maria)
    monkeypatch.setenv("EDITOR", str(tmp_path / "none"))
    assert "the editor cannot be started" in refused("edit", maria)
    assert maria.read_bytes() == before


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(
    tmp_path: Path, maria: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"{SET}; pathlib.Path({str(maria)!r}).write_text('id: other\\nname: Other\\n')"
    monkeypatch.setenv("EDITOR", editor(tmp_path, other))
    output = refused("edit", maria)
    assert "somebody else changed this file" in output
    kept = Path(output.split("what you typed is in ")[1].splitlines()[0])
    assert "elasticity: 0.84" in kept.read_text()
    shutil.rmtree(kept.parent)
    assert load_persona(maria).id == "other"


def test_a_sweep_tells_which_steps_read_the_same() -> None:
    output = told("sweep", "maria-keller", "--trait", "elasticity", "--from", "0.1", "--to", "0.9", "--steps", "9")
    made = load_folder(Path("sweep"))
    assert [person.traits["elasticity"] for person in made] == [i / 10 for i in range(1, 10)]
    assert "the same words for 0.3 and 0.4, 0.6 and 0.7: a value reaches a model in seven grades only" in output
    assert "9 copies written to sweep" in output
    assert "--force" in refused("sweep", "maria-keller", "--trait", "elasticity", "--steps", "9")


def test_own_words_are_left_out_of_a_sweep_and_said_so() -> None:
    traits = ("--trait", "habit", "--trait", "traits.patience")
    output = told("sweep", VILLAGE / "ahmet-yildiz.yaml", *traits, "--steps", "2", "--folder", "grid")
    assert "own words for habit are left out" in output
    assert "ahmet-yildiz does not declare patience; the copies do" in output
    assert load_folder(Path("grid"))[0].id == "ahmet-yildiz-habit-0.10-patience-0.10"
    assert not any(person.words for person in load_folder(Path("grid")))
