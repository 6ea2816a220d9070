"""The page "Bring your own society", done as it says: its package is installed, its commands and its code are run."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments import runs
from experiments.doors_conform import SUITES, warnings_fail
from experiments.errors import ROOT
from experiments.files import read_json
from personas.load import load_persona
from personas.words import trait_sentence
from societies import catalog
from societies.base import Society
from tests.conformance import test_population_conformance as by_people
from tests.conformance import test_society_conformance as conformance
from tests.experiments.tiny import solon
from tests.towns import rosters, some_rules

PAGE = (ROOT / "docs" / "your-own-society.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
CODE = [text for language, text in BLOCKS if language == "python"]
POND, FISHERS, PLAY, OPEN = CODE
(PROJECT,) = [text for language, text in BLOCKS if language == "toml"]
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the page's package is installed, and its config lies."""
    folder = tmp_path_factory.mktemp("pond")
    package = folder / "my-pond"
    package.mkdir()
    for file, text in {"pond.py": POND, "fishers.py": FISHERS, "pyproject.toml": PROJECT}.items():
        (package / file).write_text(text)
    built = subprocess.run([*PIP, "--target", str(folder), str(package)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (folder / "pond.yaml").write_text(next(text for language, text in BLOCKS if language == "yaml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setattr(runs, "RUNS", folder / "runs")
        patch.chdir(ROOT)
        yield folder


@pytest.fixture
def pond(folder: Path) -> Society:
    return catalog.load("pond")


def test_fishers_are_told_what_the_society_uses_and_nothing_else(pond: Society) -> None:
    who = load_persona(ROOT / "personas/village/maria-keller.yaml")
    system = pond.tell(torch.zeros(4), who).system
    assert f"you mind taking more than grows again: {100 * who.traits['fairness']:.0f}." in system
    assert all(trait_sentence(who, trait) not in system for trait in who.traits)  # which are told of work and pay


def test_the_pond_is_found(pond: Society) -> None:
    assert (pond.name, type(pond).__module__) == ("pond", "pond")
    assert "pond" in catalog.names()


def checks(taking: str) -> list[Callable[..., None]]:
    """The conformance checks of that one argument."""
    found = [check for name, check in vars(conformance).items() if name.startswith("test_")]
    return [check for check in found if check.__code__.co_varnames[: check.__code__.co_argcount] == (taking,)]


@pytest.mark.parametrize("check", checks("society"), ids=lambda check: check.__name__)
def test_it_is_a_society(pond: Society, check: Callable[[Society], None]) -> None:
    check(pond)


@pytest.mark.parametrize("check", checks("made"), ids=lambda check: check.__name__)
def test_it_is_one_some_steps_in(pond: Society, check: Callable[[conformance.Made], None]) -> None:
    check((pond, conformance._advanced(pond), some_rules(pond, conformance.WORLDS)))


def test_the_checks_are_all_there() -> None:
    assert len(checks("society")) >= 9
    assert len(checks("made")) >= 13


@pytest.mark.parametrize("kind", [kind for kind in by_people.KINDS if kind != "embedded"])
def test_all_kinds_of_people_play_it(pond: Society, kind: str, tmp_path: Path) -> None:
    by_people.test_people_of_every_kind_play_by_the_rules("pond", kind, tmp_path)


@pytest.mark.parametrize("suite", SUITES)
def test_its_doors_conform(pond: Society, suite: str) -> None:
    with warnings_fail():
        SUITES[suite](pond, rosters(pond))


def test_its_code_runs_and_says_what_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = dict[str, Any]()
    exec(PLAY, names)
    shorter = OPEN.replace("learn(20_000)", "learn(6_000)")
    assert shorter != OPEN
    exec(shorter, names)
    none, _, most, _, ppo = (float(x) for x in re.findall(r": (\d\.\d\d) fish", capsys.readouterr().out))
    assert most > none + 0.1
    assert ppo > most + 0.1


def test_its_commands_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = re.findall(r"^    solon (run|prompt|compare-populations) (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 4
    for command, words in commands:
        smoke = [] if command == "prompt" else ["--smoke"]
        done = solon(command, *words.replace("pond.yaml", str(folder / "pond.yaml")).split(), *smoke)
        assert done.exit_code == 0, done.output
    versions: dict[str, str] = read_json(folder / "runs/greedy-smoke/manifest.json")["sessions"][-1]["versions"]
    assert versions["society pond"] == versions["population greedy"] == "my-pond 0.1"
    report = (folder / "runs/greedy-smoke/report.html").read_text(encoding="utf-8")
    assert "greedy, people of the package my-pond 0.1" in report
    assert {run.name for run in (folder / "runs").iterdir()} == {"pond-smoke", "greedy-smoke", "pond-people-smoke"}
    side_by_side = read_json(folder / "runs/pond-people-smoke/comparison.json")
    assert side_by_side["kinds"] == ["rl", "scripted", "greedy"]
