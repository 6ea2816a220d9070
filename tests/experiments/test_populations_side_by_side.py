"""The claim about kinds of people: parts are kept, and it passes only when scripted people look like themselves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import populations_side_by_side as claimed
from experiments.compared_json import part_json
from experiments.compared_kinds import AGAIN
from experiments.populations_side_by_side import FRESH, KINDS, SMOKE, Scale, Town, Work, _outcome
from experiments.saving_work import Bench
from experiments.stages import JSON
from tests.experiments.test_compared_tables import part


def test_a_seed_is_played_once_and_its_parts_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scale = replace(SMOKE, rosters={"facility8": 1})
    work = Work("facility8", 0, scale)
    bench = Bench(tmp_path, work.name, 0.0)
    work(bench)
    kept = {file.name: file.read_bytes() for file in bench.stages.folder.glob("*.json") if file.stem != "seconds"}
    assert set(kept) == {f"{name}.json" for name in (*KINDS, AGAIN, FRESH)}
    monkeypatch.setattr(claimed, "train", lambda *_: pytest.fail("they were trained again"))
    monkeypatch.setattr(claimed, "play", lambda *_: pytest.fail("it was played again"))
    (bench.stages.folder / "rl.json").unlink()
    with pytest.raises(BaseException, match="played again"):  # only what is missing
        work(bench)
    (bench.stages.folder / "rl.json").write_bytes(kept["rl.json"])
    work(bench)
    told = {name: JSON.read(bench.stages.folder / f"{name}.json") for name in (*KINDS, AGAIN, FRESH)}
    assert told["scripted"]["cells"]["answer"] != told[FRESH]["cells"]["answer"]  # other people
    assert told["scripted"]["cells"]["elasticity"] != told[AGAIN]["cells"]["elasticity"]  # the same, other draws


def finished(folder: Path, scale: Scale, shift: float, **odd: Any) -> dict[str, Town]:
    """Parts of two societies in which fresh scripted people work `shift` more under a rule, and RL people 5 more."""
    moved = {"rl": 5.0, FRESH: shift}
    for society in scale.rosters:
        for seed in range(scale.seeds):
            bench = Bench(folder, Work(society, seed, scale).name, 0.0)
            for place, kind in enumerate((*KINDS, AGAIN, FRESH)):
                made = part(seed, moved.get(kind, 0.0), 0.3 * place)
                made.cells["answer"]["a"] = float(made.cells["answer"]["a"]) + noise_of(seed, place)
                made.cells["signature"].update(odd.get(f"{kind}_{seed}", {}))
                one = replace(made, chosen=np.ones((2, _choices(society))) / _choices(society))
                bench.stages.get(kind, JSON, lambda one=one: part_json(one))
    return {society: Town(society, scale, folder) for society in scale.rosters}


def noise_of(seed: int, place: int) -> float:
    """Noise of a kind in a seed."""
    return 0.2 * float(np.random.default_rng([seed, place]).normal())


def _choices(society: str) -> int:
    return {"income_tax": 21, "facility8": 6}[society]


WHOLE = Scale(seeds=10)


@pytest.mark.parametrize(("shift", "passed"), [(0.0, True), (3.0, False)])
def test_it_passes_only_where_scripted_people_look_like_themselves(tmp_path: Path, shift: float, passed: bool) -> None:
    outcome = _outcome(finished(tmp_path, WHOLE, shift), WHOLE, smoke=True)
    assert outcome.passed == passed
    found: Any = outcome.figures
    assert found["rl_against_scripted"]["p"] == pytest.approx(2 / 1024)  # the same test finds what is there
    assert found["income_tax"]["cells"]["rl"]["answer"]["a"].keys() == {"mean", "low", "high"}
    assert any("RL people and scripted people differ" in text for text in found["facility8"]["findings"])


def test_a_cell_that_one_seed_lacks_or_too_few_seeds_do_not_pass(tmp_path: Path) -> None:
    one = replace(WHOLE, rosters={"facility8": 48})
    gap = {"llm_3": {"habit": "these people leave nothing to chance"}}
    assert not _outcome(finished(tmp_path / "gap", one, 0.0, **gap), one, smoke=True).passed
    few = replace(one, seeds=9)
    assert not _outcome(finished(tmp_path / "few", few, 0.0), few, smoke=True).passed
