"""What a society is, what an episode holds, and what a principal is asked.

Shapes: B worlds, T steps, N agents, F public features, O view, K choices, D prospects, M mechanism parameters,
R response. The public state of a society is one tensor `features` [B, N, F] (world-level facts are repeated for
every agent), so that what the principal may see, what the world model learns from and what the society computes
with are the same numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gymnasium.spaces import Box
from torch import Tensor

from agents.base import Fallback, Message, Question
from personas.people import People, Persona


@dataclass(frozen=True)
class Options:
    """A mechanism that is one of M options: [B, M], one-hot, or all zero where none is taken.

    `groups` says how each option would part the roster: features [B, N, F] -> [B, M, G, N], the share of agent n in
    group g under option m (a place: group g lives g blocks away from it). A principal reads an option through its
    groups, so that neither the order of the agents nor that of the options matters to it.
    """

    names: tuple[str, ...]  # [M]
    groups: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Settled:
    """What the public rules make of everyone's responses in one step."""

    features: Tensor  # [B, N, F] the next public state
    accounts: Mapping[str, Tensor]  # named world-level sums, each [B]


@dataclass(frozen=True)
class State:
    """A society's whole state: the public part, and the people whose traits drive it."""

    step: int
    features: Tensor  # [B, N, F] public
    people: People  # private traits live here and nowhere else


@dataclass(frozen=True)
class Transition:
    """One real step."""

    state: State
    response: Tensor  # [B, N, R] the public part of what everyone did
    payoff: Tensor  # [B, N] private utility
    accounts: Mapping[str, Tensor]  # each [B]
    welfare: Tensor  # [B] the principal's objective in this step


class Society(Protocol):
    """A set of rules under which people decide. Pure and batched: tensors in, tensors out, no hidden randomness."""

    name: str
    steps: int  # T, warm-up included
    agents: int  # N in the standard roster
    feature_names: tuple[str, ...]  # F
    personal: tuple[str, ...]  # the features that describe a person and never change
    prospect_names: tuple[str, ...]  # D
    choice_names: tuple[str, ...]  # K, as they are written in an answer
    own: tuple[str, ...]  # the features that tell of an agent's own situation and may colour its tastes
    attributes_used: tuple[str, ...]  # what everyone must publicly be
    traits_used: tuple[str, ...]  # what the scripted people read
    objective: str  # what counts as welfare, by name
    welfare_is_public: bool  # is the objective a function of the accounts alone?
    response_is_choice: bool  # does the response follow from the choices alone, or do hidden traits take part in it?

    @property
    def mechanism(self) -> Box | Options:
        """[M] parameters with their lows and highs, or M options of which one is taken."""
        ...

    def counts(self, step: int) -> bool:
        """Is this step part of the return (False in warm-up)?"""
        ...

    def decides(self, step: int, features: Tensor) -> Tensor:
        """[B, M] bool: what the principal may set (or take) now, in the public state [B, N, F]; all False = nothing."""
        ...

    def default_mechanism(self) -> Tensor:
        """[M] the rules in force where the principal does not decide; all zero where there are options."""
        ...

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        """Public attributes [B, N, A] -> the public state before the first step [B, N, F]."""
        ...

    def reset(self, people: People) -> State:
        """The state before the first step."""
        ...

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K] bool: who may choose what now; all False = it is not this agent's turn."""
        ...

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, O] what each agent sees before it decides; the same facts as `tell`.

        Negative where there is nothing to tell: such a number is not put into words.
        """
        ...

    def tell(self, view: Tensor, persona: Persona) -> Question:
        """One agent's view [O] in words."""
        ...

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K, D] what each choice would bring by the public rules alone."""
        ...

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, K] log-probabilities of the scripted people's choices; reads private traits."""
        ...

    def respond(self, action: Tensor) -> Tensor:
        """Choice indices [B, N] -> the public response [B, N, R], as far as it follows from the choices alone."""
        ...

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        """The public accounting of one step; differentiable in mechanism and response."""
        ...

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        """[B] the objective from the accounts alone. ValueError where it needs hidden things."""
        ...

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        """One real step."""
        ...


@runtime_checkable
class Felt(Protocol):
    """A society whose people see how the last step went for them, so that they can tell good ones from bad."""

    outcome: str  # what `went` tells, as a person would say it: "net income"

    def went(self, view: Tensor) -> Tensor:
        """[B, N, O] what each sees -> [B, N], the more the better; NaN where there is nothing to see yet."""
        ...


@runtime_checkable
class Restful(Protocol):
    """A society in which one may do nothing in a step."""

    idle: int  # the choice that is it, always open


@runtime_checkable
class Tabular(Protocol):
    """A society so small that what somebody sees can be told roughly as one of a few situations."""

    situations: int  # S

    def situation(self, view: Tensor) -> Tensor:
        """[B, N, O] what each sees -> [B, N] int64, 0 to S - 1. The rules in force are no part of it."""
        ...


@runtime_checkable
class Scaled(Protocol):
    """A society that says how its people's choices are put on one scale, so that kinds of people can be compared.

    A name that is "" says that there is no such thing here; what goes with it is not asked then.
    """

    answer: str  # what a choice comes to as one number, with its unit: "hours a week"
    price: str  # what people face and may answer to, with its unit: "share of the next dollar kept"
    prices: tuple[float, float]  # from where to where a price can lie
    lot: str  # what a step came to for each person, for all to see and never below 0: "net income, dollars a year"
    takes_home: str  # what a choice brings to oneself, for all to see: "net income"

    def amounts(self) -> Tensor:
        """[K] what each choice comes to. Where two of them come to the same, choices are names and have no order."""
        ...

    def faced(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N] everyone's price; NaN for whom there is none."""
        ...

    def lot_of(self, features: Tensor) -> Tensor:
        """[B, N] everyone's lot, from the public state after the step."""
        ...

    def changes(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K] how much more each choice would bring home by the public rules than the last step did."""
        ...


@runtime_checkable
class Talkative(Protocol):
    """A society in which each person may say something in every step, and hears some of the others in the next."""

    steps: int  # in the last of which nobody speaks: it would not be heard
    hears: int  # how many of the others each one hears; 0 = nobody talks
    longest_message: int  # characters


@dataclass(frozen=True)
class PublicStep:
    """All that a principal may see at one step. The `last_*` fields are None at the first step."""

    step: int
    features: Tensor  # [B, N, F]
    last_features: Tensor | None  # [B, N, F] the public state in which the last decisions were made
    last_mechanism: Tensor | None  # [B, M]
    last_response: Tensor | None  # [B, N, R]
    last_choice: Tensor | None  # [B, N, K] as `Episode.choice`


class Principal(Protocol):
    """Whoever sets the rules. Its memory (and any belief about the people) is its own."""

    def start(self, worlds: int) -> Any:
        """Memory at the start of an episode."""
        ...

    def propose(self, memory: Any, seen: PublicStep) -> tuple[Any, Tensor]:
        """The next mechanism [B, M]; cells that the principal may not set now are ignored."""
        ...


@dataclass(frozen=True)
class Episode:
    """The public record of B worlds over T steps, real or imagined. Nothing private is in it."""

    society: str
    ids: Tensor  # [B] int64 episode numbers
    features: Tensor  # [B, T + 1, N, F] before each step, and after the last
    mechanism: Tensor  # [B, T, M] as it was in force
    action: Tensor  # [B, T, N] int64, -1 = not this agent's turn
    choice: Tensor  # [B, T, N, K] the whole reply (probabilities), else one-hot of the action; zeros: no usable reply
    soft: bool  # do replies tell whole distributions, most of the time?
    response: Tensor  # [B, T, N, R]
    welfare: Tensor  # [B, T] the objective in each step
    counted: Tensor  # [T] bool: is the step part of the return?
    accounts: Mapping[str, Tensor]  # each [B, T]
    fallbacks: tuple[Fallback, ...] = ()
    messages: tuple[tuple[Message, ...], ...] = ()  # [T] what was said in each step; () = nobody could talk

    def returns(self) -> Tensor:
        """[B] mean welfare of the counted steps."""
        return self.welfare[:, self.counted].mean(1)


@dataclass(frozen=True)
class Sealed:
    """The private record of the same worlds: the answer key of tests, never an input of learning."""

    trait_names: tuple[str, ...]
    traits: Tensor  # [B, N, Z]
    payoff: Tensor  # [B, T, N]
