"""The claim's verdict from finished parts: every paired interval must be clear of 0."""

from pathlib import Path

import pytest
import torch

from experiments.language_agents_choose_sites import Scale, Table, _outcome
from experiments.saving_work import Bench


def finished(folder: Path, scale: Scale, swm: float) -> None:
    """Parts in which PPO's welfare is about .4, k-median's about .45 and SWM-AP's `swm` above PPO's."""
    generator = torch.Generator().manual_seed(1)
    communities = 0.1 * torch.rand(1, scale.held_out, generator=generator)  # [1, C] what all methods share
    Bench(folder, "k_median", 0.0).part("judged", lambda: {"welfare": communities + 0.45})
    for seed in range(scale.seeds):
        bench = Bench(folder, f"learners-{seed}", 0.0)
        for budget in scale.budgets:
            own = communities + 0.4 + 0.01 * torch.rand(1, scale.held_out, generator=generator)
            bench.part(f"ppo-{budget}", lambda own=own: {"welfare": own})
            bench.part(f"swm_ap-{budget}", lambda own=own: {"welfare": own + swm})


@pytest.mark.parametrize(("swm", "passed"), [(0.1, True), (0.03, False), (-0.1, False)])
def test_it_passes_only_above_both_rivals_at_every_budget(tmp_path: Path, swm: float, passed: bool) -> None:
    scale = Scale(seeds=3, held_out=6, budgets=(2, 4))
    finished(tmp_path, scale, swm)
    outcome = _outcome(scale, tmp_path, smoke=True)
    assert outcome.passed == passed
    assert Table(scale, tmp_path).over("ppo", 2).value == pytest.approx(5 * swm, abs=1e-4)


def test_levels_are_sums_over_the_steps(tmp_path: Path) -> None:
    scale = Scale(seeds=2, held_out=5, budgets=(2,))
    finished(tmp_path, scale, 0.0)
    table = Table(scale, tmp_path)
    assert table.method("k_median", 2).shape == (2, 5)
    assert 5 * 0.45 <= table.level("k_median", 2).value <= 5 * 0.55
