"""Claim: facility8 leaves as much to be won, and to those who know as much, as a prototype of it did."""

from experiments.claims import Outcome
from experiments.facility_ladder import outcome

REFERENCE = {
    "random": (2.149, 0.038),
    "best_fixed": (2.566, 0.037),
    "k_median": (2.861, 0.030),
    "blind_myopic": (3.136, 0.030),
    "blind": (3.169, 0.028),
    "bayes_myopic": (3.387, 0.032),
    "bayes": (3.407, 0.030),
    "oracle_myopic": (3.629, 0.026),
    "oracle": (3.674, 0.025),
}


def claim(smoke: bool) -> Outcome:
    """The whole ladder, and whether it stands as it should."""
    return outcome("facility8", REFERENCE, smoke)
