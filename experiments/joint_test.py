"""Do two kinds differ in anything at all? One test of many quantities together, and one of each that holds for all.

Shapes: S seeds (pairs), X quantities.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import t as student

from experiments.statistics import Floats
from learning.draws import draws

EXACT = 12  # seeds up to which every combination of signs is tried
TRIED = 20_000  # combinations of more
ROUNDING = 1e-12  # of differences that are the same in every pair


@dataclass(frozen=True)
class Joint:
    """The largest |t| of all quantities, and how often chance alone makes it as large."""

    statistic: float  # without bound where a quantity differs by the same in every pair
    p: float
    quantity: int  # which is the largest


def joint_test(differences: Floats) -> Joint:
    """Of paired differences [S, X]: is their law symmetric about 0?

    The largest |t| = |mean| / (sd / sqrt(S)) is compared with that of the same differences with whole pairs turned
    round: under the null hypothesis each is as likely as its opposite, whatever their law and however quantities hang
    together (sign-flipping, maximum of the statistics: Westfall & Young 1993). Exact up to EXACT seeds; of more, of
    random signs. ValueError: fewer than two pairs, no quantity, or one in which no pair differs.
    """
    seeds, quantities = differences.shape
    if seeds < 2 or not quantities:
        raise ValueError(f"a test takes two pairs and one quantity at least; these are {seeds} and {quantities}")
    if bool((differences == 0).all(0).any()):
        raise ValueError("a quantity is the same on both sides of every pair: leave it out")
    found = _t(differences[None])[0]  # [X]
    chance = np.concatenate([_t(part[:, :, None] * differences).max(1) for part in np.array_split(_signs(seeds), 100)])
    at_least = chance >= found.max() * (1 - 1e-9)
    return Joint(float(found.max()), float(at_least.mean()), int(found.argmax()))


def _t(differences: Floats) -> Floats:
    """[P, S, X] -> [P, X] without its sign."""
    size, spread = np.abs(differences.mean(1)), differences.std(1, ddof=1)
    varies = spread > ROUNDING * np.maximum(1.0, size)
    endless = np.where(size > ROUNDING, np.inf, 0.0)
    return np.divide(size * np.sqrt(differences.shape[1]), spread, out=endless, where=varies)


def _signs(seeds: int) -> Floats:
    """[P, S] of +1 and -1, those that were found (all +1) among them."""
    if seeds <= EXACT:
        return np.array(list(product([1.0, -1.0], repeat=seeds)))
    lots = draws(0, 0, TRIED).uniform("signs", 0, seeds).numpy()
    lots[0] = 0.0
    return np.where(lots < 0.5, 1.0, -1.0)


def paired_p(differences: Floats) -> float:
    """Student's two-sided p of paired differences [S]; 1 where nothing differs, 0 where everything does equally."""
    mean, spread, seeds = float(differences.mean()), float(differences.std(ddof=1)), len(differences)
    if spread <= ROUNDING * max(1.0, abs(mean)):
        return 1.0 if abs(mean) <= ROUNDING else 0.0
    return float(2 * student.sf(abs(mean) / spread * np.sqrt(seeds), seeds - 1))


def holm(p: Floats) -> Floats:
    """[X] adjusted so that, of all quantities together, one in twenty at .05 is found by mistake (Holm 1979)."""
    order = np.argsort(p)
    worst = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    found = np.empty_like(p)
    found[order] = worst.clip(max=1.0)
    return found
