"""The claim about the doors passes, and its suites find out what is no good."""

import pytest
import torch
from torch import Tensor

from experiments import doors_conform
from experiments.doors_conform import PASS, claim, verdicts
from personas.people import People
from societies import catalog
from societies.base import Society, State
from societies.doors.principal import PrincipalEnv
from societies.library.income_tax import IncomeTax


class Moody(IncomeTax):
    """What people are shown changes by itself."""

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        return super().look(state, mechanism) + torch.rand(1)


class Forgetful(IncomeTax):
    """The public state has more numbers than it names."""

    def reset(self, people: People) -> State:
        made = super().reset(people)
        return State(0, torch.cat([made.features, made.features], -1), people)


def test_a_small_run_passes() -> None:
    outcome = claim(smoke=True)
    assert outcome.passed
    assert outcome.figure == "1 society x 4 suites, all pass"
    assert outcome.figures == {"facility8": dict.fromkeys(doors_conform.SUITES, PASS)}


@pytest.mark.parametrize(
    ("broken", "found_by"), [(Moody(), {"parallel_seed_test"}), (Forgetful(), {"check_env", "check_env_specs"})]
)
def test_what_does_not_conform_is_found_out(broken: Society, found_by: set[str]) -> None:
    assert {suite for suite, verdict in verdicts(broken).items() if verdict != PASS} >= found_by


def test_a_suite_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unseeded(self: PrincipalEnv, **given: object) -> object:
        return self.observation_space.sample(), {}

    monkeypatch.setattr(PrincipalEnv, "reset", unseeded)
    outcome = claim(smoke=True)
    assert not outcome.passed
    assert "not facility8: check_env" in outcome.figure


def test_the_whole_library_is_claimed() -> None:
    names = catalog.library()
    assert len(names) >= 11
    assert all(doors_conform.usual_people(catalog.load(name)).is_file() for name in names)
