"""Figures that a run quotes from `results/` instead of measuring them again."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.errors import ROOT, UserError
from experiments.files import read_json

RESULTS = ROOT / "results"


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
