"""The page about personas says what the code does."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from personas.load import load_folder
from personas.traits import TRAITS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "personas.md").read_text(encoding="utf-8")


def test_its_code_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(ROOT)
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), {})
    printed = capsys.readouterr().out
    assert printed.startswith("torch.Size([3, 32])\nYou are ")
    assert printed.rstrip().endswith("hours.")


def test_every_trait_is_on_it():
    rows = " ".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| "))
    assert set(TRAITS) <= set(re.findall(r"\w+", rows))


def block(heading: str) -> list[str]:
    """The printed lines of a section, in order."""
    (section,) = [part for part in PAGE.split("\n## ") if part.startswith(heading)]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def typed(line: str) -> str:
    """A printed command; what it printed. It must succeed; `diff` says by its code that something differs."""
    words = shlex.split(line, comments=True)
    if words[0] == "cp":
        shutil.copytree(words[2], words[3])
        return ""
    assert words[0] == "solon"
    dry = ["--dry-run"] if words[1] == "run" else []  # a test has no minutes
    done = CliRunner().invoke(app, [*words[1:], *dry], env={"COLUMNS": "200"})
    assert done.exit_code == (1 if words[2:3] == ["diff"] and "differences" in done.output else 0), (
        f"{line}\n{done.output}"
    )
    return done.output


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the page's paths lead where they lead in a clone."""
    for name in ("personas", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_people_are_edited_as_it_says(clone: Path) -> None:
    copy, validate, diff, show, run, edit, output, new, like, sweep = block("Edit people")
    typed(copy)
    assert "32 files, 0 problems" in typed(validate)
    assert "0 differences" in CliRunner().invoke(app, shlex.split(diff, comments=True)[1:]).output
    assert "You are Maria Keller" in typed(show)
    assert "in all" in typed(run)
    assert "+ Changing your hours from last year is nearly impossible." in typed(edit)
    assert "+ Changing your hours from last year is easy." in typed(output)
    assert "2 differences" in typed(diff)
    assert "written: mine/anna-berg.yaml" in typed(new)
    assert "own words for habit" not in typed(like)
    assert "5 copies written to sweep" in typed(sweep)
    people = {person.id: person for person in load_folder(clone / "mine")}
    assert (people["maria-keller"].traits["habit"], people["maria-keller"].attributes["wage"]) == (0.9, 40)
    assert people["bea-yildiz"].words == people["ahmet-yildiz"].words
    assert len(people) == 34
    assert len(load_folder(clone / "sweep")) == 5


def test_people_go_out_and_in_as_it_says(clone: Path) -> None:
    *rows, first, export, again = block("People from other files")
    (clone / "neighbours.csv").write_text("\n".join(rows) + "\n")
    assert "2 people written to street" in typed(first)
    assert [person.id for person in load_folder(clone / "street")] == ["ann-lee", "bo-dahl"]
    shutil.copytree(ROOT / "personas" / "village", clone / "mine")
    typed(export)
    assert "32 people written to again" in typed(again)
    broken = (clone / "neighbours.csv").read_text().replace("31,51", "-4,51")
    (clone / "neighbours.csv").write_text(broken)
    done = CliRunner().invoke(app, shlex.split(first.replace("street", "other"))[1:])
    assert "neighbours.csv:3: Pay: found -4; should be above 0.01" in done.output
    assert not (clone / "other").exists()


def test_a_census_is_drawn_as_it_says(clone: Path) -> None:
    lines = block("A census")
    sample, run = [line for line in lines if line.startswith("solon")]
    assert "1,600 people in 50 rosters" in typed(sample)
    assert "in all" in typed(run)
    shipped = "".join(
        (ROOT / "personas" / "populations" / f"us_workers.{kind}").read_text() for kind in ("yaml", "csv")
    )
    for line in lines:
        assert line.startswith("solon") or line.split("  #")[0].strip() in shipped


def test_every_command_on_it_is_tried() -> None:
    sections = ("Edit people", "What an edit does", "People from other files", "A census")
    assert sum(line.startswith("solon") for part in sections for line in block(part)) == PAGE.count("    solon")
