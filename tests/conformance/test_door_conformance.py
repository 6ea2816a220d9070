"""Every society opens both doors as PettingZoo, Gymnasium and torchrl want them."""

import pytest

from experiments.doors_conform import SUITES, warnings_fail
from societies import catalog
from tests.towns import crowd, rosters, societies_to_check


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("name", societies_to_check())


@pytest.mark.parametrize("suite", SUITES)
def test_doors_conform(name: str, suite: str) -> None:
    society = catalog.load(name)
    with warnings_fail():
        SUITES[suite](society, rosters(society, crowd(society)))
