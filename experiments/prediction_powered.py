"""Means of a finite population from a forecast of everyone and the answers of a few, with a valid interval.

    estimate = lambda mean(f) + mean of (y - lambda f), the latter estimated from those who were asked

Prediction-powered inference (Angelopoulos et al. 2023, arXiv 2301.09633) with the tuning of PPI++ (2311.01453) and with
people who are likelier to be asked where the forecast is likelier to be wrong, as in active statistical inference
(Zrnic & Candes 2403.03208). In a finite population that is a difference estimator (Cochran 1977, chapters 5A and 7).

The sample is stratified: people are ordered by how wrong their forecast may be, cut into strata of equal sums of that,
and two of each stratum are drawn at random. So chances are in proportion to the expected error, the number of calls is
fixed, and the textbook estimate of the variance is exact where lambda is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.statistics import student

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 4  # calls: two strata of two
FLOOR = 0.25  # of the mean doubt: whoever is thought to be known better is asked as if by that much


@dataclass(frozen=True)
class Design:
    """Whom to ask: N people in H strata, so many of each drawn at random. A stratum that is drawn whole is sure."""

    stratum: Ints  # [N]
    size: Ints  # [H] people
    take: Ints  # [H] of them who are asked

    @property
    def people(self) -> int:
        """N"""
        return len(self.stratum)

    @property
    def calls(self) -> int:
        """How many are asked."""
        return int(self.take.sum())

    @property
    def chances(self) -> Floats:
        """[N] of being asked."""
        return (self.take / self.size)[self.stratum]


def design(doubt: ArrayLike, calls: int, lean: ArrayLike | None = None) -> Design:
    """Chances in proportion to `doubt` [N], the expected size of the forecast's error, which is floored at
    FLOOR of its mean, so that no answer weighs too much. Those whose chance would be 1 or more are asked for sure.
    lean [N]: what may tell which way the forecast errs. People of like doubt are put beside those of like lean.

    ValueError: a doubt that is negative or not finite, or fewer calls than FEWEST that are not enough for everyone.
    """
    size = _checked("doubt", doubt)
    if (size < 0).any():
        raise ValueError("doubt must not be negative")
    if calls < min(FEWEST, len(size)):
        raise ValueError(f"{calls} calls are too few for an interval; give at least {FEWEST}")
    if calls >= len(size):
        return _of_strata(np.zeros(len(size), dtype=np.int64), sure=True)
    floored = np.maximum(size, FLOOR * size.mean()) if size.any() else np.ones_like(size)
    order = np.argsort(-floored, kind="stable")
    sure = _sure(floored[order], calls)
    stratum = np.empty(len(size), dtype=np.int64)
    stratum[order[:sure]] = 0
    rest, strata = order[sure:], (calls - sure) // 2
    if lean is not None:
        rest = rest[_beside(floored[rest], _checked("lean", lean)[rest], strata)]
    stratum[rest] = _cut(floored[rest], strata) + (sure > 0)
    return _of_strata(stratum, sure > 0)


def even(people: int, calls: int) -> Design:
    """Everybody with the same chance: one stratum. ValueError: fewer than two calls."""
    if calls < min(2, people):
        raise ValueError(f"{calls} calls are too few for an interval; give at least 2")
    one = np.zeros(people, dtype=np.int64)
    return Design(one, np.array([people]), np.array([min(calls, people)]))


def _sure(falling: Floats, calls: int) -> int:
    """How many of the first are asked for sure: those whose chance would not be below 1, and one more if what is left
    of the calls cannot be shared out in pairs. A pair is left for the others.
    """
    sure = 0
    while calls - sure > 3 and (calls - sure) * falling[sure] >= falling[sure:].sum():
        sure += 1
    return sure + (calls - sure) % 2


def _beside(falling: Floats, lean: Floats, strata: int) -> Ints:
    """[n] the order in bands of like doubt, as many as there will be strata in each, and by lean within them: up and
    down by turns, so that neighbours are alike across the edges too."""
    band = _cut(falling, max(1, round(strata**0.5)))
    return np.lexsort((np.where(band % 2, -lean, lean), band))


def _cut(doubt: Floats, strata: int) -> Ints:
    """[n] which of the strata of equal sums each belongs to: by the middle of its stretch, so that each has two."""
    middle = doubt.cumsum() - doubt / 2
    return np.minimum((middle / doubt.sum() * strata).astype(np.int64), strata - 1)


def _of_strata(stratum: Ints, sure: bool) -> Design:
    size = np.bincount(stratum)
    take = np.minimum(size, 2)
    if sure:
        take[0] = size[0]
    return Design(stratum, size, take)


def drawn(plan: Design, lots: ArrayLike) -> Ints:
    """[n] who is asked, by lots [N]: those with the lowest in each stratum, stratum by stratum."""
    order = np.lexsort((_checked("lots", lots), plan.stratum))
    start = plan.size.cumsum() - plan.size
    place = np.arange(plan.people) - start[plan.stratum[order]]  # within the stratum
    return order[place < plan.take[plan.stratum[order]]]


@dataclass(frozen=True)
class Estimate:
    """A mean over the population, with the standard error over which people happen to be asked."""

    value: float
    error: float  # standard error
    freedom: float  # degrees of freedom of `error`; infinite where nothing is left to chance
    tuning: float  # lambda: how far the forecast is trusted

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Student's, with the degrees of freedom of Satterthwaite (1946)."""
        half = self.error * student((1 + level) / 2, self.freedom) if self.error > 0 else 0.0
        return self.value - half, self.value + half

    def moved(self, by: float) -> "Estimate":
        """The same of a quantity that is larger by a known number."""
        return Estimate(self.value + by, self.error, self.freedom, self.tuning)


def mean_estimate(
    said: ArrayLike, forecast: ArrayLike, asked: Ints, plan: Design, tuning: float | None = None
) -> Estimate:
    """The mean over the population of what people say, from those who were asked: said [n], forecast [N], asked [n].

    tuning: lambda; 0 leaves the forecast out. None: it is taken from the sample, crosswise, so that the estimate stays
    unbiased: the first half of each stratum's sample tells lambda for the second and is itself taken as it is, and the
    other way round (Mickey 1959). ValueError: numbers that do not match or are not finite.
    """
    y, f = _checked("said", said), _checked("forecast", forecast)
    if len(f) != plan.people or not len(y) == len(asked) == plan.calls:
        raise ValueError(
            f"{len(y)} answers of {len(asked)} people and {len(f)} forecasts do not fit "
            f"{plan.calls} calls among {plan.people} people"
        )
    sample = _Sample(y, f[asked], plan.stratum[asked], plan)
    if tuning is not None:
        total, used = sample.plain_total(f, tuning), tuning
    else:
        half = sample.half
        first, second = sample.slope(half), sample.slope(~half)
        total = (sample.crossed_total(f, half, first) + sample.crossed_total(f, ~half, second)) / 2
        used = (first + second) / 2
    error, freedom = sample.error(used)
    return Estimate(total / plan.people, error / plan.people, freedom, used)


@dataclass(frozen=True)
class _Sample:
    """Those who were asked, stratum by stratum."""

    said: Floats  # [n]
    forecast: Floats  # [n]
    stratum: Ints  # [n], rising
    plan: Design

    @property
    def half(self) -> NDArray[np.bool_]:
        """[n] is it of the first half of its stratum's sample?"""
        start = self.plan.take.cumsum() - self.plan.take
        place = np.arange(len(self.stratum)) - start[self.stratum]
        return place < (self.plan.take[self.stratum] + 1) // 2

    def sums(self, values: Floats) -> Floats:
        """[H] of values [n]."""
        return np.bincount(self.stratum, weights=values, minlength=len(self.plan.size)).astype(np.float64)

    def plain_total(self, forecast: Floats, tuning: float) -> float:
        """Of the population, by one lambda that owes nothing to the sample."""
        off = self.sums(self.said - tuning * self.forecast) * self.plan.size / self.plan.take
        return float(tuning * forecast.sum() + off.sum())

    def crossed_total(self, forecast: Floats, known: NDArray[np.bool_], tuning: float) -> float:
        """Of the population: those of the `known` half as they are, from which lambda is; the others by the rest."""
        mine, theirs = self.sums(known.astype(np.float64)), self.sums((~known).astype(np.float64))  # [H]
        off = self.sums((self.said - tuning * self.forecast) * ~known)
        left = off * (self.plan.size - mine) / np.maximum(theirs, 1)  # of those who are not of the known half
        sure = self.plan.take == self.plan.size
        beyond = np.where(sure, off, left).sum() + tuning * (forecast.sum() - self.forecast[known].sum())
        return float(self.said[known].sum() + beyond)

    def slope(self, part: NDArray[np.bool_]) -> float:
        """The slope of answers on forecasts among neighbours in doubt, weighed as in the estimate; in [0, 1]."""
        left = part & (self.plan.take < self.plan.size)[self.stratum]  # of the others nothing is estimated
        weight = (self.plan.size / self.plan.take)[self.stratum][left]
        y, f = np.diff(self.said[left]), np.diff(self.forecast[left])
        both = weight[1:] * weight[:-1]
        spread = float((both * f * f).sum())
        return min(1.0, max(0.0, float((both * y * f).sum()) / spread)) if spread > 0 else 1.0

    def error(self, tuning: float) -> tuple[float, float]:
        """The standard error of the total, and its degrees of freedom."""
        open_ = self.plan.take < self.plan.size  # [H]
        n, size = self.plan.take[open_], self.plan.size[open_]
        off = self.said - tuning * self.forecast
        mean = self.sums(off) / self.plan.take
        spread = self.sums((off - mean[self.stratum]) ** 2)[open_] / np.maximum(n - 1, 1)  # [H'] s^2
        part = size * (size - n) / n * spread
        if not part.sum() > 0:
            return 0.0, np.inf
        freedom = part.sum() ** 2 / (part**2 / (n + 1)).sum() - 2  # without the bias of squared estimates
        return float(np.sqrt(part.sum())), float(max(freedom, 1.0))


def _checked(name: str, values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1:
        raise ValueError(f"{name}: need one number a person, got shape {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: {int((~np.isfinite(found)).sum())} of {found.size} numbers are not finite")
    return found
