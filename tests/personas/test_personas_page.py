"""The page about personas says what the code does."""

import re
from pathlib import Path

import pytest

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
