"""`solon personas import | export`, and runs with people from a table."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.people_files import files_of, people_hash
from experiments.runs import mark_finished, open_finished, open_run
from experiments.stages import JSON
from learning.draws import draws
from personas.load import load_folder
from personas.rosters import open_rosters
from societies.catalog import load

VILLAGE, WORKERS = ROOT / "personas/village", ROOT / "personas/populations/us_workers.yaml"
TILDA = ROOT / "tests/personas/tinytroupe/Tilda_Moor.agent.json"
TRAITS = ("elasticity", "fairness", "risk_aversion", "loss_aversion", "habit", "preferred_hours")
DEFAULTS = [part for trait in TRAITS for part in ("--default", f"{trait}=0.5")]
CSV = "name,wage,habit,note\nAnn Lee,12,0.5,x\nBob,9,0.25,y\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text(CSV)


def told(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["personas", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def refused(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["personas", *map(str, arguments)])
    assert done.exit_code == 2, (done.output, done.exception)
    assert "Traceback" not in done.output
    return done.output


def test_the_village_goes_out_and_comes_back() -> None:
    assert "32 people written to people.jsonl" in told("export", VILLAGE, "--to", "people.jsonl")
    assert "is there already" in refused("export", VILLAGE, "--to", "people.jsonl")
    told("export", VILLAGE, "--to", "people.jsonl", "--force")
    assert "32 people written to back" in told("import", "people.jsonl", "--folder", "back")
    assert load_folder(Path("back")) == load_folder(VILLAGE)


def test_people_of_a_table() -> None:
    output = told("import", "p.csv", "--ignore", "note", *DEFAULTS)
    assert "2 people written to mine" in output
    ann, bob = load_folder(Path("mine"))
    assert (ann.attributes["wage"], ann.traits["habit"], bob.traits["fairness"]) == (12, 0.5, 0.5)
    message = refused("import", "p.csv", "--ignore", "note", *DEFAULTS)
    assert "mine: already there: ann-lee.yaml, bob.yaml (2 in all)" in message
    told("import", "p.csv", "--map", "note=attributes.note", "--for", "any", "--force")
    assert load_folder(Path("mine"))[0].attributes["note"] == "x"


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (("p.csv", *DEFAULTS), "p.csv:1: note: there is no field 'note'"),
        (("p.csv", "--ignore", "note"), "p.csv:3: the society needs the trait 'elasticity'; add it, or give it to all"),
        (("p.csv", "--ignore", "note", "--default", "elasticty=1"), "did you mean 'elasticity'?"),
        (("p.csv", "--ignore", "note", "--default", "habit"), "write --default habit=VALUE"),
        (("p.csv", "--map", "note"), "write --map note=NAME"),
        (("p.csv", "--map", "note=nothing"), "there is no field 'nothing'"),
        (("p.csv", "--ignore", "note", "--for", "moon"), "there is no society 'moon'"),
        (("none.csv",), "none.csv: cannot be read"),
        (("p.txt",), "give --format"),
        (("p.csv", "--format", "jsonl"), "p.csv:1: not valid JSON"),
        (("p.csv", "--format", "jsonl", "--ignore", "note"), "columns are of CSV files only"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(tmp_path: Path, arguments: tuple[str, ...], right: str) -> None:
    assert right in refused("import", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_one_broken_row_keeps_everybody_out(tmp_path: Path) -> None:
    Path("p.csv").write_text(CSV.replace("9,0.25", "-9,0.25"))
    message = refused("import", "p.csv", "--ignore", "note", *DEFAULTS)
    assert "p.csv:3: wage: found -9" in message
    assert "nothing was written" in message
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_agents_of_tinytroupe_need_a_wage_and_traits_of_ours() -> None:
    message = refused("import", TILDA)
    assert "the society needs the public number 'wage'" in message
    output = told("import", TILDA, "--default", "wage=25", *DEFAULTS)
    assert "not taken over: education, style, skills, relationships, personality.big_five" in output
    (tilda,) = load_folder(Path("mine"))
    assert (tilda.id, tilda.attributes["wage"], tilda.public) == ("tilda-moor", 25, {"wage"})


def test_a_table_belongs_to_the_people_of_a_run(tmp_path: Path) -> None:
    for name in ("us_workers.yaml", "us_workers.csv"):
        shutil.copy(WORKERS.with_name(name), tmp_path)
    file = tmp_path / "us_workers.yaml"
    assert [path.name for path in files_of(file)] == ["us_workers.yaml", "us_workers.csv"]
    assert people_hash(file) == people_hash(WORKERS)
    table = tmp_path / "us_workers.csv"
    table.write_text(table.read_text().replace("144\n", "145\n", 1))
    assert people_hash(file) != people_hash(WORKERS)


def test_a_run_keeps_the_table_of_its_people_and_refuses_another(tmp_path: Path) -> None:
    for name in ("us_workers.yaml", "us_workers.csv"):
        shutil.copy(WORKERS.with_name(name), tmp_path)
    (tmp_path / "c.yaml").write_text("society: {name: income_tax}\npopulation: {people: us_workers.yaml}\n")
    config = load_config(tmp_path / "c.yaml")
    with open_run(config, tmp_path / "runs") as run:
        run.stages.get("costly", JSON, lambda: [1])
    table = tmp_path / "us_workers.csv"
    table.write_text(table.read_text().replace("144\n", "145\n", 1))
    with pytest.raises(UserError, match="was edited after this run began"):
        open_run(config, tmp_path / "runs")
    shutil.copy(WORKERS.with_name("us_workers.csv"), tmp_path)
    with open_run(config, tmp_path / "runs") as run:
        mark_finished(run)
    table.unlink()
    with open_finished("c", tmp_path / "runs") as run:
        society = load("income_tax")
        rosters = open_rosters(run.people, society.agents, "all", society.attributes_used, society.traits_used)
        assert rosters.people(draws(0, 0, 1)).agents == 32
