"""The page about the doors says what the code does; and a run's principal can be taken out of its folder."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from agents.rl import RLPopulation, load_policy
from experiments.errors import ROOT, UserError
from experiments.learned import learned_principal
from learning.draws import child_seed
from personas.rosters import open_rosters
from societies import catalog
from societies.stage import Stage
from societies.store import load_episodes
from tests.experiments.tiny import solon, tiny_config

PAGE = (ROOT / "docs" / "doors.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SOCIETY = catalog.load("income_tax")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which runs/mine is a finished run with RL people."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        file = tiny_config(folder, patch)
        small = "population.settings={iterations: 1, decisions: 50, hidden: 8}"
        rounds = ("method.settings.rounds=2", "method.settings.gap=0", "method.settings.later_episodes=1")
        made = solon("run", file, "name=mine", "population.kind=rl", "population.model=embedded", small, *rounds)
        assert made.exit_code == 0, made.output
        (folder / "personas").symlink_to(ROOT / "personas")
        patch.chdir(folder)
        yield folder


def test_the_page_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    shorter = BLOCKS[0].replace("learn(15_000)", "learn(3_000)")
    assert shorter != BLOCKS[0]
    for code in (shorter, *BLOCKS[1:]):
        exec(code, names)
    told = [float(x) for x in re.findall(r"\d\.\d\d", capsys.readouterr().out)]
    assert len(told) == 3
    assert all(0.3 < one < 1.0 for one in told)


def test_a_runs_principal_is_the_one_that_it_evaluated(folder: Path) -> None:
    learned = learned_principal("mine")
    people = RLPopulation(load_policy(folder / "runs/mine/stages/rl-people.safetensors"))
    towns = open_rosters(ROOT / "personas/populations/communities.yaml", 32, traits=SOCIETY.traits_used)
    with torch.no_grad():
        again = Stage(SOCIETY, people, towns, child_seed(0, "held-out")).play(learned, 0, 2)
    (kept,) = load_episodes(folder / "runs/mine/episodes/swm_ap")
    assert torch.equal(again.mechanism, kept.mechanism)
    assert torch.equal(again.action, kept.action)
    assert float(again.mechanism[:, -1].std(0).max()) > 0  # it tells the two towns apart


def test_what_holds_no_principal_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="there is no run 'yours'"):
        learned_principal("yours")
    stages = folder / "runs/mine/stages"
    kept = sorted(stages.glob("rules-*.safetensors"))
    assert len(kept) == 2
    for file in kept:
        file.rename(file.with_suffix(".away"))
    with pytest.raises(UserError, match="it keeps no rules that were learned"):
        learned_principal("mine")
    for file in kept:
        file.with_suffix(".away").rename(file)


def test_every_door_is_on_the_page() -> None:
    from societies import doors

    assert all(f"doors.{name}(" in PAGE for name in doors.__all__)
