"""Random draws that depend on names and counters only, never on the order of work.

Every draw is a function of (run seed, purpose, episode, step, position). Two processes, two batch sizes or a
resumed run therefore see the same numbers. The hash is SplitMix64 (Steele, Lea & Flood 2014), in NumPy's unsigned
integers, which torch lacks.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = (1 << 64) - 1


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_MIX_1)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_MIX_2)
    return x ^ (x >> np.uint64(31))


def _mix_int(x: int) -> int:
    """The same hash of one number in [0, 2^64)."""
    x = (x + _GOLDEN) & _WORD
    x = ((x ^ (x >> 30)) * _MIX_1) & _WORD
    x = ((x ^ (x >> 27)) * _MIX_2) & _WORD
    return x ^ (x >> 31)


def name_key(name: str) -> int:
    """A stable number in [0, 2^64) for a name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def child_seed(seed: int, name: str) -> int:
    """A seed in [0, 2^62) for a named part of a run."""
    return _mix_int(_mix_int(seed & _WORD) ^ name_key(name)) >> 2


@dataclass(frozen=True)
class Draws:
    """Draws for B worlds; `episodes` identifies each world, so its draws do not depend on its place in the batch."""

    seed: int
    episodes: Tensor  # [B] int64

    def uniform(self, purpose: str, step: int, *shape: int) -> Tensor:
        """Uniform draws strictly inside (0, 1), float32 [B, *shape], on 23 bits."""
        key = np.uint64(_mix_int(_mix_int(self.seed & _WORD) ^ name_key(purpose)))
        ids = self.episodes.to("cpu", torch.int64).numpy().astype(np.uint64)
        worlds = _mix(_mix(key ^ ids) ^ np.uint64(step & _WORD))  # [B]
        cells = _mix(np.arange(math.prod(shape), dtype=np.uint64))  # [prod(shape)]
        bits = _mix(worlds[:, None] ^ cells[None, :]) >> np.uint64(41)  # [B, prod(shape)]
        u = (bits.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)
        return torch.from_numpy(u).reshape(len(worlds), *shape).to(self.episodes.device)

    def normal(self, purpose: str, step: int, *shape: int) -> Tensor:
        """Standard normal draws, float32 [B, *shape] (inverse distribution function of `uniform`)."""
        u = self.uniform(purpose, step, *shape).to(torch.float64)
        return (math.sqrt(2.0) * torch.erfinv(2.0 * u - 1.0)).to(torch.float32)

    def choice(self, purpose: str, step: int, log_probs: Tensor) -> Tensor:
        """One index per row of `log_probs` [B, N, K] by inversion: int64 [B, N]."""
        u = self.uniform(purpose, step, log_probs.shape[1])[..., None]
        steps = log_probs.exp().cumsum(-1)
        return torch.searchsorted(steps, u * steps[..., -1:])[..., 0].clamp(max=log_probs.shape[-1] - 1)

    def repeated(self, times: int) -> "Draws":
        """The same draws for as many copies of the worlds, one after the other."""
        return Draws(self.seed, self.episodes.repeat(times))


def draws(seed: int, start: int, worlds: int) -> Draws:
    """Draws for worlds numbered start .. start + worlds - 1."""
    return Draws(seed, torch.arange(start, start + worlds, dtype=torch.int64))
