"""The page about RL people says what the code does."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from agents.mirror import MirrorSettings
from mechanism.baselines.two_level import TwoLevelSettings
from societies.people_ppo import BestResponseSettings
from societies.tabular import QSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rl-people.md").read_text(encoding="utf-8")


def test_the_example_lies_to_the_mean_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})
    candid, lying = (float(x) for x in re.findall(r": (\d\.\d+)", capsys.readouterr().out))
    assert lying > 1.5 * candid


def test_every_setting_is_explained() -> None:
    for settings in (BestResponseSettings, QSettings, MirrorSettings, TwoLevelSettings):
        assert all(f"`{field.name}" in PAGE for field in fields(settings))
