"""Hard limits on what a run may ask of a model."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.llm.prices import Bill


class BudgetSpent(ValueError):
    """The next batch of calls does not fit into the budget. Everything answered so far is in the journal."""


@dataclass(frozen=True)
class Used:
    """Calls to one model, and their tokens."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    largest_in: int = 0  # of one call so far
    largest_out: int = 0
    largest_call: int = 0  # in and out together
    tokens_per_byte: float = 0.0  # of a prompt, the most so far


@dataclass(frozen=True)
class Spent:
    """What a journal holds, by model."""

    by_model: Mapping[str, Used] = field(default_factory=dict[str, Used])

    @property
    def calls(self) -> int:
        """To all models."""
        return sum(used.calls for used in self.by_model.values())

    @property
    def tokens(self) -> int:
        """In and out."""
        return sum(used.tokens_in + used.tokens_out for used in self.by_model.values())

    @property
    def split(self) -> dict[str, tuple[int, int]]:
        """Model -> tokens in and out."""
        return {model: (used.tokens_in, used.tokens_out) for model, used in self.by_model.items()}

    def of(self, model: str) -> Used:
        """What one model was asked."""
        return self.by_model.get(model, Used())


class Size(NamedTuple):
    """Of one call, in tokens."""

    prompt: int
    reply: int
    both: int


@dataclass(frozen=True)
class _Limit:
    """One of a budget's, as `check` needs it."""

    most: float
    used: float
    each: float  # what a further call is taken to cost
    unit: str  # as the budget names it
    write: Callable[[float], str]

    @property
    def fit(self) -> float:
        """How many further calls do."""
        return math.inf if self.each <= 0 else math.floor((self.most - self.used) / self.each + 1e-9)


@dataclass(frozen=True)
class Budget:
    """Most calls, tokens (in and out) and money of a run; None = no limit. ValueError: not positive, or money without
    a `bill`, which says what tokens cost.
    """

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    bill: Bill | None = None

    def __post_init__(self) -> None:
        for name, limit in (("calls", self.calls), ("tokens", self.tokens)):
            if limit is not None and limit < 1:
                raise ValueError(
                    f"a budget of {limit} {name} is impossible: give a whole number of at least 1, or leave it out"
                )
        if self.money is not None and (self.bill is None or not 0 < self.money < math.inf):
            raise ValueError(f"a budget of {self.money} in money is impossible: give an amount above 0, and prices")

    def told(self, spent: Spent) -> str:
        """The money that is spent, and of how much: "1.20 USD of 5.00 USD"; empty where prices are not known."""
        if self.bill is None:
            return ""
        of = f" of {self.bill.written(self.money)}" if self.money is not None else ""
        return self.bill.told(spent.split) + of

    def room(self, spent: Spent, calls: int, in_flight: int, model: str, size_of: Callable[[], Size]) -> int:
        """How many of `calls` further calls to a model fit beside those in flight. size_of: as of `check`."""
        for limit in self._limits(spent, model, size_of):
            calls = int(min(calls, limit.fit - in_flight))
        return max(0, calls)

    def check(self, spent: Spent, calls: int, model: str, size_of: Callable[[], Size], where: str) -> None:
        """Called before `calls` further calls to a model are sent. BudgetSpent where they do not fit: none is sent.

        size_of: what each of them may take in tokens. That is not known yet, and is asked for only where it matters.
        """
        for limit in self._limits(spent, model, size_of):
            if calls > limit.fit:
                raise _spent(limit, calls, where)

    def _limits(self, spent: Spent, model: str, size_of: Callable[[], Size]) -> Iterator[_Limit]:
        if self.calls is not None:
            yield _Limit(self.calls, spent.calls, 1, "calls", _whole)
        if self.tokens is None and self.money is None:
            return
        size = size_of()
        if self.tokens is not None:
            yield _Limit(self.tokens, spent.tokens, size.both, "tokens", _whole)
        if self.money is not None and self.bill is not None:
            used, each = self.bill.of(spent.split), self.bill.of({model: (size.prompt, size.reply)})
            yield _Limit(self.money, used, each, "money", self.bill.written)


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _spent(limit: _Limit, calls: int, where: str) -> BudgetSpent:
    needed = limit.used + calls * limit.each
    enough = math.ceil(needed) if limit.unit != "money" else math.ceil(needed * 100) / 100
    unit = "" if limit.unit == "money" else f" {limit.unit}"
    way = f"budget.{limit.unit}={enough}"
    way += "" if limit.unit == "money" else f", or --budget-{limit.unit} {enough}"
    return BudgetSpent(
        f"the budget of {limit.write(limit.most)}{unit} is spent: {limit.write(limit.used)} are used and the next "
        f"batch needs {limit.write(calls * limit.each)} more.\n"
        f"Every answer so far is saved in {where}; none of it is asked again.\n"
        f"To go on, raise the budget to at least {limit.write(enough)}{unit} ({way}) and issue the same command again."
    )
