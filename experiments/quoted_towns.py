"""What the report of a run in a facility town quotes from the towns' tables (`experiments.town_claim`).

Tables tell visits summed over the steps of an episode, runs the mean of a step.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.config import Config
from experiments.report_data import Curve, Method, Uncounted
from experiments.statistics import Interval
from societies.catalog import load

CLAIMS = {
    "facility32": "facility_32_table",
    "facility32_sharp": "facility_32_table",
    "facility8": "facility_8_table",
    "facility8_sharp": "facility_8_table",
}
KNOWING = ("blind", "bayes", "oracle")  # yardsticks that were given the true rules


def claim_about(config: Config) -> str | None:
    """The claim whose figures are about the run's town and people."""
    people = config.population
    watched = people.kind == "scripted" and people.way == "sample" and Path(people.people).name == "visitors.yaml"
    return CLAIMS.get(config.society.name) if watched else None


def methods(town: str, found: Mapping[str, Any], file: str) -> tuple[Method, ...]:
    """Every learner at its end, and the yardsticks that know the true rules."""
    told = found["figures"]["towns"][town]
    ends = {row["method"]: row for row in told["table"]}  # of rising budgets the last
    chosen = [ends[name] for name in (*told["curves"], *KNOWING)]
    communities = int(found["figures"]["held_out_communities"])
    return tuple(_method(row, town, communities, file) for row in chosen)


def _method(row: Mapping[str, Any], town: str, communities: int, file: str) -> Method:
    society, episodes = load(town), row["episodes"]
    welfare, gain = (Interval(*(x / society.steps for x in row[name])) for name in ("level", "gain"))
    spent = Uncounted.TRUE_SOCIETY if episodes is None else round(episodes * society.steps * society.agents)
    amount = "" if episodes is None else f", {episodes:,.0f} episodes"
    return Method(row["method"], f"{row['label']}{amount} (scripted people)", welfare, gain, spent, communities, file)


def curves(town: str, found: Mapping[str, Any], file: str) -> tuple[Curve, ...]:
    """Every learner's welfare against real decisions."""
    told = found["figures"]["towns"][town]
    labels = {row["method"]: row["label"] for row in told["table"]}
    return tuple(_curve(name, labels[name], points, town, file) for name, points in told["curves"].items())


def _curve(name: str, label: str, points: list[list[float]], town: str, file: str) -> Curve:
    society = load(town)
    episodes, *levels = np.array(points, dtype=np.float64).T  # [P] each
    mean, low, high = (level / society.steps for level in levels)
    return Curve(name, label, episodes * society.steps * society.agents, mean, low, high, file, "scripted")
