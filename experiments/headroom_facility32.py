"""Claim: facility32 leaves as much to be won, and to those who know as much, as a prototype of it did."""

from experiments.claims import Outcome
from experiments.facility_ladder import outcome

REFERENCE = {
    "random": (2.073, 0.019),
    "best_fixed": (2.182, 0.019),
    "k_median": (2.296, 0.018),
    "blind_myopic": (2.461, 0.018),
    "blind": (2.494, 0.017),
    "bayes_myopic": (2.570, 0.018),
    "bayes": (2.605, 0.017),
    "oracle_myopic": (2.661, 0.017),
    "oracle": (2.690, 0.017),
}


def claim(smoke: bool) -> Outcome:
    """The whole ladder, and whether it stands as it should."""
    return outcome("facility32", REFERENCE, smoke)
