"""As facility32, with sharper tastes: more is to be won by knowing who is who. See `societies.facilities`."""

from societies.facilities import OBJECTIVES, Facilities, Tastes

TASTES = Tastes(worth=(2.0, 3.0), steepness=(4.0, 2.0), crowding=(0.0, 16.0), liked_distance=(0.0, 5.0))


def society(objective: str = OBJECTIVES[0]) -> Facilities:
    """The door the catalog uses."""
    return Facilities("facility32_sharp", 32, 7, TASTES, objective)
