"""The population file that a society is tried out with where nobody named one: whose people have what it reads."""

from pathlib import Path

from experiments.errors import ROOT
from societies.base import Society

POPULATIONS = ROOT / "personas" / "populations"


def usual_people(society: Society) -> Path:
    """By what only one file has; else towns of workers, with traits where the society reads any."""
    if "home_x" in society.attributes_used:
        return POPULATIONS / "visitors.yaml"
    if "position" in society.traits_used:
        return POPULATIONS / "street.yaml"
    if "patience" in society.traits_used:
        return POPULATIONS / "drivers.yaml"
    if "altruism" in society.traits_used:
        return POPULATIONS / "players.yaml"
    if "arrival" in society.attributes_used:
        return POPULATIONS / "gatherers.yaml"
    return POPULATIONS / ("communities.yaml" if society.traits_used else "us_incomes.yaml")
