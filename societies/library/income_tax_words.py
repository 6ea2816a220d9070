"""The income-tax society in words. `look` and these sentences carry the same numbers."""

import re

from torch import Tensor

STRETCHES = ((0, 20), *((h, h + 5) for h in range(20, 70, 5)), (70, 80))  # [S = 12] weekly hours, for the kept shares
VIEW = ("last_hours", "last_net", "last_equality", "net_at_40", *(f"kept_{a}_{b}" for a, b in STRETCHES))  # [O = 16]

RULES = (
    "You live and work in a town with a yearly income tax. All tax collected is shared out equally among everyone "
    "as a lump sum. Each year you choose how many hours a week to work: 0, 5, 10, and so on up to 100. More hours "
    "bring more pay and leave less free time. Money is given in percent of what you earn before tax at 40 hours a "
    "week. Each year you are told: the hours you worked last year, your net income last year, and how equal net "
    "incomes in the town were, from 0 (one has everything) to 100 (all the same); then your net income this year "
    "at 40 hours, and how much you keep of each further 100 earned in each of these stretches of weekly hours: "
    f"{', '.join(f'{a}-{b}' for a, b in STRETCHES)}. "
    'Answer with JSON only, in the form {"hours":40}.'
)

_ANSWER = " Answer with JSON only"
_TOWN_HALL = (
    " Every year there is a town hall: everyone may say one thing, and next year you hear what some of the others said."
)
RULES_WITH_TALK = RULES.replace(_ANSWER, _TOWN_HALL + _ANSWER)


def news(view: Tensor) -> str:
    """One agent's view [O] as the user message of this year."""
    hours, net, equal, usual, *kept = (int(v) for v in view.tolist())
    return (
        f"Last year: {hours} hours, net {net}, equality {equal}. "
        f"Now: net {usual}, kept {' '.join(str(share) for share in kept)}."
    )


def read_news(text: str) -> list[int]:
    """The numbers of a `news` sentence in the order of VIEW. ValueError if it is not one."""
    numbers = [int(n) for n in re.findall(r"\d+", text)]
    if len(numbers) != len(VIEW):
        raise ValueError(f"expected {len(VIEW)} numbers, found {len(numbers)} in: {text!r}")
    return numbers
