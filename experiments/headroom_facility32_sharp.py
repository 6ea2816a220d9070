"""Claim: facility32_sharp leaves as much to be won, and to those who know as much, as a prototype of it did."""

from experiments.claims import Outcome
from experiments.facility_ladder import outcome

REFERENCE = {
    "random": (1.693, 0.017),
    "best_fixed": (1.801, 0.018),
    "k_median": (1.862, 0.016),
    "blind": (2.128, 0.017),
    "bayes": (2.243, 0.017),
    "oracle": (2.342, 0.016),
}


def claim(smoke: bool) -> Outcome:
    """The whole ladder, and whether it stands as it should."""
    return outcome("facility32_sharp", REFERENCE, smoke)
