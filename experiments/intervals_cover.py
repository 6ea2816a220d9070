"""Claim: a few answers and a world model give means under other rules, with intervals that hold.

People of two states, whose answers of four or five years are known, meet rules that they have not met. The world model
predicts everyone, a few are asked, and the correction makes the estimate unbiased: `experiments/prediction_powered.py`.
The truth is what everybody says; it is asked of the embedded model once. Newcomers, of whom only the wage is known, are
beside: their intervals must hold too, but nothing is claimed of their width.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest

from agents.embedded.engine import EmbeddedEngine
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from experiments.claims import Json, Outcome, workplace
from experiments.coverage_cells import MECHANISMS, NEWCOMERS, STATES, Cell, World, cell
from experiments.coverage_trials import (
    COMPARED,
    OURS,
    PLAIN,
    RIVALS,
    WAGE,
    Scores,
    alone,
    averages,
    by_types,
    ours,
    same_width,
    truths,
)
from experiments.stages import JSON, Stages, stages_of
from learning.draws import child_seed
from mechanism.swm_ap import SWMSettings
from world_model.fit import FitSettings

NAME = "intervals_cover"
LOW, HIGH = 0.93, 0.97  # share of the intervals that must hold the truth
BARS = {"income": 0.2, "hours": 0.5}  # our calls over those of the wage-adjusted average, at the same width
SEED = 20_261_129


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    towns: int = 200  # of 32 people, in each state
    episodes: int = 20  # real ones that the world model is fitted to
    calls: tuple[int, ...] = (100, 200, 500)
    repetitions: int = 1000
    clusterings: int = 10  # repetitions of the methods that ask typical people
    settings: SWMSettings = field(default_factory=SWMSettings)


SMOKE = Scale(5, 2, (20,), 20, 1, SWMSettings(tracker_worlds=10, fit=FitSettings(steps=5, tracker_steps=5)))


@dataclass(frozen=True)
class Row:
    """One state, one set of rules, one number of calls."""

    state: str
    mechanism: str
    calls: int
    people: int
    truth: dict[str, float]
    scores: dict[str, dict[str, dict[str, Any]]]  # method -> quantity -> `coverage_trials.Score`

    def share(self, quantity: str) -> float:
        """Our calls over those of the wage-adjusted average, at the same width."""
        width, theirs = (self.scores[method][quantity]["width"] for method in (OURS, WAGE))
        return same_width(self.calls, self.people, width, theirs)

    def open(self, quantity: str) -> bool:
        """Is there anything to estimate? Where nothing is taxed, everybody is known to pay nothing."""
        return self.scores[OURS][quantity]["width"] > 0

    def error(self, method: str, quantity: str) -> float:
        """Root mean square error as a share of the plain average's."""
        return self.scores[method][quantity]["rmse"] / self.scores[PLAIN][quantity]["rmse"]


def claim(smoke: bool) -> Outcome:
    """Ask everybody once, then a few many times over."""
    torch.set_num_threads(1)
    scale, folder = SMOKE if smoke else Scale(), workplace(NAME, smoke)
    stages = stages_of({"seed": SEED, **asdict(scale)}, folder)
    with Journal(folder / "journal.sqlite") as journal:
        people = LanguagePopulation(EmbeddedEngine(), journal, purpose=NAME)
        world = World(people, SEED, scale.towns, scale.episodes, scale.settings, stages)
        model = world.model()
        cells = {(state, rules): cell(world, model, state, rules) for state in STATES for rules in MECHANISMS}
    rows = [_row(*key, of, calls, scale, stages) for key, of in cells.items() for calls in scale.calls]
    return verdict(rows, scale, smoke)


def _row(state: str, mechanism: str, of: Cell, calls: int, scale: Scale, stages: Stages) -> Row:
    name = f"{state} {mechanism} {calls}".replace(" ", "-")
    scores = stages.get(name, JSON, lambda: _trials(of, calls, scale, child_seed(SEED, name)))
    return Row(state, mechanism, calls, len(of.truth), truths(of), scores)


def _trials(of: Cell, calls: int, scale: Scale, seed: int) -> dict[str, Any]:
    found: Scores = {OURS: ours(of, calls, scale.repetitions, seed)} | averages(of, calls, scale.repetitions, seed)
    found |= by_types(of, calls, scale.clusterings, seed) | alone(of)
    return {method: {name: asdict(score) for name, score in each.items()} for method, each in found.items()}


def verdict(rows: Sequence[Row], scale: Scale, smoke: bool) -> Outcome:
    """Against the bars."""
    known = [row for row in rows if row.state != NEWCOMERS]
    coverage = {f"{name}, {n} calls": _coverage(rows, name, n) for name in rows[0].truth for n in scale.calls}
    strayed = [
        f"{r.state}, {r.mechanism}, {r.calls}: {q}"
        for r in rows
        for q in r.truth
        if r.open(q) and _astray(r, q, len(rows))
    ]
    shares = {name: max(row.share(name) for row in known) for name in COMPARED}
    errors = {f"{name}, {n} calls": _errors(known, name, n) for name in COMPARED for n in scale.calls}
    holds = all(LOW <= share[0] <= HIGH for share in coverage.values()) and not strayed
    narrow = all(shares[name] <= bar for name, bar in BARS.items())
    best = all(each[OURS] < error for each in errors.values() for method, error in each.items() if method != OURS)
    covered = [share[0] for share in coverage.values()]
    figures: dict[str, Any] = {
        "coverage": coverage,
        "coverage_of_single_cells": _range(rows),
        "cells_astray": strayed,
        "largest_share_of_calls": shares,
        "shares_of_calls": [_told(row) for row in known],
        "errors_over_plain_average": errors,
        "rivals_ahead_in_single_cells": _ahead(known),
        "rows": [asdict(row) for row in rows],
        "scale": {"towns": scale.towns, "episodes": scale.episodes, "repetitions": scale.repetitions},
    }
    covered, smaller = [share[0] for share in coverage.values()], "smaller" if best else "NOT always smaller"
    ahead = f"{len(_ahead(known))} of {len(known) * len(COMPARED)} single cells"
    return Outcome(
        claim="a few answers and a world model give means under other rules, with intervals that hold",
        passed=holds and narrow and best,
        figure=f"{min(covered):.1%} to {max(covered):.1%} covered; at most {_part(shares['hours'])} of the calls "
        f"for hours and {_part(shares['income'])} for income; {smaller} error than every rival over all states and "
        f"rules (a rival was closer in {ahead})",
        bar="93% to 97%; 1/2 and 1/5 of the calls of the wage-adjusted average; smaller root mean square error than "
        "every rival over all states and rules, at each number of calls",
        figures=figures,
        seeds=(SEED,),
        smoke=smoke,
    )


def _part(share: float) -> str:
    return f"1/{1 / share:.1f}"


def _covered(row: Row, quantity: str) -> tuple[int, int]:
    """Intervals that held, of how many."""
    score = row.scores[OURS][quantity]
    return round(score["covered"] * score["repetitions"]), score["repetitions"]


def _coverage(rows: Sequence[Row], quantity: str, calls: int) -> list[float]:
    """Over all states and rules, with the 95% interval of what so many repetitions can tell (Wilson 1927)."""
    pairs = [_covered(row, quantity) for row in rows if row.calls == calls and row.open(quantity)]
    held, of = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    low, high = binomtest(held, of).proportion_ci(method="wilson")
    return [held / of, low, high]


def _astray(row: Row, quantity: str, cells: int) -> bool:
    """Is a single cell outside the bar beyond chance? At 5% for all cells and quantities together (Bonferroni)."""
    held, of = _covered(row, quantity)
    low, high = binomtest(held, of).proportion_ci(1 - 0.05 / (cells * len(row.truth)), "wilson")
    return bool(high < LOW or low > HIGH)


def _range(rows: Sequence[Row]) -> dict[str, list[float]]:
    """The lowest and the highest coverage of one cell."""
    found = {name: [row.scores[OURS][name]["covered"] for row in rows if row.open(name)] for name in rows[0].truth}
    return {name: [min(each), max(each)] for name, each in found.items()}


def _told(row: Row) -> dict[str, Json]:
    shares: dict[str, Json] = {name: row.share(name) for name in COMPARED}
    return {"state": row.state, "mechanism": row.mechanism, "calls": row.calls, **shares}


def _errors(rows: Sequence[Row], quantity: str, calls: int) -> dict[str, float]:
    """Of each method over states and rules: root mean square of its errors, in shares of the plain average's."""
    there = [row for row in rows if row.calls == calls]
    return {m: float(np.sqrt(np.mean([row.error(m, quantity) ** 2 for row in there]))) for m in (OURS, *RIVALS)}


def _ahead(rows: Sequence[Row]) -> list[str]:
    """Where a rival happens to be closer, by cell."""
    return [
        f"{row.state}, {row.mechanism}, {row.calls} calls, {name}: {method}"
        for row in rows
        for name in COMPARED
        for method in RIVALS
        if row.error(method, name) < row.error(OURS, name)
    ]
