"""Logit choice: better choices are likelier, and nothing is impossible."""

from torch import Tensor

FLOOR = -60.0  # of a log-probability against the best choice's: below it lies 1e-26, which no draw ever reaches


def quantal_response(utilities: Tensor, temperature: float) -> Tensor:
    """Log-probabilities [..., K] proportional to exp(U / temperature) (McKelvey & Palfrey 1995, equation 5).

    Hopeless choices are held at FLOOR below the best one, so that every comparison of two distributions is finite.
    """
    logits = ((utilities - utilities.amax(-1, keepdim=True)) / temperature).clamp_min(FLOOR)
    return logits - logits.exp().sum(-1, keepdim=True).log()
