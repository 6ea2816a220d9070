"""The types between societies and the people who play them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from learning.draws import Draws
from personas.people import People


@dataclass(frozen=True)
class Question:
    """One decision put into words. The answer is a JSON object {"<key>": choice}."""

    system: str  # the rules and who you are; the same for an agent's whole life
    user: str  # the news of this step
    key: str  # the name of the answer in the JSON reply
    choices: tuple[str, ...]  # [K] what may be answered, in the society's order


@dataclass(frozen=True)
class Went:
    """How the last step went for everybody, as they see it themselves."""

    what: str  # is told: "net income"
    values: Callable[[], Tensor]  # () -> [B, N], the more the better; NaN where there is nothing to see yet


@dataclass(frozen=True)
class Talk:
    """People may say one thing each, which some of the others hear before they decide in the next step."""

    longest: int  # characters of what one may say; 0 = nothing, since nobody would hear it any more
    heard: Callable[[int, int], tuple[str, ...]]  # (world, agent) -> what others said in the last step; untrusted words


@dataclass(frozen=True)
class Message:
    """What somebody said to the others in a step."""

    world: int
    agent: int
    text: str


@dataclass(frozen=True)
class Round:
    """One step's decisions for B worlds of N agents, as every kind of people may need them."""

    step: int
    views: Callable[[], Tensor]  # () -> [B, N, O] what each agent sees, as numbers
    choices: Tensor  # [B, N, K] bool: who may choose what; all False = not this agent's turn
    people: People
    question: Callable[[int, int], Question]  # (world, agent) -> the same view in words, made on demand
    teacher: Callable[[], Tensor]  # () -> [B, N, K] log-probabilities of the scripted people
    went: Went | None = None  # None = nobody is told
    talk: Talk | None = None  # None = nobody can be heard
    idle: int | None = None  # the choice that is to do nothing; None = there is none
    situation: Callable[[], Tensor] | None = (
        None  # () -> [B, N] int64 a rough number of what each sees; None = too many
    )


@dataclass(frozen=True)
class Fallback:
    """A decision that could not be had from the model, what was done instead, and why."""

    world: int
    agent: int
    name: str  # what was done: "repeat_last", "uniform"
    reason: str  # why: "unreadable reply", "choice not offered", ...


@dataclass(frozen=True)
class Decisions:
    """What everyone chose, with the model's whole distribution where it was asked for."""

    action: Tensor  # [B, N] int64, an index into the K choices; -1 where it was not the agent's turn
    log_probs: Tensor | None  # [B, N, K], one-hot where one action is known only; None where that is so of everyone
    fallbacks: tuple[Fallback, ...] = ()
    messages: tuple[Message, ...] = ()  # to the others, at most one of each agent; where the round has a `talk`


class Population(Protocol):
    """People who can be asked for a whole round of decisions at once."""

    def start(self, people: People) -> Any:
        """The population's own memory at the start of an episode."""
        ...

    def decide(self, memory: Any, round: Round, draws: Draws) -> tuple[Any, Decisions]:
        """Everyone's decision. `draws` holds the episode's counter-based randomness."""
        ...
