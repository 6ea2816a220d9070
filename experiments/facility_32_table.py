"""Claim: in towns of 32 people, SWM-AP needs few of PPO's real decisions and ends above all learned baselines.

See `experiments.town_claim`.
"""

from experiments.claims import Outcome
from experiments.town_claim import outcome

TRACKED = True
TOWNS = ("facility32", "facility32_sharp")


def claim(smoke: bool) -> Outcome:
    """Every method in both towns."""
    return outcome("facility_32_table", TOWNS, smoke)
