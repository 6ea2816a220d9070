"""Equilibria of games given by payoff tables, found by magnetic mirror descent (Sokota et al. 2023, arXiv 2206.05825).

Everyone moves from the policy p towards better choices and, at the same time, towards a magnet m:

    p'  proportional to  [p exp(step q) m^(step temperature)]^(1 / (1 + step temperature))

with q the payoff of each choice against what the others do. It rests where p = softmax(q / temperature + log m): in the
logit quantal response equilibrium (McKelvey & Palfrey 1995). In two-player zero-sum games it comes there for sure with
step <= temperature / L^2, L being the spread of the payoffs; that takes steps in number like (L / temperature)^2.
Temperature is how little people care for payoffs: near 0 the equilibrium is one of Nash's, far above everyone follows
the magnet, evenly by default.

Shapes: n players, the table of each [K_1, ..., K_n]; policies [K_i].
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CLOSE = 1e-7  # of a log-probability, between a policy and the best answer to it


@dataclass(frozen=True)
class Equilibrium:
    """Where mirror descent came to rest, or how far from rest it was when it was stopped."""

    policies: list[Tensor]  # [K_i] of each player, in double precision
    off: float  # the largest distance of a log-probability from softmax(q / temperature + log m)
    steps: int

    @property
    def at_rest(self) -> bool:
        """Is it an equilibrium?"""
        return self.off <= CLOSE


def quantal_equilibrium(
    payoffs: Sequence[Tensor],
    temperature: float | Sequence[float],
    magnets: Sequence[Tensor] | None = None,
    step: float | None = None,
    most: int = 100_000,
) -> Equilibrium:
    """One temperature for all, or one for each. step: by default what suffices in two-player zero-sum games. In others
    it may go on for ever, and with little temperature for long: after `most` steps it is told how far off it is.

    ValueError: tables that do not go together, a temperature or a step that is not above 0, a magnet that rules a
    choice out.
    """
    _check_tables(payoffs)
    tables = [table.double() - table.min() for table in payoffs]  # what is the same for all choices changes nothing
    game = _Game(tables, _each(temperature, len(tables)), _pulls(magnets, tables[0].shape))
    size = game.surely if step is None else step
    if not 0 < size < math.inf:
        raise ValueError(f"a step of {size:g}: it must be above 0, and finite")
    logs, off, taken = game.pulls, math.inf, 0
    while off > CLOSE and taken < most:
        aims = game.aims(logs)
        off = max(float((log - aim.log_softmax(-1)).abs().max()) for log, aim in zip(logs, aims, strict=True))
        logs, taken = game.moved(logs, aims, size), taken + 1
    return Equilibrium([log.exp() for log in logs], off, taken)


@dataclass(frozen=True)
class _Game:
    tables: list[Tensor]
    temperatures: list[float]
    pulls: list[Tensor]  # log m [K_i]

    @property
    def surely(self) -> float:
        """A step that suffices in two-player zero-sum games."""
        spread = max(float(table.max() - table.min()) for table in self.tables)
        return min(self.temperatures) / max(spread, 1e-9) ** 2

    def aims(self, logs: list[Tensor]) -> list[Tensor]:
        """q / temperature + log m [K_i] of each player, the logits of the best answer to log-policies."""
        found = zip(_values(self.tables, logs), self.temperatures, self.pulls, strict=True)
        return [value / temperature + pull for value, temperature, pull in found]

    def moved(self, logs: list[Tensor], aims: list[Tensor], step: float) -> list[Tensor]:
        """One step of everyone, which in logarithms goes a share of the way to the aim."""
        shares = [step * temperature / (1 + step * temperature) for temperature in self.temperatures]
        moves = zip(logs, aims, shares, strict=True)
        return [((1 - share) * log + share * aim).log_softmax(-1) for log, aim, share in moves]


def exploitability(payoffs: Sequence[Tensor], policies: Sequence[Tensor]) -> list[float]:
    """What each player would gain by its best choice, if the others stay: 0 for all in a Nash equilibrium.

    ValueError: tables that do not go together, or policies [K_i] that are not theirs or no probabilities.
    """
    _check_tables(payoffs)
    tables, mixed = [table.double() for table in payoffs], [policy.double() for policy in policies]
    if [tuple(policy.shape) for policy in mixed] != [(k,) for k in tables[0].shape]:
        shapes = ", ".join(str(list(policy.shape)) for policy in mixed)
        raise ValueError(f"policies of shapes {shapes} in a game of {list(tables[0].shape)} choices")
    if not all(bool((policy >= 0).all()) and abs(float(policy.sum()) - 1) < 1e-4 for policy in mixed):
        raise ValueError("policies must be probabilities, which add up to 1")
    mixed = [policy / policy.sum() for policy in mixed]
    values = _values(tables, [policy.log() for policy in mixed])
    return [max(0.0, float((value.max() - value) @ policy)) for value, policy in zip(values, mixed, strict=True)]


def _values(tables: Sequence[Tensor], logs: Sequence[Tensor]) -> list[Tensor]:
    """[K_i] of each player: what each of its choices brings against the others' policies."""
    policies, found = [log.exp() for log in logs], list[Tensor]()
    for player, table in enumerate(tables):
        for other in range(len(tables) - 1, -1, -1):
            if other != player:
                table = table.movedim(other, -1) @ policies[other]
        found.append(table)
    return found


def _each(temperature: float | Sequence[float], players: int) -> list[float]:
    warmth = [float(temperature)] * players if isinstance(temperature, int | float) else list(temperature)
    if len(warmth) != players or not all(0 < heat < math.inf for heat in warmth):
        raise ValueError(f"temperature {temperature}: give one above 0, or one for each of the {players} players")
    return warmth


def _pulls(magnets: Sequence[Tensor] | None, sizes: Sequence[int]) -> list[Tensor]:
    """log m of each player; even where none are given."""
    if magnets is None:
        return [_log(torch.ones(k), k) for k in sizes]
    if len(magnets) != len(sizes):
        raise ValueError(f"{len(magnets)} magnets for {len(sizes)} players: give one for each")
    return [_log(magnet, k) for magnet, k in zip(magnets, sizes, strict=True)]


def _log(magnet: Tensor, choices: int) -> Tensor:
    if magnet.shape != (choices,) or not bool(((magnet > 0) & magnet.isfinite()).all()):
        raise ValueError(f"a magnet of {magnet.tolist()} for {choices} choices: give each some of the probability")
    return magnet.double().log().log_softmax(-1)


def _check_tables(tables: Sequence[Tensor]) -> None:
    if not tables or any(table.shape != tables[0].shape or table.dim() != len(tables) for table in tables):
        shapes = ", ".join(str(list(table.shape)) for table in tables) or "none"
        raise ValueError(
            f"payoff tables of shapes {shapes}: give one for each of n players, all of one shape with n sides"
        )
    if tables[0].numel() == 0:
        raise ValueError("a player has no choice at all")
    if not all(bool(table.isfinite().all()) for table in tables):
        raise ValueError("a payoff is no finite number")
