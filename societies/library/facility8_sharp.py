"""As facility8, with sharper tastes: more is to be won by knowing who is who. See `societies.facilities`."""

from societies.facilities import OBJECTIVES, Facilities, Tastes

TASTES = Tastes(worth=(2.0, 2.0), steepness=(3.0, 3.0), crowding=(2.0, 2.0), liked_distance=(0.0, 4.0))


def society(objective: str = OBJECTIVES[0]) -> Facilities:
    """The door the catalog uses."""
    return Facilities("facility8_sharp", 8, 8, TASTES, objective)
