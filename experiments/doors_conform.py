"""Claim: every society opens both doors as other libraries want them.

Four conformance suites, which are not ours: PettingZoo's for the agents' door (its interface, and that a seed makes
everything the same again), Gymnasium's for the principal's, and torchrl's for both, the vectorised one included. A
warning fails a suite too, except two that say nothing of these doors: that an observation has no bounds, and that
torchrl's authors tried an older PettingZoo.
"""

import logging
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING

import torch

from agents.scripted import ScriptedPopulation
from experiments.claims import Json, Outcome
from experiments.tables import counted
from experiments.usual_people import usual_people
from learning.draws import Draws
from mechanism.explore import VariedRules
from personas.rosters import open_rosters
from societies import catalog, doors
from societies.base import Principal, Society
from societies.stage import Rosters

if TYPE_CHECKING:
    from societies.doors.people import PeopleEnv

SEED = 20_261_129
PASS = "pass"
WORLDS = 4  # of the vectorised door
HARMLESS = (".*[Ii]nfinity.*", "PettingZoo in TorchRL is tested.*")


def parallel_api_test(society: Society, rosters: Rosters) -> None:
    """PettingZoo: a whole episode or two of the agents' door."""
    from pettingzoo.test import parallel_api_test

    parallel_api_test(_people(society, rosters)())


def parallel_seed_test(society: Society, rosters: Rosters) -> None:
    """PettingZoo: two doors of one seed show the same."""
    from pettingzoo.test import parallel_seed_test

    parallel_seed_test(_people(society, rosters))


def check_env(society: Society, rosters: Rosters) -> None:
    """Gymnasium: spaces, seeds, determinism, and that nothing that was handed out is changed later."""
    from gymnasium.utils.env_checker import check_env

    for choices in (False, True):
        check_env(doors.principal_env(society, ScriptedPopulation(), rosters, SEED, choices))


def check_env_specs(society: Society, rosters: Rosters) -> None:
    """torchrl: what both doors declare is what they give, in one world and in several."""
    from gymnasium.vector import AutoresetMode
    from torchrl.envs import GymWrapper
    from torchrl.envs.libs.pettingzoo import PettingZooWrapper
    from torchrl.envs.utils import check_env_specs

    logging.getLogger("torchrl").setLevel(logging.WARNING)
    check_env_specs(PettingZooWrapper(_people(society, rosters)(), return_state=True), break_when_any_done="both")
    people = ScriptedPopulation()
    check_env_specs(GymWrapper(doors.principal_env(society, people, rosters, SEED)), break_when_any_done="both")
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
        worlds = doors.principal_vector_env(society, people, rosters, WORLDS, SEED, autoreset_mode=mode)
        check_env_specs(GymWrapper(worlds), break_when_any_done="both")


SUITES: Mapping[str, Callable[[Society, Rosters], None]] = {
    suite.__name__: suite for suite in (parallel_api_test, parallel_seed_test, check_env, check_env_specs)
}


def claim(smoke: bool) -> Outcome:
    """Every suite on every society of the library; the smoke run takes the smallest one."""
    torch.set_num_threads(1)
    names = ("facility8",) if smoke else catalog.library()
    found = {name: verdicts(catalog.load(name)) for name in names}
    missed = [f"{name}: {suite}" for name in names for suite, told in found[name].items() if told != PASS]
    every = len(names) * len(SUITES)
    told = "all pass" if not missed else f"{every - len(missed)} of {every} pass (not {', '.join(missed)})"
    return Outcome(
        claim="every society opens both doors as PettingZoo, Gymnasium and torchrl want them",
        passed=not missed,
        figure=f"{counted(len(names), 'society', 'societies')} x {len(SUITES)} suites, {told}",
        bar="all",
        figures={name: dict[str, Json](told) for name, told in found.items()},
        seeds=(SEED,),
        smoke=smoke,
    )


def verdicts(society: Society) -> dict[str, str]:
    """Suite -> "pass", or what it found."""
    rosters = open_rosters(
        usual_people(society), society.agents, attributes=society.attributes_used, traits=society.traits_used
    )
    return {name: _verdict(suite, society, rosters) for name, suite in SUITES.items()}


def _verdict(suite: Callable[[Society, Rosters], None], society: Society, rosters: Rosters) -> str:
    try:
        with warnings_fail(), redirect_stdout(StringIO()):  # suites say that they passed, and so do we
            suite(society, rosters)
    except Exception as error:  # a suite may stumble over anything, and each has to be told
        return f"{type(error).__name__}: {error}"
    return PASS


@contextmanager
def warnings_fail() -> Generator[None]:
    """A warning is an error, unless it is harmless."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message)
        for old in (DeprecationWarning, FutureWarning):  # of the libraries, about each other
            warnings.simplefilter("ignore", old)
        yield


def _people(society: Society, rosters: Rosters) -> Callable[[], "PeopleEnv"]:
    """Makes the agents' door, under rules of all kinds."""

    def rules(draws: Draws) -> Principal:
        return VariedRules(society, draws)

    return lambda: doors.people_env(society, rosters, rules, SEED)
