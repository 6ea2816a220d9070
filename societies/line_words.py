"""The street in words. `look` and these sentences carry the same numbers."""

from collections.abc import Mapping

from torch import Tensor

RULES: Mapping[str, str] = {
    "phantoms": "as many fixed marks as there are people, and one more, are laid beside all answers, and the stall "
    "goes to the middle one of them all",
    "percentiles": "all answers are laid in order, lowest first, and the stall goes to the answer whose turn is told",
    "weights": "all answers are laid in order, lowest first, and the stall goes to their mean, each answer counting as "
    "many per cent as is told for its place in the order",
}
NAMES: Mapping[str, str] = {"phantoms": "fixed marks", "percentiles": "turn", "weights": "per cent"}


def rules(family: str, stalls: int, marks: int) -> str:
    """The system message of a street with that many stalls and marks from 0 to `marks`."""
    many = "one market stall is" if stalls == 1 else f"{stalls} market stalls are"
    each = "" if stalls == 1 else " This is done for each stall by itself, and you go to the one nearest to you."
    return (
        f"You live on a long street with marks from 0 to {marks}. Each week {many} set up on it. Everyone is asked at "
        f"which mark they live, and nobody can check the answer. Then {RULES[family]}.{each} You want a stall as near "
        "to your home as possible. Each week you are told where you live and this week's rule, what you answered "
        "last week and where it was set up, and what the others usually answer, lowest first. Answer with JSON only, "
        f'in the form {{"mark":{marks // 2}}}.'
    )


def news(view: Tensor, family: str, stalls: int, agents: int) -> str:
    """One agent's view [2 + K + K R + N - 1] as the user message of this week."""
    home, *rest = (int(v) for v in view.tolist())
    told = (len(rest) - stalls - agents) // stalls  # R
    rule, past = rest[: stalls * told], rest[stalls * told :]
    lists = [_listed(rule[i : i + told]) for i in range(0, len(rule), told)]
    now = f"You live at {home}. This week's {NAMES[family]}: {'; then '.join(lists)}."
    return now if past[0] < 0 else f"{now} {_last_week(past, stalls)}"


def _last_week(past: list[int], stalls: int) -> str:
    answer, places, others = past[0], past[1 : 1 + stalls], past[1 + stalls :]
    told = f" The others usually answer {_listed(others)}." if others else ""
    return f"Last week: you answered {answer}, set up at {_listed(places)}.{told}"


def _listed(numbers: list[int]) -> str:
    return " ".join(str(number) for number in numbers)
