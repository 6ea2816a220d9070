"""Claim: facility8_sharp leaves as much to be won, and to those who know as much, as a prototype of it did."""

from experiments.claims import Outcome
from experiments.facility_ladder import outcome

REFERENCE = {
    "random": (1.250, 0.034),
    "best_fixed": (1.645, 0.035),
    "k_median": (1.807, 0.032),
    "blind": (2.412, 0.032),
    "bayes": (2.653, 0.033),
    "oracle": (3.001, 0.028),
}


def claim(smoke: bool) -> Outcome:
    """The whole ladder, and whether it stands as it should."""
    return outcome("facility8_sharp", REFERENCE, smoke)
