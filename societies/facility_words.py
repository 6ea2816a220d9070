"""The facility societies in words. `look` and these sentences carry the same numbers."""

from torch import Tensor


def rules(side: int, sites: int, tastes: tuple[tuple[float, float], ...]) -> str:
    """The system message of a town of that many blocks a side and facilities.

    `tastes`: worth, loss per block, loss to a crowd of all people, blocks that are liked; each of who likes to go next
    door and of who likes to go right across town. Towns that differ in those alone would else be told the same.
    """
    worth, block, crowd, liked = (_both(ends) for ends in tastes)
    return (
        f"You live in a town of {side} by {side} blocks in which a new place to visit opens each week, {sites} in all. "
        "Each week you choose one of the open places to visit, or stay at home. Of who likes to go next door and who "
        "likes to go right across town, the first and the second number hold; who is between has what lies between. "
        f"A visit is worth {worth} to them, staying at home nothing. They like places {liked} blocks "
        f"away, and a visit is worth {block} less for each block that a place is nearer or farther than that. It is "
        f"worth {crowd} less if all the people of the town went there last week, and in proportion if fewer did. Each "
        "week you are told where you went last week, and of each open place: its number, how many blocks from your "
        "home it is, and how many in 100 people of the town went there last week. Answer with the number of the place, "
        'or 0 to stay at home, with JSON only, in the form {"site":1}.'
    )


def news(view: Tensor) -> str:
    """One agent's view [1 + 3 S] as the user message of this week."""
    last, *sites = (int(v) for v in view.tolist())
    told = [] if last < 0 else [f"Last week: {last}."]
    places = [_place(*sites[i : i + 3]) for i in range(0, len(sites), 3) if sites[i] > 0]
    return " ".join([*told, f"Open: {'; '.join(places) or 'nothing'}."])


def _place(number: int, blocks: int, percent: int) -> str:
    return f"{number} at {blocks} blocks, " + ("new" if percent < 0 else f"{percent} in the crowd")


def _both(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g} and {ends[1]:g}"
