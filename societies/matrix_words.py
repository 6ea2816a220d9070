"""A game in words, as somebody of one group sees it. `look` and these sentences carry the same numbers."""

from itertools import product

from torch import Tensor


def rules(table: Tensor, group: int, rounds: int, lost: float) -> str:
    """The system message of everyone in `group` (from 0) of a game with that table [n, K_1, ..., K_n]."""
    groups = len(table)
    return (
        f"People are in {groups} groups of the same size; you are in group {group + 1}. In each of {rounds} rounds "
        "everyone makes one choice and meets all combinations of people of the other groups. What you get is the mean "
        f"of your points. {_points(table, group)} A choice may bring a reward besides. Everyone pays the same levy for "
        f"all rewards, and {round(100 * lost)} percent more than they come to. You want to end with many points. Each "
        "round you are told your group, the rewards of your choices, how many percent of the other groups usually make "
        "each choice, and how the last round went. Points are told in hundredths. Answer with JSON only, in the form "
        '{"choice":1}.'
    )


def _points(table: Tensor, group: int) -> str:
    """What every combination brings to oneself and to the others."""
    order = [group, *(g for g in range(len(table)) if g != group)]
    seen = table[order].movedim([1 + g for g in order], list(range(1, 1 + len(order))))  # oneself first
    return " ".join(_cell(seen, cell) for cell in product(*(range(k) for k in seen.shape[1:])))


def _cell(table: Tensor, cell: tuple[int, ...]) -> str:
    """One combination of choices, oneself first."""
    mine, *theirs = (str(round(100 * float(points))) for points in table[(slice(None), *cell)])
    me, *they = (str(k + 1) for k in cell)
    return f"If you choose {me} and they {' and '.join(they)}, you get {mine} and they {' and '.join(theirs)}."


def news(view: Tensor, groups: int) -> str:
    """One agent's view [1 + n K + 4] as the user message of this round."""
    group, *told = (int(v) for v in view.tolist())
    told, (won, lost, reward, levy) = told[:-4], told[-4:]
    size = len(told) // groups
    rewards, *usual = (_listed(told[i : i + size]) for i in range(0, len(told), size))
    now = f"Group {group}. Rewards: {rewards}. The others usually choose: {'; '.join(usual)}."
    if levy < 0:
        return now
    outcome = f"got {won}" if won >= 0 else f"lost {lost}"
    return f"{now} Last round you {outcome}, had a reward of {reward} and paid {levy}."


def _listed(numbers: list[int]) -> str:
    """Without those of choices that are not there."""
    return " ".join(str(number) for number in numbers if number >= 0)
