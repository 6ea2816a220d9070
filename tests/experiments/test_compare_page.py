"""The page "Compare LLM and RL people" says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import runs
from experiments.compared_rules import Rulebook
from experiments.compared_tables import COMPARED
from experiments.config_sections import CompareConfig
from experiments.errors import ROOT
from experiments.files import read_json
from personas.rosters import open_rosters
from societies import catalog
from tests.experiments.tiny import solon

PAGE = (ROOT / "docs" / "compare-populations.md").read_text(encoding="utf-8")
(CONFIG,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
(COMMANDS,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
BLOCKS: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the page's commands were issued."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RUNS", folder / "runs")
        (folder / "visitors.yaml").write_text(CONFIG)
        (folder / "personas").symlink_to(ROOT / "personas")
        patch.chdir(folder)
        for command in COMMANDS.splitlines():
            done = solon(*command.split()[1:])
            assert done.exit_code == 0, done.output
        yield folder


def test_its_code_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (folder / "runs/visitors-people-smoke/report.html").is_file()
    for block in BLOCKS:  # each by itself, as a reader may copy it
        exec(block, {})
    told = capsys.readouterr().out
    assert re.search(r"llm: 0\.\d\d \(", told)
    assert "apart by {'mean':" in told
    assert "LLM people and RL people differ in" in told
    habit, reaction = (float(x) for x in re.findall(r"habit (\S+), overreaction (\S+)", told)[0])
    assert habit == pytest.approx(0.6, abs=0.05)
    assert reaction == pytest.approx(-1, abs=0.15)


def test_every_key_and_every_table_is_explained() -> None:
    assert all(f"| `{name}` |" in PAGE for name in CompareConfig.model_fields)
    assert all(f"`{table}`" in PAGE for table in COMPARED)


def test_the_rules_that_are_usual_are_listed() -> None:
    told = {}
    for societies, rules in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (`.*) \|$", PAGE, re.MULTILINE):
        told |= {name: tuple(re.findall(r"`(\w+)`", rules)) for name in re.findall(r"`(\w+)`", societies)}
    rest = ("default",)  # as for societies of other packages
    people = open_rosters(ROOT / "personas/village", 2)
    for name in catalog.names():
        assert Rulebook(catalog.load(name), people, 0).usual() == told.get(name, rest), name


def test_so_many_cells_differ_as_was_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    figures = read_json(ROOT / "results/populations_side_by_side.json")["figures"]
    for society in ("income_tax", "facility8"):
        found = re.findall(r"differ in (\d+) of (\d+)", figures[society]["findings"][0])
        llm_rl, llm_scripted, rl_scripted = (count for count, _ in found)
        assert f"| {society} | {found[0][1]} | {llm_scripted} | {llm_rl} | {rl_scripted} |" in PAGE
        assert found[0][1] in readme
    assert (
        "in 23 of 45 quantities, LLM and RL people in 21, RL and scripted people in 17; in `facility8` in 10, 21"
        in readme
    )
    (beyond,) = [
        pair["differences"]["signature"]["loss aversion"]["p_holm"]
        for pair in figures["income_tax"]["pairs"]
        if pair["kinds"] == ["rl", "scripted"]
    ]
    assert f"(p = {beyond:.2f})".replace("0.", ".") in PAGE
