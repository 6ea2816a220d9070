"""The page "Compare LLM and RL people" says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import runs
from experiments.compared_tables import COMPARED
from experiments.config_sections import CompareConfig
from experiments.errors import ROOT
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
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(block, names)
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
