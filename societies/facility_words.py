"""The facility societies in words. `look` and these sentences carry the same numbers."""

from torch import Tensor


def rules(sites: int) -> str:
    """The system message of a town with up to that many facilities."""
    return (
        f"You live in a town in which a new place to visit opens each week, {sites} in all. Each week you choose one "
        "of the open places to visit, or stay at home. Each week you are told where you went last week, and of each "
        "open place: its number, how many blocks from your home it is, and how many in 100 people of the town went "
        "there last week. Answer with the number of the place, or 0 to stay at home, with JSON only, in the form "
        '{"site":1}.'
    )


def news(view: Tensor) -> str:
    """One agent's view [1 + 3 S] as the user message of this week."""
    last, *sites = (int(v) for v in view.tolist())
    told = [] if last < 0 else [f"Last week: {last}."]
    places = [_place(*sites[i : i + 3]) for i in range(0, len(sites), 3) if sites[i] > 0]
    return " ".join([*told, f"Open: {'; '.join(places) or 'nothing'}."])


def _place(number: int, blocks: int, percent: int) -> str:
    return f"{number} at {blocks} blocks, " + ("new" if percent < 0 else f"{percent} in the crowd")
