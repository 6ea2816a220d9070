"""Intervals and summaries for comparisons with few seeds. Every draw is counter-based, so a table never wavers.

Bootstrap intervals are expanded percentile ones (Hesterberg 2015, arXiv 1411.5279): resamples of n values vary less
than samples of n do, and a normal curve's quantiles are too narrow for few: plain percentiles of ten values hold the
truth about nine times in ten. The percentiles taken here are those at which a normal curve is as wide as Student's; of
hundreds of values they are the plain ones. Fewer than five values cannot be helped so: no resample leaves their range.

Shapes: S seeds (training runs), C communities (held-out rosters).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit  # pyright: ignore[reportAttributeAccessIssue] (compiled, without types)

from learning.draws import draws

Floats = NDArray[np.float64]
DRAWS = 10_000  # bootstrap resamples
CHUNK = 500  # resamples held in memory at once


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


def student(share: float, freedom: float) -> float:
    """The quantile of Student's t that this share of draws lies below; degrees of freedom may be infinite."""
    return float(stdtrit(freedom, share))  # scipy.stats has it by a friendlier name, and a second to import


def mean_interval(values: ArrayLike, seed: int = 0) -> Interval:
    """Mean of C values with its bootstrap interval. One value has an interval of no width.

    ValueError: no values, or one that is not finite.
    """
    data = _finite(values, dimensions=1)
    return _interval(float(data.mean()), _resampled(lambda rows: data[rows].mean(1), len(data), seed), len(data))


def seed_interval(values: ArrayLike) -> Interval:
    """Mean of S seeds with Student's interval. One value has an interval of no width. ValueError as `mean_interval`."""
    data = _finite(values, dimensions=1)
    mean, n = float(data.mean()), len(data)
    half = float(student(0.975, n - 1) * data.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return Interval(mean, mean - half, mean + half)


def paired_interval(ours: ArrayLike, theirs: ArrayLike, seed: int = 0) -> Interval:
    """Mean of ours - theirs over C pairs (the same community under two policies), with its bootstrap interval."""
    a, b = _finite(ours, 1), _finite(theirs, 1)
    if a.shape != b.shape:
        raise ValueError(f"paired values must match one to one, got {len(a)} and {len(b)}")
    return mean_interval(a - b, seed)


def correlation_interval(ours: ArrayLike, theirs: ArrayLike, seed: int = 0) -> Interval:
    """Pearson's correlation over C pairs, with its bootstrap interval over pairs; resamples in which one side does not
    vary are left out. ValueError for values that do not match one to one, or a side that does not vary.
    """
    a, b = _finite(ours, 1), _finite(theirs, 1)
    if a.shape != b.shape:
        raise ValueError(f"values must match one to one, got {len(a)} and {len(b)}")
    if not (np.ptp(a) and np.ptp(b)):
        raise ValueError("values that do not vary correlate with nothing")
    found = _resampled(lambda rows: _correlations(a[rows], b[rows]), len(a), seed)
    return _interval(float(_correlations(a[None], b[None])[0]), found[np.isfinite(found)], len(a))


def _correlations(a: Floats, b: Floats) -> Floats:
    """[D, C], [D, C] -> [D]; NaN where one does not vary."""
    a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
    spread = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.divide((a * b).sum(1), spread, out=np.full(len(a), np.nan), where=spread > 0)


def gone_interval(left: ArrayLike, whole: ArrayLike, seed: int = 0) -> Interval:
    """1 - mean(left) / mean(whole) over C communities, with its bootstrap interval: both means are of the same draw of
    communities. ValueError for values that do not match one to one.
    """
    a, b = _finite(left, 1), _finite(whole, 1)
    if a.shape != b.shape:
        raise ValueError(f"values must match one to one, got {len(a)} and {len(b)}")
    weights = _weights(len(a), seed, "communities")  # [DRAWS, C]
    return _interval(1 - float(a.mean() / b.mean()), 1 - (weights @ a) / (weights @ b), len(a))


def crossed_interval(values: ArrayLike, seed: int = 0) -> Interval:
    """Mean of [S, C] values where all S training seeds met the same C communities.

    Seeds and communities are resampled independently (the "pigeonhole" bootstrap, Owen 2007), so that the interval
    is about new seeds and new communities; with one seed it can only speak of communities. It is expanded as
    the fewer of the two ask for.
    """
    data = _finite(values, dimensions=2)
    seeds, communities = data.shape
    s, c = _weights(seeds, seed, "seeds"), _weights(communities, seed, "communities")  # [DRAWS, S], [DRAWS, C]
    return _interval(float(data.mean()), np.einsum("ds,sc,dc->d", s, data, c, optimize=True), _fewest(*data.shape))


def gap_share(values: ArrayLike, low: ArrayLike, high: ArrayLike, seed: int = 0) -> Interval:
    """(mean of [S, C] values - low) / (high - low): the share of the way from one yardstick [C] to another [C].

    Seeds and communities are resampled as in `crossed_interval`, the yardsticks with the communities; resamples in
    which there is no way to go are left out. ValueError where there is none in the whole.
    """
    data, top = _finite(values, 2), _finite(high, 1)
    return way_share(data, low, np.broadcast_to(top, data.shape), seed)


def way_share(values: ArrayLike, low: ArrayLike, high: ArrayLike, seed: int = 0) -> Interval:
    """(mean of [S, C] values - low) / (mean of high - low), where `high` [S, C] was measured with the same seeds in the
    same communities, and `low` [C] is a yardstick. Resampled as in `gap_share`; ValueError as there.
    """
    data, a, b = _finite(values, 2), _finite(low, 1), _finite(high, 2)
    s, c = _weights(len(data), seed, "seeds"), _weights(data.shape[1], seed, "communities")
    if a.mean() == b.mean():
        raise ValueError("the two yardsticks are the same: there is no share of the way between them")
    level, top = (np.einsum("ds,sc,dc->d", s, x, c, optimize=True) - c @ a for x in (data, b))
    there = top != 0
    share = float((data.mean() - a.mean()) / (b.mean() - a.mean()))
    return _interval(share, level[there] / top[there], _fewest(*data.shape))


def interquartile_mean(tasks: Sequence[ArrayLike], seed: int = 0) -> Interval:
    """Mean of the middle half of all scores, each task [S] having its own seeds, with the interval of a bootstrap that
    resamples seeds within tasks (stratified: Agarwal et al. 2021, arXiv 2108.13264). ValueError: no tasks.
    """
    data = [_finite(task, 1) for task in tasks]
    if not data:
        raise ValueError("no tasks to summarise")
    drawn = [
        np.concatenate([task[_rows(len(task), seed, f"task {i}", start, CHUNK)] for start in range(0, DRAWS, CHUNK)])
        for i, task in enumerate(data)
    ]  # each [DRAWS, S]
    whole = float(_middle(np.concatenate(data)[None])[0])
    return _interval(whole, _middle(np.concatenate(drawn, axis=1)), _fewest(*map(len, data)))


def _middle(scores: Floats) -> Floats:
    """[D, X] -> [D] mean without the lowest and the highest quarter."""
    cut = scores.shape[1] // 4
    return np.sort(scores, axis=1)[:, cut : scores.shape[1] - cut].mean(1)


@dataclass(frozen=True)
class Reach:
    """How much one seed spent until it reached the threshold, or until its run ended without reaching it (censored)."""

    spent: float
    reached: bool


def first_reached(spent: Sequence[float], values: Sequence[float], threshold: float) -> Reach:
    """The first checkpoint at the threshold or above whose successor is so too; the last checkpoint needs a successor.

    spent: real decisions at each checkpoint, rising. ValueError where the two do not match or `spent` does not rise.
    """
    if len(spent) != len(values) or not len(spent):
        raise ValueError(f"need one value per checkpoint, got {len(values)} for {len(spent)}")
    if any(later <= earlier for earlier, later in pairwise(spent)):
        raise ValueError("checkpoints must be in rising order of what was spent")
    above = [value >= threshold for value in values]
    for i in range(len(above) - 1):
        if above[i] and above[i + 1]:
            return Reach(float(spent[i]), reached=True)
    return Reach(float(spent[-1]), reached=False)


def censored_median(reaches: Sequence[Reach]) -> float | None:
    """Kaplan-Meier median: the least spending at which the share still under way is .5 or less.

    None where too many seeds were censored for it to be known. At equal spending, a seed that reached counts before
    one that was censored, as is usual. ValueError: no seeds.
    """
    if not reaches:
        raise ValueError("no seeds to summarise")
    ordered = sorted(reaches, key=lambda r: (r.spent, not r.reached))
    under_way = 1.0
    for i, reach in enumerate(ordered):
        at_risk = len(ordered) - i
        under_way *= 1 - reach.reached / at_risk
        if under_way <= 0.5 + 1e-12:
            return reach.spent
    return None


@dataclass(frozen=True)
class Share:
    """A ratio of censored medians with its 95% interval. None = unknown, or without bound."""

    value: float | None
    low: float | None
    high: float | None


def share_interval(ours: Sequence[Reach], theirs: Sequence[Reach], seed: int = 0) -> Share:
    """Ratio of censored medians ours / theirs over paired seeds, with its bootstrap interval over pairs, given the
    point that is reached: that this is estimated too is not in the interval.

    The ratio is None where either median is unknown. In resamples an unknown median of ours counts as infinitely
    much, one of theirs as where their longest run ended (which favours them), so censoring widens the interval and
    never flatters us. ValueError where the seeds do not pair up.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"paired seeds must match one to one, got {len(ours)} and {len(theirs)}")
    end = max(r.spent for r in theirs)

    def ratio(rows: NDArray[np.int64]) -> Floats:
        mine = [censored_median([ours[i] for i in row]) for row in rows]
        yours = [censored_median([theirs[i] for i in row]) for row in rows]
        pairs = zip(mine, yours, strict=True)
        return np.array([(np.inf if a is None else a) / (end if b is None else b) for a, b in pairs])

    a, b = censored_median(ours), censored_median(theirs)
    found = _resampled(ratio, len(ours), seed, total=2_000)
    low, high = (float(q) for q in np.quantile(found, _ends(len(ours)), method="nearest"))
    known = None if a is None or b is None else a / b
    return Share(known, low if np.isfinite(low) else None, high if np.isfinite(high) else None)


def _finite(values: ArrayLike, dimensions: int) -> Floats:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != dimensions or not data.size:
        raise ValueError(f"expected values in {dimensions} dimension(s) and at least one, got shape {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError(f"{int((~np.isfinite(data)).sum())} of {data.size} values are not finite")
    return data


def _rows(size: int, seed: int, purpose: str, start: int, count: int) -> NDArray[np.int64]:
    """[count, size] indices drawn with replacement."""
    u = draws(seed, start, count).uniform(purpose, 0, size)
    return (u.to(torch.float64) * size).floor().to(torch.int64).numpy()


def _resampled(
    summary: Callable[[NDArray[np.int64]], Floats], size: int, seed: int, total: int = DRAWS
) -> Floats:  # [total]
    parts = [summary(_rows(size, seed, "bootstrap", start, CHUNK)) for start in range(0, total, CHUNK)]
    return np.concatenate(parts)


def _weights(size: int, seed: int, purpose: str) -> Floats:
    """[DRAWS, size] how often each item was drawn, as a share."""
    parts = [_rows(size, seed, purpose, start, CHUNK) for start in range(0, DRAWS, CHUNK)]
    counts = [np.stack([np.bincount(row, minlength=size) for row in part]) for part in parts]
    return np.concatenate(counts) / size


def _fewest(*counts: int) -> int:
    """The smallest number of values that says anything of how much they vary: one value says nothing."""
    return min((n for n in counts if n > 1), default=1)


def _ends(n: int) -> tuple[float, float]:
    """Between which shares of all resamples of n values the truth is held to lie; one value says nothing of that."""
    low = float(ndtr(np.sqrt(n / (n - 1)) * student(0.025, n - 1))) if n > 1 else 0.025
    return low, 1 - low


def _interval(value: float, found: Floats, n: int) -> Interval:
    low, high = np.quantile(found, _ends(n))
    return Interval(value, float(low), float(high))
