"""How well traits can be read from what people did: a ridge regression that is scored on people of other seeds.

What is kept of a seed is the sum of products of everybody's numbers, 1, facts x and traits y: all that a regression
needs, to be fitted on some seeds and scored on another. Shapes: S seeds, P people, X facts, Z traits.
"""

from collections.abc import Sequence

import numpy as np

from experiments.signatures import Cell
from experiments.statistics import Floats

RIDGE = 10.0  # on weights of standardised facts, beside the sum over people
SAME = 1e-9  # variance below which everybody has as much


def products(facts: Floats, traits: Floats) -> Floats:
    """[1 + X + Z, 1 + X + Z] of facts [P, X] and traits [P, Z]."""
    rows = np.concatenate([np.ones((len(facts), 1)), facts, traits], 1)
    return rows.T @ rows


def recovered(seeds: Sequence[Floats], traits: Sequence[str]) -> list[dict[str, Cell]]:
    """Of each seed's `products` R^2 of every trait, 1 - squared errors over squared distances from the mean of those
    that the regression was fitted on: all other seeds' people.
    """
    if len(seeds) < 2:
        return [dict.fromkeys(traits, "it takes the people of another seed") for _ in seeds]
    whole = np.stack(seeds).sum(0)
    return [{name: _r2(whole - own, own, len(traits), i) for i, name in enumerate(traits)} for own in seeds]


def _r2(fit: Floats, score: Floats, traits: int, which: int) -> Cell:
    """Of one trait, where `fit` and `score` are products."""
    if not (fit[0, 0] and score[0, 0]):
        return "nobody decided under all of the rules"
    facts, y = len(fit) - traits - 1, len(fit) - traits + which
    people, mean = float(score[0, 0]), float(fit[0, y] / fit[0, 0])
    total = float(score[y, y] - 2 * mean * score[0, y] + people * mean**2)
    if float(fit[y, y] / fit[0, 0]) - mean**2 < SAME or total < SAME * people:
        return "everybody has as much"
    x = slice(0, 1 + facts)
    weights = _ridge(fit[x, x], fit[x, y])
    left = score[y, y] - 2 * weights @ score[x, y] + weights @ score[x, x] @ weights
    return 1 - float(left) / total


def _ridge(xx: Floats, xy: Floats) -> Floats:
    """[1 + X] weights; the constant is free, and each other pays in its own standard deviations."""
    variance = np.diag(xx) / xx[0, 0] - (xx[0] / xx[0, 0]) ** 2
    penalty = RIDGE * variance.clip(1e-12)
    penalty[0] = 0.0
    return np.asarray(np.linalg.solve(xx + np.diag(penalty), xy), np.float64)
