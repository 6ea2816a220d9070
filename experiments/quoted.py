"""Figures that a run quotes from `results/` instead of measuring them again."""

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments import quoted_towns
from experiments.config import Config
from experiments.errors import ROOT, UserError
from experiments.files import read_json
from experiments.mixed_people import mixed_in
from experiments.report_data import Curve, Method, Uncounted
from experiments.statistics import Interval

RESULTS = ROOT / "results"
SAVING = "imagination_saves_calls"
CURVES = {
    "swm_ap": "swm_ap",
    "ppo": "ppo",
    "cma_es_fixed": "cma_es",
    "cma_es_linear": "cma_es",
    "saez": "saez",
}  # method -> colour


def result(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """The results of a claim, or None if it was never run."""
    path = folder / f"{name}.json"
    return read_json(path) if path.is_file() else None


def best_fixed_rates(folder: Path = RESULTS) -> Tensor:
    """[M] the best fixed schedule, found with the true simulator by `solon headroom income_tax`. UserError."""
    found = result("headroom_income_tax", folder)
    if found is None:
        raise UserError(
            "the best fixed schedule is not known yet",
            where=str(folder / "headroom_income_tax.json"),
            fix="run `solon headroom income_tax`, or take best_fixed out of baselines",
        )
    return torch.tensor(found["figures"]["best_fixed_rates"])


def claim_about(config: Config) -> str | None:
    """The claim whose figures are about the society and the people of the run; None where there is none."""
    if mixed_in(config):
        return None
    people = config.population
    known = people.kind == "scripted" or (people.kind == "llm" and people.model == "embedded")
    same = known and people.way == "distribution" and Path(people.people).name == "communities.yaml"
    tax = config.society.name == "income_tax" and config.society.objective in (None, "equality_productivity")
    return SAVING if same and tax else quoted_towns.claim_about(config)


def _about(config: Config, folder: Path) -> tuple[str | None, dict[str, Any] | None]:
    """The claim about the run, and its results; None where there are none."""
    claim = claim_about(config)
    return claim, result(claim, folder) if claim else None


def quoted_methods(config: Config, folder: Path = RESULTS) -> tuple[Method, ...]:
    """Rows of the headline table that a full run of the claim measured."""
    claim, found = _about(config, folder)
    if found is None:
        return ()
    if claim != SAVING:
        return quoted_towns.methods(config.society.name, found, f"results/{claim}.json")
    return tuple(_method(row) for row in found["figures"]["quoted_rows"])


def quoted_curves(config: Config, folder: Path = RESULTS) -> tuple[Curve, ...]:
    """Welfare against real decisions, for every method with at least two amounts of them."""
    claim, found = _about(config, folder)
    if found is None:
        return ()
    if claim != SAVING:
        return quoted_towns.curves(config.society.name, found, f"results/{claim}.json")
    rows = [row for row in found["figures"]["table"] if row["method"] in CURVES and row["decisions"]]
    rows.sort(key=lambda row: (row["method"], row["people"], row["decisions"]))
    curves = [list(group) for _, group in groupby(rows, key=lambda row: (row["method"], row["people"]))]
    return tuple(_curve(points) for points in curves if len(points) > 1)


def _method(row: Mapping[str, Any]) -> Method:
    welfare, gain = Interval(*row["welfare"]), Interval(*row["gain"])
    spent = Uncounted.TRUE_SOCIETY if row["decisions"] is None else row["decisions"]
    return Method(row["name"], row["label"], welfare, gain, spent, row["communities"], f"results/{SAVING}.json")


def _curve(rows: list[dict[str, Any]]) -> Curve:
    mean, low, high = np.array([row["welfare"] for row in rows], dtype=np.float64).T  # [P] each
    spent = np.array([row["decisions"] for row in rows], dtype=np.float64)
    label = f"{rows[0]['label']}, {rows[0]['people']}"
    who = str(rows[0]["people"])
    return Curve(CURVES[rows[0]["method"]], label, spent, mean, low, high, f"results/{SAVING}.json", who)
