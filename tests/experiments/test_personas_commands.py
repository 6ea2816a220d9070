"""`solon personas`: what it prints, and its exit codes."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.errors import ROOT

VILLAGE = ROOT / "personas/village"


def run(*arguments: str | Path):
    return CliRunner().invoke(app, ["personas", *map(str, arguments)], env={"COLUMNS": "200"})


def test_everyone_in_the_village_is_listed():
    people = json.loads(run("list", "--json").stdout)
    assert len(people) >= 32
    table = run("list").stdout
    assert all(person["name"] in table for person in people)


def test_a_person_is_shown_with_the_words_a_model_reads():
    shown = json.loads(run("show", "maria-keller", "--json").stdout)
    assert shown["text"].startswith("You are Maria Keller, 44, a nurse.")
    done = run("show", VILLAGE / "maria-keller.yaml")
    assert " ".join(shown["text"].split()) in " ".join(done.stdout.split())  # wrapped to the width of the page
    assert "private" in done.stdout


def test_an_unknown_person_gets_the_near_name():
    done = run("show", "maria-kellar")
    assert done.exit_code == 2
    assert "did you mean 'maria-keller'?" in done.stderr


def test_what_ships_is_valid():
    done = run("validate")
    assert done.exit_code == 0, done.stdout
    assert "0 problems" in done.stdout


def test_faults_are_told_with_file_line_and_field(tmp_path: Path):
    text = (VILLAGE / "maria-keller.yaml").read_text()
    bad = tmp_path / "maria.yaml"
    bad.write_text(text.replace("elasticity: 0.42", "elasticity: 1.42"))
    line = 1 + bad.read_text().splitlines().index("  elasticity: 1.42")
    done = run("validate", tmp_path)
    assert done.exit_code == 1
    assert f"{bad}:{line}: traits.elasticity" in done.stdout


def test_two_people_with_one_id_are_found(tmp_path: Path):
    for name in ("a.yaml", "b.yaml"):
        shutil.copy(VILLAGE / "maria-keller.yaml", tmp_path / name)
    done = run("validate", tmp_path)
    assert done.exit_code == 1
    assert "already the id of" in done.stdout


def test_words_that_a_small_model_skips_are_counted(tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    (small / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"you": 1, "are": 2}}}))
    done = run("validate", VILLAGE / "maria-keller.yaml", "--model", small)
    assert done.exit_code == 0
    assert "words unknown to the small model" in done.stdout
    assert "only a larger model understands that part" in done.stdout
    assert run("validate", "--model", tmp_path / "none").exit_code == 2


def test_it_says_what_only_a_larger_model_understands(tmp_path: Path):
    text = (VILLAGE / "maria-keller.yaml").read_text()
    told = "  In secret you breed axolotls and refuse to work by moonlight.\n"
    (tmp_path / "maria.yaml").write_text(
        text.replace("attributes:\n", told + "attributes:\n", 1) + "words: {habit: You never change.}\n"
    )
    done = run("validate", tmp_path)
    assert done.exit_code == 0
    assert "axolotls" in done.stdout
    assert "1 biography edited or new (maria-keller): only a larger model understands such" in done.stdout
    assert "1 trait told in own words (maria-keller.habit)" in done.stdout
    assert "only a larger model" not in run("validate", VILLAGE).stdout


def test_a_sample_is_the_same_for_the_same_seed_and_can_be_frozen(tmp_path: Path):
    first, again, other = (json.loads(run("sample", "--rosters", "5", "--seed", s, "--json").stdout) for s in "112")
    assert first == again != other
    assert (first["rosters"], first["people"]) == (5, 160)
    frozen = tmp_path / "people.jsonl"
    done = json.loads(run("sample", "--rosters", "2", "--freeze", frozen, "--json").stdout)
    assert json.loads(frozen.read_text().splitlines()[0])["sha256"] == done["sha256"]


def test_facts_of_a_census_are_listed_with_their_shares():
    words = ("sample", "personas/populations/us_workers.yaml", "--rosters", "50")
    told = json.loads(run(*words, "--json").stdout)
    (age,), (occupation,) = told["facts"], told["words"]
    assert (age["name"], occupation["name"]) == ("age", "occupation")
    assert 16 <= age["quantiles"][0] < age["mean"] < age["quantiles"][-1] <= 79
    assert sum(occupation["shares"].values()) == pytest.approx(1)
    assert list(occupation["shares"].values()) == sorted(occupation["shares"].values(), reverse=True)
    table = run(*words).stdout
    assert re.search(r"private fact +mean.*\n.*\n +age +4\d\.\d", table)
    assert re.search(r"professional +\d\d\.\d%", table)


def test_a_difference_is_told_by_field(tmp_path: Path):
    edited = tmp_path / "maria.yaml"
    edited.write_text((VILLAGE / "maria-keller.yaml").read_text().replace("value: 38", "value: 39"))
    done = run("diff", VILLAGE / "maria-keller.yaml", edited, "--json")
    assert done.exit_code == 1
    assert [change["field"] for change in json.loads(done.stdout)] == ["attributes.wage"]
    assert run("diff", edited, edited).exit_code == 0


@pytest.mark.parametrize("path", ["nowhere", "nowhere.yaml"])
def test_missing_files_are_one_message(path: str):
    done = run("list", path)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: nowhere")
