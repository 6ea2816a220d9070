"""What imagining costs: counted by the steps that were learned from, and compared per person."""

import pytest

from experiments import cost_of_imagining
from experiments.cost_of_imagining import Cost, Size, claim, measure, worlds_of


def test_steps_are_those_that_were_learned_from():
    size = Size(rounds=2, agents_at_once=40)
    cost = measure(2, size)
    assert cost.steps == 2 * 20 * 5
    assert cost.processor > 0
    assert cost.wall > 0


def test_worlds_can_be_shared_out():
    size = Size()
    assert all(worlds_of(n, size) % 20 == 0 and worlds_of(n, size) for n in size.people)
    assert [worlds_of(n, size) for n in (2, 32, 128, 1000)] == [200, 200, 100, 20]


@pytest.mark.parametrize(
    ("seconds", "passed"), [(lambda n: 1 + n, True), (lambda n: n, True), (lambda n: n**1.2, False)]
)
def test_cost_per_person_must_not_grow(monkeypatch: pytest.MonkeyPatch, seconds, passed: bool):
    monkeypatch.setattr(cost_of_imagining, "_alone", lambda n, size: Cost(100, seconds(n), seconds(n), 10**6))
    found = claim(smoke=True)
    assert found.passed is passed
    assert found.figures["worlds"] == {"2": 80, "8": 20}
