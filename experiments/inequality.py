"""Equality of the incomes of a whole population from forecasts of everyone and the answers of a few.

The people of all communities are taken as one country in which the whole revenue is paid back evenly. Their gross and
kept (after tax, before the lump sum) incomes have a distribution, everyone's chances of each choice mixed; with c, c'
two draws of what is kept, the lump sum being the same for all and net income adding up to gross,

    Gini = E|c - c'| / (2 E z)        equality = 1 - Gini N / (N - 1)        productivity = E z / mean full-time income

These are not means of one number a person, but smooth: near the truth they change with everyone's answer by its
influence (Hampel 1974; for the Gini, Deville 1999). The estimate is the value at the estimated distribution, and its
error that of the mean influence: right as calls grow ("asymptotic"), not in expectation at any number of them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.prediction_powered import Design, Estimate, Floats, Ints, mean_estimate


@dataclass(frozen=True)
class Incomes:
    """What each choice would bring to each of N people, in money."""

    gross: Floats  # [N, K]
    kept: Floats  # [N, K] after tax, before the lump sum
    full: float  # mean income at full time

    @cached_property
    def _rank(self) -> NDArray[np.int64]:
        return np.argsort(self.kept, axis=None, kind="stable")

    def unequal(self, mass: Floats) -> "Unequal":
        """Of a distribution: mass [N, K] of each person's choices, summing to 1. Some of an estimate's may be negative.

        ValueError where nobody earns anything.
        """
        kept, held = self.kept.ravel()[self._rank], mass.ravel()[self._rank]
        below, sums = held.cumsum(), (held * kept).cumsum()
        away = np.empty(kept.size)
        away[self._rank] = kept * (2 * below - below[-1]) + sums[-1] - 2 * sums  # E|c - X| at each c
        mean = float(np.vdot(mass, self.gross))
        if not mean > 0:
            raise ValueError("nobody earns anything, so that there is nothing to share evenly or not")
        return Unequal(self, away.reshape(mass.shape), float(np.vdot(mass, away)), mean)


@dataclass(frozen=True)
class Unequal:
    """A distribution of incomes, and how its measures change with one person's answer."""

    of: Incomes
    away: Floats  # [N, K] mean distance of what is kept from everybody's
    difference: float  # mean distance of two people
    mean: float  # gross

    @property
    def _sample(self) -> float:
        """N / (N - 1), as in Zheng et al. 2020, eq. 7."""
        return len(self.away) / (len(self.away) - 1)

    @property
    def equality(self) -> float:
        return 1 - self._sample * self.difference / (2 * self.mean)

    @property
    def productivity(self) -> float:
        return self.mean / self.of.full

    def influence(self, chances: Floats, who: Ints | slice) -> tuple[Floats, Floats]:
        """Of answers [n, K] of some people on equality, and on equality times productivity: [n] each."""
        away = np.einsum("nk,nk->n", chances, self.away[who])
        earned = np.einsum("nk,nk->n", chances, self.of.gross[who])
        gini = self.difference / (2 * self.mean)
        equal = -self._sample * ((away - self.difference) - gini * (earned - self.mean)) / self.mean
        return equal, equal * self.productivity + self.equality * (earned - self.mean) / self.of.full


def equality_estimates(
    said: Floats, forecast: Floats, asked: Ints, plan: Design, incomes: Incomes
) -> tuple[Estimate, Estimate]:
    """Equality, and equality times productivity, from chances said [n, K] and forecast [N, K]."""
    mass = forecast / plan.people
    mass[asked] += (said - forecast[asked]) / (plan.chances[asked, None] * plan.people)
    there = incomes.unequal(mass)
    pairs = zip(there.influence(said, asked), there.influence(forecast, slice(None)), strict=True)
    off = [mean_estimate(y, f, asked, plan) for y, f in pairs]
    return off[0].moved(there.equality), off[1].moved(there.equality * there.productivity)
