"""Team formation with independent roles: many rosters can earn nothing, and the roles of the idle never show."""

from societies.library.team_formation import OBJECTIVES, TeamFormation


def society(objective: str = OBJECTIVES[0]) -> TeamFormation:
    """The door the catalog uses."""
    return TeamFormation("team_formation_iid", objective, "independent")
