"""What a report tells of how the learning went."""

from collections.abc import Sequence

import numpy as np

from experiments.metrics import Point
from experiments.report_data import Course, Measure
from experiments.rl_people import STAGE
from experiments.two_level import TOGETHER
from societies.base import Society


def courses(points: Sequence[Point], society: Society) -> tuple[Course, ...]:
    """Of each part of the learning that of its last round. Rewards of a step become welfare of a counted one."""
    counted = sum(society.counts(t) for t in range(society.steps))
    found = list[Course]()
    for what, part in {point.what: point.part for point in points}.items():
        own = [point for point in points if (point.what, point.part) == (what, part)]
        measure = _measure(what, part)
        scale = society.steps / counted if "welfare" in measure else 1.0
        steps, values = np.array([(point.step, point.value) for point in own], dtype=np.float64).T  # [P] each
        found.append(Course(what, measure, steps, values * scale))
    return tuple(found)


def _measure(what: str, part: str) -> Measure:
    """What the values of a part are. People who learn, and a principal beside them, live real episodes."""
    if what == TOGETHER:
        return "welfare"
    if part == STAGE:
        return "mean payoff of a decision"
    fitted = what.startswith(("fitting", "learning from planning", "asking"))
    return "loss" if fitted else "imagined welfare"
