"""Random draws that depend on names and counters only, never on the order of work.

Every draw is a function of (run seed, purpose, episode, step, position). Two processes, two batch sizes or a
resumed run therefore see the same numbers. The hash is SplitMix64 (Steele, Lea & Flood 2014), on torch int64.
"""

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)  # as signed int64
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical (unsigned) right shift of int64."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = x + _GOLDEN
    x = (x ^ _shift(x, 30)) * _MIX_1
    x = (x ^ _shift(x, 27)) * _MIX_2
    return x ^ _shift(x, 31)


def name_key(name: str) -> int:
    """A stable signed 64-bit number for a name."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def child_seed(seed: int, name: str) -> int:
    """A seed in [0, 2^62) for a named part of a run."""
    mixed = _mix(_mix(torch.tensor(seed, dtype=torch.int64)) ^ name_key(name))
    return int(_shift(mixed, 2).item())


@dataclass(frozen=True)
class Draws:
    """Draws for B worlds; `episodes` identifies each world, so its draws do not depend on its place in the batch."""

    seed: int
    episodes: Tensor  # [B] int64

    def uniform(self, purpose: str, step: int, *shape: int) -> Tensor:
        """Uniform draws strictly inside (0, 1), float32 [B, *shape], on 23 bits."""
        key = _mix(_mix(torch.tensor(self.seed, dtype=torch.int64)) ^ name_key(purpose))
        worlds = _mix(_mix(key ^ self.episodes.to(torch.int64).cpu()) ^ step)  # [B]
        cells = _mix(torch.arange(math.prod(shape), dtype=torch.int64))  # [prod(shape)]
        bits = _shift(_mix(worlds[:, None] ^ cells[None, :]), 41)  # [B, prod(shape)]
        return ((bits.to(torch.float32) + 0.5) * 2.0**-23).reshape(-1, *shape).to(self.episodes.device)

    def normal(self, purpose: str, step: int, *shape: int) -> Tensor:
        """Standard normal draws, float32 [B, *shape] (inverse distribution function of `uniform`)."""
        u = self.uniform(purpose, step, *shape).to(torch.float64)
        return (math.sqrt(2.0) * torch.erfinv(2.0 * u - 1.0)).to(torch.float32)

    def choice(self, purpose: str, step: int, log_probs: Tensor) -> Tensor:
        """One index per row of `log_probs` [B, N, K] by inversion: int64 [B, N]."""
        u = self.uniform(purpose, step, log_probs.shape[1])
        steps = log_probs.exp().cumsum(-1)
        steps = steps / steps[..., -1:]
        return (u[..., None] > steps).sum(-1).clamp(max=log_probs.shape[-1] - 1)


def draws(seed: int, start: int, worlds: int) -> Draws:
    """Draws for worlds numbered start .. start + worlds - 1."""
    return Draws(seed, torch.arange(start, start + worlds, dtype=torch.int64))
