"""The roads in words. `look` and these sentences carry the same numbers."""

from torch import Tensor


def rules(roads: int) -> str:
    """The system message of a town with that many roads."""
    return (
        f"Every morning you drive to town, on one of {roads} roads. A road takes longer the more people take it. There "
        "may be tolls, in hundredths of a coin; all of what is paid is shared out equally among all drivers, whichever "
        "road they take. You want to lose as little as possible by your time on the road and your toll. Every day you "
        "are told today's tolls and how many minutes the roads usually take, both from the first road to the last, and "
        'how many minutes you drove yesterday. Answer with JSON only, in the form {"road":1}.'
    )


def news(view: Tensor) -> str:
    """One agent's view [2 K + 1] as the user message of this day."""
    *told, yesterday = (int(v) for v in view.tolist())
    half = len(told) // 2
    now = f"Tolls: {_listed(told[:half])}. Usual minutes: {_listed(told[half:])}."
    return now if yesterday < 0 else f"{now} Yesterday you drove for {yesterday} minutes."


def _listed(numbers: list[int]) -> str:
    return " ".join(str(number) for number in numbers)
