"""9 people on a street who say where they live; one stall goes up by medians with phantoms. See `societies.line`."""

from societies.line import OBJECTIVES, FacilityLine


def society(objective: str = OBJECTIVES[0]) -> FacilityLine:
    """The door the catalog uses."""
    return FacilityLine("facility_line", 9, objective=objective)
