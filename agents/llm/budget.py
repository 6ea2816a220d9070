"""Hard limits on what a run may ask of a model."""

from collections.abc import Callable
from dataclasses import dataclass


class BudgetSpent(ValueError):
    """The next batch of calls does not fit into the budget. Everything answered so far is in the journal."""


@dataclass(frozen=True)
class Spent:
    """What a journal holds: calls made, and their tokens."""

    calls: int
    tokens: int  # in and out
    largest_call: int  # tokens of the largest call so far


@dataclass(frozen=True)
class Budget:
    """Most calls and most tokens (in and out) of a run; None = no limit. ValueError unless both are positive."""

    calls: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name, limit in (("calls", self.calls), ("tokens", self.tokens)):
            if limit is not None and limit < 1:
                raise ValueError(
                    f"a budget of {limit} {name} is impossible: give a whole number of at least 1, or leave it out"
                )

    def room(self, spent: Spent, calls: int, in_flight: int, prompt_bytes: Callable[[], int]) -> int:
        """How many of `calls` further calls fit beside those in flight. `prompt_bytes`: of the longest of them."""
        if self.calls is not None:
            calls = min(calls, self.calls - spent.calls - in_flight)
        if self.tokens is not None and calls > 0:
            each = max(1, spent.largest_call or prompt_bytes())
            calls = min(calls, (self.tokens - spent.tokens) // each - in_flight)
        return max(0, calls)

    def check(self, spent: Spent, calls: int, prompt_bytes: Callable[[], int], where: str) -> None:
        """Called before `calls` further calls are sent. BudgetSpent if they do not fit; nothing is then sent.

        What the calls will take in tokens is not known yet: each is taken to be as large as the largest call so far
        (before the first: one token per byte of its prompt, which no tokenizer exceeds).
        """
        tokens = calls * spent.largest_call if self.tokens is None or spent.largest_call else prompt_bytes()
        if self.calls is not None and spent.calls + calls > self.calls:
            raise _spent("calls", self.calls, spent.calls, calls, where)
        if self.tokens is not None and spent.tokens + tokens > self.tokens:
            raise _spent("tokens", self.tokens, spent.tokens, tokens, where)


def _spent(unit: str, limit: int, used: int, wanted: int, where: str) -> BudgetSpent:
    return BudgetSpent(
        f"the budget of {limit:,} {unit} is spent: {used:,} are used and the next batch needs {wanted:,} more.\n"
        f"Every answer so far is saved in {where}; none of it is asked again.\n"
        f"To go on, raise the budget to at least {used + wanted:,} {unit} (budget.{unit}={used + wanted}, or "
        f"--budget-{unit} {used + wanted}) and issue the same command again."
    )
