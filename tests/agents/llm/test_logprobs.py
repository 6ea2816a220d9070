"""Probabilities of choices from the likeliest tokens: worked examples with several kinds of tokenizers."""

import math

import pytest

from agents.base import Question
from agents.llm.logprobs import Token, choice_log_probs
from tests.agents.llm.town import CHOICES

HOURS = Question("system", "news", "hours", CHOICES)
MOVES = Question("system", "news", "move", ("cooperate", "defect"))


def tokens(*parts: str, value: dict[str, float]) -> list[Token]:
    """Tokens of a reply; the one called VALUE is replaced by the likeliest of `value` (token -> probability)."""
    likeliest = tuple((text, math.log(p)) for text, p in value.items())
    return [Token(max(value, key=lambda t: value[t]), likeliest) if p == "VALUE" else Token(p, ()) for p in parts]


def told(found: tuple[float, ...] | None, question: Question) -> dict[str, float]:
    assert found is not None
    return {c: round(math.exp(p), 9) for c, p in zip(question.choices, found, strict=True) if p > -math.inf}


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        (('{"', "hours", '":', "VALUE", "}"), {"40": 0.5, "5": 0.25, "50": 0.2, "37": 0.05}),
        (('{"', "hours", '":', "VALUE", "}"), {" 40": 0.5, " 5": 0.15, "5": 0.1, " 50": 0.2, " 37": 0.05}),
        (("{", '"hours"', ": ", '"', "VALUE", '"}'), {"40": 0.5, "5": 0.25, "50": 0.2, "x": 0.05}),
        (('{"hours"', "VALUE"), {":40}": 0.5, ":5}": 0.25, ":50}": 0.2, ":37}": 0.05}),
    ],
)
def test_numbers_that_are_single_tokens(parts: tuple[str, ...], value: dict[str, float]) -> None:
    found = choice_log_probs(tokens(*parts, value=value), HOURS)
    assert told(found, HOURS) == {"40": 0.5, "5": 0.25, "50": 0.2}


def test_a_digit_that_may_begin_several_choices_counts_for_none() -> None:
    found = choice_log_probs(tokens('{"hours":', "VALUE", "0", "}", value={"4": 0.7, "5": 0.2, "0": 0.1}), HOURS)
    assert told(found, HOURS) == {"0": 0.1}


def test_the_beginning_of_one_choice_only_counts_for_it() -> None:
    found = choice_log_probs(tokens('{"move":"', "VALUE", "erate", '"}', value={"coop": 0.6, "def": 0.4}), MOVES)
    assert told(found, MOVES) == {"cooperate": 0.6, "defect": 0.4}


def test_no_answer_no_distribution() -> None:
    assert choice_log_probs([], HOURS) is None
    assert choice_log_probs(tokens("I like ", "VALUE", value={"40": 1.0}), HOURS) is None
    assert choice_log_probs(tokens('{"hours":', value={"40": 1.0}), HOURS) is None
