"""Claim: team_formation leaves as much to be won, and to those who know as much, as a prototype of it did."""

from experiments.claims import Outcome
from experiments.team_ladder import outcome

REFERENCE = {
    "random": (11.99, 0.82),
    "together": (29.06, 0.17),
    "blind": (25.66, 1.36),
    "best_fixed": (35.90, 0.26),
    "bayes_no_probe": (41.75, 1.05),
    "bayes": (46.80, 0.44),
    "oracle": (51.00, 0.28),
}


def claim(smoke: bool) -> Outcome:
    """The whole ladder, and whether it stands as it should."""
    return outcome("team_formation", REFERENCE, smoke)
