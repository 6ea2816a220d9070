"""People that another installed package brings along: `population.kind` names them."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agents.base import Decisions, Population, Round
from agents.llm.redact import refuse_secret_values
from agents.packages import OWN_KINDS, POPULATIONS, offered, origin, population
from experiments.errors import UserError
from learning.draws import Draws
from personas.people import People
from societies.base import Society

if TYPE_CHECKING:
    from experiments.config import Config


AGAIN = "again"  # scripted people of the same rosters once more, with fresh draws, where kinds are compared
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # it names columns and folders


def check_kind(kind: str) -> None:
    """ValueError where no package offers people of that kind, or not as it should, or under the name of Solon's own."""
    known = offered(POPULATIONS)
    if kind in OWN_KINDS and kind not in known:
        return
    if kind not in known:
        others = ", ".join(known) or "there is none"
        raise ValueError(
            f"found {kind!r}; write 'llm', 'scripted' or 'rl', or what an installed package offers: {others}"
        )
    if kind == AGAIN or not _NAME.fullmatch(kind):
        fix = f"letters, digits, '_', '.' and '-', and not {AGAIN!r}"
        raise ValueError(f"{origin(POPULATIONS, kind)} names its people {kind!r}; a name is of {fix}")
    population(kind)


def check_settings(kind: str, settings: Mapping[str, Any]) -> None:
    """ValueError where those people do not take such settings."""
    refuse_secret_values(settings)
    try:
        inspect.signature(population(kind)).bind(None, **settings)
    except TypeError as error:
        raise ValueError(f"the people {kind!r} of {origin(POPULATIONS, kind)} do not take them: {error}") from None


def package_people(config: "Config", society: Society) -> Population:
    """The people of this run. UserError where a package refuses the settings, or what it makes is no population."""
    who = config.population
    try:
        made: Any = population(who.kind)(society, **who.settings)
    except ValueError as error:
        raise _refused(who.kind, str(error)) from error
    lacking = [name for name in ("start", "decide") if not callable(getattr(made, name, None))]
    if lacking:
        raise _refused(who.kind, f"a {type(made).__name__} is no population: it lacks {' and '.join(lacking)}")
    people: Population = made
    return _ActionsAlone(people) if who.way == "sample" else people


def _refused(kind: str, what: str) -> UserError:
    return UserError(
        what,
        where=f"population.kind {kind}, of {origin(POPULATIONS, kind)}",
        fix="change population.settings, or mend that package; agents/base.py says what a population is",
    )


@dataclass(frozen=True)
class _ActionsAlone:
    """The same people, of whom nobody is told more than what they did."""

    people: Population

    def start(self, people: People) -> Any:
        return self.people.start(people)

    def decide(self, memory: Any, round: Round, draws: Draws) -> tuple[Any, Decisions]:
        memory, decisions = self.people.decide(memory, round, draws)
        return memory, replace(decisions, log_probs=None)
