"""Societies and people of other installed packages: found, run, and refused with the package's name."""

import subprocess
import sys
from pathlib import Path

import pytest

from agents.packages import offered, origin
from experiments.config import load_config
from experiments.errors import ROOT, UserError
from societies import catalog
from tests.experiments.tiny import solon, tiny_config
from tests.packaged import installed

HOUSES = """
from societies.library.income_tax import IncomeTax

class Village(IncomeTax):
    name, agents = "village", 5

def society(objective="equality_productivity"):
    return Village(objective)

class Sullen:
    def start(self, people): return 0
    def decide(self, memory, round, draws):
        from agents.base import Decisions
        made = round.teacher()
        return memory + 1, Decisions(draws.choice("decision", round.step, made), made)

def sullen(society, mood="bad"):
    if mood == "good": raise ValueError("they are never in a good mood")
    return Sullen()

class NoSociety:
    name = "flat"

def lacking(): return NoSociety()
def lacking_people(society): return NoSociety()
def named_otherwise(): return Village()
number = 3
"""


def offering(folder: Path, societies: str = "", populations: str = "", name: str = "my-village") -> None:
    installed(folder, name, {"houses.py": HOUSES}, {"solon.societies": societies, "solon.populations": populations})


def test_a_society_of_a_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offering(tmp_path, "village = houses:society")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(catalog.names()) == {*catalog.library(), "village"}
    assert catalog.load("village", "log").objective == "log"
    with pytest.raises(ValueError, match="village: nobody can talk there"):
        catalog.load("village", talk="town_hall")


@pytest.mark.parametrize("name", ["again", "a/b"])
def test_names_that_would_be_taken_for_something_else_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    offering(tmp_path, populations=f"{name} = houses:sullen")
    monkeypatch.syspath_prepend(tmp_path)
    file = tiny_config(tmp_path, monkeypatch)
    refused = solon("compare-populations", file, f"compare.populations=[scripted, {name}]")
    assert refused.exit_code == 2, refused.output
    assert "my-village" in refused.stderr
    assert "a name is of letters" in refused.stderr


def test_people_who_refuse_their_settings_are_told_with_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tiny_config(tmp_path, monkeypatch)
    offering(tmp_path, "", "sullen = houses:sullen\nnobody = houses:lacking_people")
    monkeypatch.syspath_prepend(tmp_path)
    refused = solon("run", file, "population.kind=sullen", "population.settings={mood: good}")
    assert refused.exit_code == 2
    assert "they are never in a good mood" in refused.output
    assert "population.kind sullen, of my-village 0.1" in refused.output
    refused = solon("run", file, "population.kind=nobody")
    assert "a NoSociety is no population: it lacks start and decide" in refused.output


def test_single_actions_are_told_where_the_run_asks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tiny_config(tmp_path, monkeypatch)
    offering(tmp_path, "village = houses:society", "sullen = houses:sullen")
    monkeypatch.syspath_prepend(tmp_path)
    from experiments.package_people import package_people
    from learning.draws import draws
    from societies.play import Fixed, play
    from tests.towns import town

    village, soft = catalog.load("village"), list[bool]()
    for way in ("distribution", "sample"):
        config = load_config(file, ["population.kind=sullen", f"population.way={way}"])
        people = package_people(config, village)
        e = play(village, people, town(village, 0, 2), Fixed(village.default_mechanism()), draws(0, 0, 2)).episode
        soft.append(bool((e.choice.amax(-1) < 0.99).any()))
    assert soft == [True, False]


@pytest.mark.parametrize(
    ("societies", "name", "part"),
    [
        ("income_tax = houses:society", "income_tax", r"offered by Solon and my-village 0\.1; rename it"),
        ("flat = houses:lacking", "flat", r"my-village 0\.1: its society 'flat' lacks steps, agents, feature_names,"),
        ("flat = houses:named_otherwise", "flat", r"my-village 0\.1: .*'flat' calls itself 'village'"),
        ("flat = houses:nothing", "flat", r"my-village 0\.1: houses:nothing, .* cannot be loaded \(AttributeError"),
        ("flat = sheds:society", "flat", r"my-village 0\.1: .* cannot be loaded \(ModuleNotFoundError: No module"),
        ("flat = houses:number", "flat", r"my-village 0\.1: .* is a int; it must be a function"),
    ],
)
def test_what_is_wrong_with_a_package_is_told_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, societies: str, name: str, part: str
) -> None:
    offering(tmp_path, societies)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=part):
        catalog.load(name)
    assert catalog.load("facility8").name == "facility8"  # the others are not affected
    config = load_config(tiny_config(tmp_path, monkeypatch), [f"society.name={name}", "baselines=[]"])
    from experiments.cast import society_of

    with pytest.raises(UserError, match=part):
        society_of(config)


def test_two_packages_with_one_name_are_both_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offering(tmp_path / "one", "village = houses:society")
    offering(tmp_path / "two", "village = houses:society", name="other-village")
    for part in ("one", "two"):
        monkeypatch.syspath_prepend(tmp_path / part)
    with pytest.raises(ValueError, match=r"offered by (other-village|my-village) 0\.1 and (other-village|my-village)"):
        catalog.load("village")


@pytest.mark.parametrize(
    ("populations", "words", "part"),
    [
        (
            "",
            ["population.kind=sullen"],
            "write 'llm', 'scripted' or 'rl', or what an installed package offers: there is",
        ),
        ("sullen = houses:sullen", ["population.kind=sulen"], "what an installed package offers: sullen"),
        ("rl = houses:sullen\nsullen = houses:gone", ["population.kind=sullen"], "houses:gone, its 'sullen' in"),
        (
            "sullen = houses:sullen",
            ["population.kind=sullen", "population.settings={mod: good}"],
            "the people 'sullen' of my-village 0.1 do not take them: got an unexpected keyword argument 'mod'",
        ),
        ("sullen = houses:sullen", ["population.kind=sullen", "population.checkpoint=x"], "write kind: rl"),
        (
            "rl = houses:sullen",
            ["population.kind=rl"],
            "'rl' in solon.populations is offered by Solon and my-village 0.1",
        ),
    ],
)
def test_wrong_people_are_refused_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, populations: str, words: list[str], part: str
) -> None:
    offering(tmp_path, "", populations)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as caught:
        load_config(tiny_config(tmp_path, monkeypatch), [*words])
    assert part in str(caught.value)
    assert "the command line" in str(caught.value)


def test_no_package_is_taken_for_granted() -> None:
    assert origin("solon.societies", "income_tax") is None
    assert "income_tax" not in offered("solon.societies")


@pytest.mark.slow
def test_the_conformance_command_judges_a_society_of_a_package(tmp_path: Path) -> None:
    offering(tmp_path, "village = houses:society\nflat = houses:named_otherwise")
    command = [sys.executable, "-m", "experiments.cli", "conformance"]
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "", "OMP_NUM_THREADS": "1"}
    good = subprocess.run([*command, "village"], env=environment, capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stdout
    assert "test_doors_conform[village-check_env]" in good.stdout
    bad = subprocess.run([*command, "flat"], env=environment, capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "calls itself 'village'" in bad.stderr


def test_conformance_checks_its_options_before_the_society() -> None:
    nowhere = solon("conformance", "income_tax", "--people", "nowhere.yaml")
    assert nowhere.exit_code == 2
    assert "nowhere.yaml" in nowhere.stderr
    assert solon("conformance", "income_tax", "--agents", "0").exit_code == 2


def test_conformance_seats_as_many_as_a_society_can(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.extend(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert solon("conformance", "team_formation").exit_code == 0
    assert not [word for word in asked if word.startswith("--agents")]  # tests.towns.crowd knows how many that are
    assert solon("conformance", "team_formation", "--agents", "4").exit_code == 0
    assert asked[-1] == "--agents=4"
