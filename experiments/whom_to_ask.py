"""Whom to ask: those whose answers the world model is likely to miss by most, for all that is to be estimated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from experiments.prediction_powered import Floats


@dataclass(frozen=True)
class Past:
    """A forecast of an earlier answer, and by how much it missed it."""

    doubt: Floats  # [N] how far the ensemble disagreed
    missed: Floats  # [N] answer less forecast; 0 where there was no usable answer
    known: NDArray[np.bool_]  # [N] was there one?


def expected_error(doubt: Floats, past: Sequence[Past]) -> Floats:
    """[N] the size of the forecast's error that is to be expected of an ensemble's disagreement [N].

    past: the last steps, the latest first. They show what disagreement is worth, and how far those who were missed
    before are missed again: the root of a + b doubt^2 + c missed^2, by least squares with a, b, c >= 0 on the last step
    (c needs two). Without a past, the disagreement itself.
    """
    if not past or not past[0].known.any():
        return doubt
    last, before = past[0], past[1:2]
    then = np.stack([np.ones_like(doubt), last.doubt**2, *(p.missed**2 for p in before)], 1)
    now = np.stack([np.ones_like(doubt), doubt**2, *(last.missed**2 for _ in before)], 1)
    weight, _ = nnls(then[last.known], last.missed[last.known] ** 2)
    return np.sqrt(now @ weight)


def together(errors: Sequence[Floats], importance: Sequence[float]) -> Floats:
    """[N] one measure for several quantities: the root of the sum of squares of errors [N], each as a share of its
    mean, and by its importance. Asking in proportion to it keeps that sum of the means' relative variances smallest.
    """
    parts = [w * (e / e.mean()) ** 2 for w, e in zip(importance, errors, strict=True) if e.any()]
    return np.sqrt(np.sum(parts, 0)) if parts else np.ones_like(errors[0])
