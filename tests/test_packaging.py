"""The folders are imported directly: these tests keep that sound."""

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_is_ours(name: str):
    """Another distribution also ships a package named `agents`; if it ever wins, nothing here means what it says."""
    file = importlib.import_module(name).__file__
    assert file is not None
    assert Path(file).resolve().is_relative_to(ROOT)


def test_all_lists_name_the_same_packages():
    tool = PROJECT["tool"]
    lists = [
        tool["importlinter"]["root_packages"],
        tool["pyright"]["include"],
        tool["ruff"]["lint"]["isort"]["known-first-party"],
    ]
    assert all(set(names) == set(PACKAGES) for names in lists)
    assert set(tool["importlinter"]["contracts"][0]["layers"]) == set(PACKAGES)


def test_every_dependency_is_pinned_within_its_range():
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["test"]
    for requirement in map(Requirement, wanted):
        version = PINS.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} has no line in constraints.txt"
        assert requirement.specifier.contains(version), f"{requirement} does not allow the pinned {version}"


def test_no_pin_shadows_our_packages():
    assert not {"openai-agents", "agents"} & set(PINS)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("learning/planted.py", "import mechanism"),
        ("agents/planted.py", "from societies.base import Society"),
        ("world_model/planted.py", "from personas.traits import TRAITS"),
        ("mechanism/planted.py", "import agents.scripted"),
    ],
)
def test_an_import_against_the_order_is_caught(tmp_path: Path, file: str, line: str):
    tree = _copy_of_the_tree(tmp_path)
    assert _lint(tree).returncode == 0, _lint(tree).stdout
    (tree / file).write_text(line + "\n")
    found = _lint(tree)
    assert found.returncode == 1
    assert "planted" in found.stdout


def _copy_of_the_tree(folder: Path) -> Path:
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=lambda _, names: [n for n in names if _is_not_code(n)])
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _is_not_code(name: str) -> bool:
    return "." in name and not name.endswith(".py")


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"
    return subprocess.run([sys.executable, "-c", program], cwd=tree, capture_output=True, text=True, check=False)
