"""Payoff tables of games, by name or as nested lists: what each player gets for every combination of choices."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

MOST_CELLS = 64  # of a table: more could not be told in words
Nested = Sequence[Any]
"""n deep, one level for each player's choices; innermost are the n payoffs."""

GAMES: dict[str, Nested] = {
    "prisoners_dilemma": [[[3, 3], [0, 5]], [[5, 0], [1, 1]]],  # Axelrod (1984): cooperate, defect
    "stag_hunt": [[[4, 4], [1, 3]], [[3, 1], [2, 2]]],
    "chicken": [[[3, 3], [1, 4]], [[4, 1], [0, 0]]],
    "battle_of_the_sexes": [[[10, 7], [0, 0]], [[0, 0], [7, 10]]],
    "coordination": [[[2, 2], [0, 0]], [[0, 0], [1, 1]]],
    "matching_pennies": [[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]],
    "rock_paper_scissors": [[[0, 0], [-1, 1], [1, -1]], [[1, -1], [0, 0], [-1, 1]], [[-1, 1], [1, -1], [0, 0]]],
}


def table_of(payoffs: str | Nested) -> Tensor:
    """[n, K_1, ..., K_n] what each of n players gets, from the name of a game or from nested lists.

    ValueError: no such game; lists that are not one table of numbers for 2 players at least, with 2 choices each.
    """
    if isinstance(payoffs, str):
        if payoffs not in GAMES:
            raise ValueError(f"there is no game {payoffs!r}; choose one of {', '.join(GAMES)}, or write its payoffs")
        payoffs = GAMES[payoffs]
    _check_even(payoffs)
    told = torch.tensor(payoffs, dtype=torch.float32)
    n = told.dim() - 1
    if n < 2 or told.shape[-1] != n or min(told.shape[:-1]) < 2:
        raise ValueError(
            f"payoffs of shape {list(told.shape)}: for n players, 2 at least, they are lists n deep, a level for the "
            "choices of each player (2 at least), and innermost n payoffs, as in [[[3, 3], [0, 5]], [[5, 0], [1, 1]]]"
        )
    cells = math.prod(told.shape[:-1])
    if cells > MOST_CELLS:
        raise ValueError(f"payoffs for {cells} combinations of choices; {MOST_CELLS} at most can be told in words")
    if bool((told == told.flatten()[0]).all()):
        raise ValueError("all payoffs are the same: there is nothing to choose")
    return told.movedim(-1, 0)


def _check_even(payoffs: object, place: str = "payoffs") -> list[int]:
    """The shape of nested lists. ValueError for the first place where they are uneven or hold no number."""
    if not isinstance(payoffs, Sequence) or isinstance(payoffs, str):
        if isinstance(payoffs, bool) or not isinstance(payoffs, int | float) or not abs(payoffs) < 1e6:
            raise ValueError(f"{place}: found {payoffs!r}; should be a number below a million")
        return []
    if not payoffs:
        raise ValueError(f"{place}: found an empty list")
    shapes = [_check_even(inner, f"{place}[{i + 1}]") for i, inner in enumerate(payoffs)]
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ValueError(f"{place}[{i + 1}]: not of the same form as {place}[1]")
    return [len(shapes), *shapes[0]]
