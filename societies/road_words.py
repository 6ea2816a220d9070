"""The roads in words. `look` and these sentences carry the same numbers."""

from torch import Tensor


def rules(roads: int) -> str:
    """The system message of a town with that many roads."""
    return (
        f"Every morning you drive to town, on one of {roads} roads. A road takes longer the more people take it. There "
        "may be tolls; all of what is paid is shared out equally among all drivers, whichever road they take. You want "
        "to lose as little as possible by your time on the road and your toll. Every day you are told what a minute is "
        "worth to you, today's tolls and how many minutes roads usually take, both from the first to the last road, "
        "and how yesterday went. Money is in hundredths of a coin. Answer with JSON only, in the form "
        '{"road":1}.'
    )


def news(view: Tensor) -> str:
    """One agent's view [2 K + 4] as the user message of this day."""
    worth, *told, minutes, toll, back = (int(v) for v in view.tolist())
    half = len(told) // 2
    now = f"A minute is worth {worth} to you. Tolls: {_listed(told[:half])}. Usual minutes: {_listed(told[half:])}."
    return now if minutes < 0 else f"{now} Yesterday you drove for {minutes} minutes, paid {toll} and got back {back}."


def _listed(numbers: list[int]) -> str:
    return " ".join(str(number) for number in numbers)
