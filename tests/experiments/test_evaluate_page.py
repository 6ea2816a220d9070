"""The page about `solon evaluate` says what the code does."""

import re
from inspect import signature

import pytest

from experiments.commands.evaluate import evaluate
from experiments.errors import ROOT
from experiments.rival_estimates import AUDITED, NEAR
from experiments.what_if import Wanted

PAGE = (ROOT / "docs" / "evaluate.md").read_text(encoding="utf-8")


def test_the_example_estimates_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})
    alone, value, low, high, truth = (float(x) for x in re.findall(r"\d+\.\d+", capsys.readouterr().out))
    assert low < truth < high
    assert abs(value - truth) < abs(alone - truth)


def test_every_option_is_explained() -> None:
    options = [f"`--{name.replace('as_json', 'json').replace('_', '-')}`" for name in signature(evaluate).parameters][
        1:
    ]
    assert [option for option in options if option not in PAGE] == []


def test_what_it_says_of_defaults_is_so() -> None:
    default = signature(evaluate).parameters
    assert f"| `--run` | the run whose people, world model and journal these are | `{default['run'].default}` |" in PAGE
    assert f"the same command asks nobody twice | {default['calls'].default} |" in PAGE
    assert Wanted("saez", "demo", 100).after == "swm_ap"
    assert f"a random {AUDITED:.0%} of the calls" in PAGE
    assert NEAR == 3
