"""Team formation in words. `look` and these sentences carry the same numbers."""

from torch import Tensor

FINISHED = 5  # the number of the good that is made of 1 and 2
RULES = (
    "Four people work on a field of 8 rows and 8 columns, in teams that others form. Each corner holds units of one "
    "good, and there will be no more of it: good 1 in row 1, column 1; good 2 in row 1, column 8; good 3 in row 8, "
    "column 1; good 4 in row 8, column 8. Everyone gathers one good and keeps another. Units in hand serve the whole "
    "team: who keeps a good puts away a unit of it per round, worth 1; who keeps good 5 makes it of a unit of good 1 "
    "and a unit of good 2, worth 5. A good is wanted of you if a teammate keeps it, or if your team can make good 5 "
    "of it. Then you gather it in rounds of odd number by staying in its corner; all the rest happens by itself. If "
    "nothing is wanted of you or its corner is empty, there is nothing to walk for. Each round you are told where you "
    'are and choose a move: up, down, left, right or stay. Answer with JSON only, in the form {"move":"stay"}.'
)


def news(view: Tensor) -> str:
    """One agent's view [19] as the user message of this round."""
    numbers = [int(v) for v in view.tolist()]
    (round_, seat, row, column, good, keeps, wanted), rest = numbers[:7], numbers[7:]
    left, held, mates = rest[:4], rest[4:8], [mate for mate in rest[8:] if mate > 0]
    use = f"Wanted of you: good {wanted}." if wanted > 0 else "Nothing is wanted of you."
    company = f"In your team: {_listed(mates)}." if mates else "You are alone."
    return (
        f"Round {round_}. You are number {seat}, in row {row}, column {column}. You gather good {good} and keep good "
        f"{keeps}. {use} Left in the corners: {_listed(left)}. Your team holds: {_listed(held)}. {company}"
    )


def _listed(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)
