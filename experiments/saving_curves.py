"""Where learning curves end, when they end for good, and when they first reach a point.

Shapes: S seeds, P checkpoints, C held-out communities.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from experiments.saving_methods import Tensors
from experiments.statistics import Floats, Reach, censored_median, first_reached, student

Curves = Sequence[Tensors]
"""One learning curve for each seed: episodes [P], welfare [P, C]."""


def final(curve: Tensors) -> Floats:
    """[C] where a curve ends: the mean of its last tenth of checkpoints, at least one of them."""
    tail = max(1, len(curve["welfare"]) // 10)
    return curve["welfare"][-tail:].double().mean(0).numpy()


def finals(curves: Curves) -> Floats:
    """[S, C]. ValueError where seeds were not judged after the same episodes: they are of different runs then."""
    if any(not torch.equal(curve["episodes"], curves[0]["episodes"]) for curve in curves):
        told = sorted({int(curve["episodes"][-1]) for curve in curves})
        raise ValueError(f"seeds of one learner were judged after different episodes; their curves end after {told}")
    return np.stack([final(curve) for curve in curves])


@dataclass(frozen=True)
class Longer:
    """What a longer run, its learning rate falling to its own end, adds to a shorter one."""

    episodes: int
    than: int
    added: float  # welfare at the end, mean over paired seeds
    error: float  # its standard error over seeds
    seeds: int

    @property
    def nothing(self) -> bool:
        """The written stopping rule: no more than its standard error was added."""
        return self.added <= self.error

    def little(self, gain: float) -> bool:
        """A harder rule, which noise alone does not meet: moreover 2% of PPO's whole gain are not among the 95% of what
        may have been added."""
        most = self.added + student(0.975, self.seeds - 1) * self.error
        return self.nothing and most <= 0.02 * gain


def longer(curves: Mapping[int, Curves]) -> Longer:
    """The last horizon against the one before. ValueError for fewer than two horizons, or fewer than two seeds."""
    if len(curves) < 2:
        raise ValueError("need two horizons to compare")
    before, last = list(curves)[-2:]
    difference = finals(curves[last]).mean(1) - finals(curves[before]).mean(1)  # [S]
    if len(difference) < 2:
        raise ValueError("need two seeds for a standard error")
    error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    return Longer(last, before, float(difference.mean()), error, len(difference))


def lengthened(
    of: Callable[[int], Curves], horizons: Sequence[int], untaught: float | None = None
) -> tuple[dict[int, Curves], list[Longer]]:
    """Curves by horizon, short ones first, until a longer one adds nothing; and what each longer one added. untaught:
    the level where learning starts, and a longer one has to add `little`; without, no more than its error.
    """
    curves, steps = dict[int, Curves](), list[Longer]()
    for horizon in horizons:
        curves[horizon] = of(horizon)
        steps += [longer(curves)] if len(curves) > 1 else []
        if levelled_off(curves, steps, untaught):
            break
    return curves, steps


def levelled_off(curves: Mapping[int, Curves], steps: Sequence[Longer], untaught: float | None) -> bool:
    """As `lengthened` has it."""
    if not steps:
        return False
    if untaught is None:
        return steps[-1].nothing
    return steps[-1].little(float(finals(curves[highest(curves)]).mean()) - untaught)


def highest(curves: Mapping[int, Curves]) -> int:
    """The horizon that ends highest, mean over seeds: past the plateau that need not be the longest."""
    return max(curves, key=lambda horizon: float(finals(curves[horizon]).mean()))


def rises_at_the_end(curves: Curves, share: float = 0.3, window: int = 3) -> bool:
    """Is the best smoothed checkpoint of the last `share` of a run above the best before by more than its error?

    Of the mean over seeds; the standard error is that of the difference between the two checkpoints, over seeds.
    """
    levels = np.stack([curve["welfare"].double().mean(1).numpy() for curve in curves])  # [S, P]
    kernel = np.ones(window) / window
    smooth = np.stack([np.convolve(level, kernel, "valid") for level in levels]) if levels.shape[1] > window else levels
    split = max(1, round(smooth.shape[1] * (1 - share)))
    if split >= smooth.shape[1]:
        return False
    mean = smooth.mean(0)
    best, before = split + int(mean[split:].argmax()), int(mean[:split].argmax())
    difference = smooth[:, best] - smooth[:, before]
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return bool(difference.mean() > error)


def reach(curve: Tensors, point: float, per_episode: int) -> Reach:
    """Real decisions until the mean over communities is at the point, and is so at the next checkpoint too."""
    spent = [float(n * per_episode) for n in curve["episodes"].tolist()]
    return first_reached(spent, curve["welfare"].double().mean(1).tolist(), point)


def soonest(curves: Mapping[int, Curves], point: float, per_episode: int) -> tuple[int, list[Reach]]:
    """The horizon whose median seed reaches the point with the fewest decisions, and its seeds: PPO at its best.

    A longer schedule comes up more slowly, so every horizon is asked; of equals, the one by which more seeds arrive.
    """
    reaches = {horizon: [reach(c, point, per_episode) for c in own] for horizon, own in curves.items()}
    medians = {horizon: censored_median(found) for horizon, found in reaches.items()}
    known = {horizon: median for horizon, median in medians.items() if median is not None}

    def late(horizon: int) -> tuple[float, int]:
        return known[horizon], sum(not r.reached for r in reaches[horizon])

    best = min(known, key=late) if known else list(curves)[-1]
    return best, reaches[best]


def joined_curve(parts: Sequence[Tensors]) -> Tensors:
    """Runs at rising budgets as the checkpoints of one curve."""
    return {name: torch.cat([part[name] for part in parts]) for name in ("episodes", "welfare")}
