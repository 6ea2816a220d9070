"""The page about societies says what the code does, and its example is a society."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from societies import catalog
from societies.base import Society
from societies.library.income_tax import OBJECTIVES, IncomeTax
from tests.conformance import test_society_conformance as conformance
from tests.towns import some_rules

PAGE = (Path(__file__).parents[2] / "docs" / "societies.md").read_text(encoding="utf-8")

EXAMPLES: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def pot() -> Society:
    """The society of the page."""
    code = next(code for code in EXAMPLES if "class Pot" in code)
    names = dict[str, Any]()
    exec(code, names)
    made: Society = names["society"]()
    return made


WHOLE = [
    conformance.test_rules_and_when_they_may_be_set,
    conformance.test_the_census_needs_nobody_to_be_asked,
    conformance.test_the_system_message_never_changes,
    conformance.test_episodes_hold_together,
    conformance.test_same_seed_same_history,
    conformance.test_an_episode_is_the_same_in_any_batch,
    conformance.test_default_rules_are_in_force_where_nobody_decides,
]
SOME_STEPS_IN = [
    conformance.test_shapes_and_finite_numbers,
    conformance.test_teacher_is_a_distribution_over_open_choices,
    conformance.test_same_question_same_answer_and_nothing_is_touched,
    conformance.test_a_world_is_the_same_alone,
    conformance.test_agents_have_no_order,
    conformance.test_what_is_public_knows_traits_only_through_actions,
    conformance.test_a_step_is_what_settling_says,
    conformance.test_welfare_is_public_where_it_says_so,
    conformance.test_settling_can_be_differentiated,
    conformance.test_words_carry_the_numbers_of_the_view_in_order,
    conformance.test_questions_can_be_answered,
]


@pytest.mark.parametrize("check", WHOLE, ids=lambda check: check.__name__)
def test_the_example_is_a_society(pot: Society, check: Callable[[Society], None]) -> None:
    check(pot)


@pytest.mark.parametrize("check", SOME_STEPS_IN, ids=lambda check: check.__name__)
def test_the_example_is_one_some_steps_in(pot: Society, check: Callable[[conformance.Made], None]) -> None:
    check((pot, conformance._advanced(pot), some_rules(pot, conformance.WORLDS)))


def test_people_of_the_example_give_more_when_the_pot_grows(pot: Society) -> None:
    state = conformance._advanced(pot)

    def gift(factor: float) -> float:
        chances = pot.teacher(state, torch.full((conformance.WORLDS, 1), factor)).exp()
        return float((chances @ torch.tensor([0.0, 2, 4, 6, 8, 10])).mean())

    assert gift(1.0) < gift(4.0)


def test_the_regret_of_the_page_is_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    code = next(code for code in EXAMPLES if "import regret" in code)
    exec(code, {})
    assert capsys.readouterr().out.split("\n")[:-1] == re.findall(r"# \[B(?:, N)?\] (tensor.*)", code)


def test_the_page_names_every_society_and_objective() -> None:
    assert set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) >= set(catalog.library())
    assert all(f"`{name}`" in PAGE for name in OBJECTIVES)
    assert all(f"| {trait} |" in PAGE for trait in IncomeTax.traits_used)
