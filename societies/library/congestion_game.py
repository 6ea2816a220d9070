"""24 drivers and three roads with tolls: a short one that fills up, a longer one, and a ring. See `societies.roads`."""

from societies.roads import OBJECTIVES, CongestionGame


def society(objective: str = OBJECTIVES[0]) -> CongestionGame:
    """The door the catalog uses."""
    return CongestionGame("congestion_game", 24, (10.0, 20.0, 35.0), (40.0, 20.0, 5.0), objective)
