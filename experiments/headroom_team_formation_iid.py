"""Claim: team_formation_iid leaves as much to be won, and to those who know as much, as a prototype of it did."""

from experiments.claims import Outcome
from experiments.team_ladder import outcome

REFERENCE = {
    "random": (4.12, 0.85),
    "together": (-3.23, 1.20),
    "best_fixed": (7.58, 1.05),
    "bayes": (18.17, 2.55),
    "oracle": (22.46, 1.80),
}


def claim(smoke: bool) -> Outcome:
    """The whole ladder, and whether it stands as it should."""
    return outcome("team_formation_iid", REFERENCE, smoke)
