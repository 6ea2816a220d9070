"""Doors to other libraries: a society as a PettingZoo environment for its agents, and as a Gymnasium one for whoever
sets its rules. docs/doors.md shows how they are used.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agents.base import Population
from societies.base import Society
from societies.doors.policies import PrincipalAgent, RLAgents
from societies.doors.principal import PrincipalEnv
from societies.doors.vector import PrincipalVectorEnv
from societies.stage import Rosters

if TYPE_CHECKING:
    from societies.doors.people import PeopleEnv, Rules
    from societies.doors.sb3 import SB3Worlds

__all__ = ["PrincipalAgent", "RLAgents", "people_env", "principal_env", "principal_vector_env", "sb3_env"]


def people_env(society: Society, rosters: Rosters, principal: "Rules", seed: int = 0, **options: bool) -> "PeopleEnv":
    """The agents' door: a PettingZoo `ParallelEnv` under a principal. Options: see `PeopleEnv`.

    ModuleNotFoundError where PettingZoo is not installed.
    """
    with _installed("pettingzoo", "the agents' door needs PettingZoo"):
        from societies.doors.people import PeopleEnv
    return PeopleEnv(society, rosters, principal, seed, **options)


def principal_env(
    society: Society, population: Population, rosters: Rosters, seed: int = 0, tells_choices: bool = False
) -> PrincipalEnv:
    """The principal's door: a Gymnasium `Env` of one world."""
    return PrincipalEnv(society, population, rosters, seed, tells_choices)


def principal_vector_env(
    society: Society, population: Population, rosters: Rosters, worlds: int, seed: int = 0, **options: Any
) -> PrincipalVectorEnv:
    """The same for many worlds at once: a Gymnasium `VectorEnv`. Options: see `PrincipalVectorEnv`."""
    return PrincipalVectorEnv(society, population, rosters, worlds, seed, **options)


def sb3_env(
    society: Society, population: Population, rosters: Rosters, worlds: int, seed: int = 0, tells_choices: bool = False
) -> "SB3Worlds":
    """The same as a Stable-Baselines3 `VecEnv`. ModuleNotFoundError where Stable-Baselines3 is not installed."""
    with _installed("stable_baselines3", "this door needs Stable-Baselines3"):
        from societies.doors.sb3 import SB3Worlds
    return SB3Worlds(PrincipalVectorEnv(society, population, rosters, worlds, seed, tells_choices))


@contextmanager
def _installed(package: str, needs: str) -> Generator[None]:
    """Says how to install what a door needs, where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        fix = "pip install -c constraints.txt -e '.[interop]'"
        raise ModuleNotFoundError(f"{needs}, which is not installed; run: {fix}", name=error.name) from None
