"""32 people on a grid of 7 x 7 cells: some want a place at the door and mind no crowd, others like a walk and shun
crowds. See `societies.facilities`.
"""

from societies.facilities import OBJECTIVES, Facilities, Tastes

TASTES = Tastes(worth=(2.0, 3.0), steepness=(3.0, 1.5), crowding=(0.0, 8.0), liked_distance=(0.0, 5.0))


def society(objective: str = OBJECTIVES[0]) -> Facilities:
    """The door the catalog uses."""
    return Facilities("facility32", 32, 7, TASTES, objective)
