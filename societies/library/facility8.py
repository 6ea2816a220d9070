"""8 people on a grid of 8 x 8 cells who like different distances, crowds equally little. See `societies.facilities`."""

from societies.facilities import OBJECTIVES, Facilities, Tastes

TASTES = Tastes(worth=(3.0, 3.0), steepness=(2.0, 2.0), crowding=(2.0, 2.0), liked_distance=(0.0, 4.0))


def society(objective: str = OBJECTIVES[0]) -> Facilities:
    """The door the catalog uses."""
    return Facilities("facility8", 8, 8, TASTES, objective)
