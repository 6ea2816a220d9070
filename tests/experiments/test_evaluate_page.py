"""The page about `solon evaluate` says what the code does."""

import re
from inspect import signature

import pytest

from experiments.commands.evaluate import evaluate
from experiments.errors import ROOT
from experiments.files import read_json
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


def test_its_figures_are_the_results() -> None:
    found = read_json(ROOT / "results" / "intervals_cover.json")["figures"]
    held = [share[0] for share in found["coverage"].values()]
    assert f"hold in {min(held):.1%} to {max(held):.1%}**" in PAGE
    cells = [x for low_high in found["coverage_of_single_cells"].values() for x in low_high]
    assert f"in {min(cells):.1%} to {max(cells):.1%}, none of" in PAGE
    assert found["cells_astray"] == []
    shares = found["largest_share_of_calls"]
    assert f"at most 1/{1 / shares['hours']:.1f} for hours and 1/{1 / shares['income']:.1f} for income" in PAGE
    assert f"in {len(found['rivals_ahead_in_single_cells'])} of the {2 * len(found['shares_of_calls'])} single" in PAGE
    for method, hours in found["errors_over_plain_average"]["hours, 200 calls"].items():
        income = found["errors_over_plain_average"]["income, 200 calls"][method]
        told = f"| {hours:.2f} | {income:.3f} |".replace("| 0.", "| .")
        assert method == "plain average" or told in PAGE, method
