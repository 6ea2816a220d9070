"""Doors to other libraries: a society as a PettingZoo environment for its agents, and as a Gymnasium one for whoever
sets its rules. docs/doors.md shows how they are used.
"""

from typing import TYPE_CHECKING, Any

from agents.base import Population
from societies.base import Society
from societies.doors.policies import PrincipalAgent, RLAgents
from societies.doors.principal import PrincipalEnv
from societies.doors.vector import PrincipalVectorEnv
from societies.stage import Rosters

if TYPE_CHECKING:
    from societies.doors.people import PeopleEnv, Rules

__all__ = ["PrincipalAgent", "RLAgents", "people_env", "principal_env", "principal_vector_env"]


def people_env(society: Society, rosters: Rosters, principal: "Rules", seed: int = 0, **options: bool) -> "PeopleEnv":
    """The agents' door: a PettingZoo `ParallelEnv` under a principal. Options: see `PeopleEnv`.

    ModuleNotFoundError where PettingZoo is not installed.
    """
    try:
        from societies.doors.people import PeopleEnv
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pettingzoo":
            raise
        fix = "pip install -c constraints.txt -e '.[interop]'"
        raise ModuleNotFoundError(f"the agents' door needs PettingZoo, which is not installed: {fix}") from None
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
