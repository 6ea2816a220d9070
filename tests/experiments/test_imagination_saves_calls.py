"""The claim about PPO's decisions: what is counted, when a curve has ended, when a point is reached, what resumes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from operator import methodcaller
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from agents.base import Decisions, Round
from agents.scripted import ScriptedPopulation
from experiments import imagination_saves_calls, provenance, saving_table, saving_units
from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.imagination_saves_calls import BAR, Run
from experiments.quoted import quoted_curves, quoted_methods
from experiments.saving_curves import final, joined_curve, longer, rises_at_the_end, soonest
from experiments.saving_methods import (
    ABLATIONS,
    SAME_PEOPLE,
    Place,
    Tensors,
    ablated,
    cma_curve,
    equal_updates,
    place,
    ppo_at,
    ppo_curve,
    saez_at,
    swm_at,
)
from experiments.saving_scale import (
    Options,
    Scale,
    gradient_steps,
    ppo_budget,
    ppo_horizon,
    ppo_trials,
    small,
    swm_budget,
    swm_trials,
)
from experiments.saving_table import Table, quoted_rows
from experiments.saving_verdict import AgainstCMA, Saving, holds, saving
from experiments.saving_work import Bench, Unit, do_all, done
from experiments.stages import TENSORS
from learning.draws import Draws
from learning.ppo import ppo_update
from mechanism import improve
from mechanism.improve import ImproveSettings
from mechanism.swm_ap import SWMSettings, made_now, most_episodes

EPISODE = 12 * 32  # decisions, warm-up included


@dataclass
class Counted(ScriptedPopulation):
    """Scripted people who count what they are asked."""

    decided: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        self.decided += round.choices.shape[0] * round.choices.shape[1]
        return super().decide(memory, round, draws)


@dataclass(frozen=True)
class Trial:
    """A place whose training decisions are counted apart from those of the evaluation."""

    people: Counted
    at: Place


@pytest.fixture
def trial() -> Trial:
    people = Counted()
    at = place(people, 0, 2)
    return Trial(people, Place(at.training, replace(at.judged, population=ScriptedPopulation()), 2))


def curve(levels: list[float], every: int = 100) -> Tensors:
    """A learning curve of one community."""
    return {
        "episodes": every * torch.arange(1, len(levels) + 1),
        "welfare": torch.tensor(levels, dtype=torch.float64)[:, None],
    }


# What is tried


def test_both_learners_get_equally_many_trials_the_first_as_they_are_and_the_rival_some_more():
    scale = Scale()
    ppo, swm = ppo_trials(scale), swm_trials(scale)
    assert len(swm) == scale.trials
    assert len(ppo) == scale.trials + len(scale.more_ppo) == len({str(x) for x in ppo}) > len(swm)
    assert (ppo[0], swm[0]) == (scale.ppo, scale.swm)
    assert (ppo, swm) == (ppo_trials(scale), swm_trials(scale))
    assert len({str(x) for x in swm}) == scale.trials


def test_every_trial_is_from_the_declared_lists():
    options, scale = Options(), Scale()
    for drawn in ppo_trials(scale)[1 : scale.trials]:
        assert drawn.ppo.learning_rate in options.rates
        assert drawn.ppo.entropy in options.entropies
        assert drawn.worlds in options.worlds
        assert drawn.copies == 1
    for drawn in swm_trials(scale)[1:]:
        assert drawn.penalty in options.penalties
        assert drawn.fit.soft_weight in options.soft_weights
        assert drawn.improve.iterations in options.iterations


# What is counted


@given(st.integers(1, 1000))
def test_swm_ap_never_spends_more_than_its_budget(episodes: int):
    assert most_episodes(swm_budget(SWMSettings(rounds=3), episodes)) == episodes


@given(st.integers(4, 1000), st.sampled_from([2, 25, 200]))
def test_ppo_spends_at_most_its_budget_and_nearly_all_of_it(episodes: int, worlds: int):
    settings = ppo_budget(ImproveSettings(worlds=worlds), episodes)
    spent = settings.worlds * (settings.iterations + 1)  # with those that observations are normalised by
    assert episodes - settings.worlds < spent <= episodes


def test_a_horizon_that_is_shorter_than_two_batches_is_refused():
    with pytest.raises(ValueError, match="too few for a batch of 100"):
        ppo_horizon(ImproveSettings(worlds=100), 199)


SMALL = small()
METHODS: dict[str, Callable[[Place], Tensors]] = {
    "ppo": lambda at: ppo_at(at, SMALL.ppo, 7, 0),
    "ppo curve": lambda at: ppo_curve(at, SMALL.ppo, 13, 4, 0),
    "equal updates": lambda at: equal_updates(at, SMALL.ppo, SMALL.swm, 4, 0),
    "swm_ap": lambda at: swm_at(at, SMALL.swm, 20, 0, made_now),  # 18 episodes to explore, one pair to check
    "cma_es": lambda at: cma_curve(at, False, SMALL.cma, 0),
    "saez": lambda at: saez_at(at, 3),
}


@pytest.mark.parametrize("method", METHODS)
def test_the_decisions_that_are_reported_are_those_that_people_were_asked_for(method: str, trial: Trial):
    found = METHODS[method](trial.at)
    assert int(found["episodes"][-1]) * EPISODE == trial.people.decided
    assert found["welfare"].shape == (len(found["episodes"]), 2)


def test_checkpoints_come_at_the_first_iteration_beyond_every_mark_and_at_the_end(trial: Trial):
    settings = replace(SMALL.ppo, worlds=3)
    assert ppo_curve(trial.at, settings, 24, 6, 0)["episodes"].tolist() == [6, 12, 18, 24]
    assert ppo_curve(trial.at, settings, 23, 8, 0)["episodes"].tolist() == [9, 18, 21]


def test_equal_updates_are_as_many_as_in_imagination(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    taken = list[float]()

    def counted(*given: object) -> dict[str, float]:
        told = ppo_update(*given)  # type: ignore[arg-type]
        taken.append(told["steps"])
        return told

    monkeypatch.setattr(improve, "ppo_update", counted)
    swm = replace(SMALL.swm, improve=replace(SMALL.swm.improve, iterations=3))
    swm_at(trial.at, swm, 4, 0, made_now)
    imagined = sum(taken)
    taken.clear()
    equal_updates(trial.at, SMALL.ppo, swm, 4, 0)
    assert sum(taken) == imagined == gradient_steps(swm)


class Enough(Exception):
    """The rest of the loop is not needed."""


def test_ablations_that_keep_the_world_model_would_have_fitted_the_very_same_one(trial: Trial):
    def fitted(settings: SWMSettings) -> Mapping[str, Tensor]:
        seen = list[Mapping[str, Tensor]]()

        def keep(part: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
            if part != "people-0":
                raise Enough
            seen.append({key: value.clone() for key, value in make().items()})
            return seen[0]

        with pytest.raises(Enough):
            swm_at(trial.at, settings, 3, 0, keep)
        return seen[0]

    whole = fitted(SMALL.swm)
    for name in SAME_PEOPLE:
        found = fitted(ablated(name, SMALL.swm))
        assert all(torch.equal(found[key], value) for key, value in whole.items())


def test_an_unknown_ablation_is_refused():
    with pytest.raises(ValueError, match="no_traits"):
        ablated("no_trait", SMALL.swm)


def test_without_traits_the_world_model_has_none_and_the_loop_still_runs(trial: Trial):
    settings = ablated("no_traits", SMALL.swm)
    assert settings.model.traits == 0
    found = swm_at(trial.at, settings, 4, 0, made_now)
    assert torch.isfinite(found["welfare"]).all()


# When a curve has ended


def test_a_longer_run_that_adds_less_than_its_error_adds_nothing():
    shorter = [curve([0.70]), curve([0.72]), curve([0.71])]
    same = [curve([0.71]), curve([0.715]), curve([0.708])]
    better = [curve([0.71]), curve([0.73]), curve([0.722])]
    found = longer({100: shorter, 130: same})
    assert found.added == pytest.approx(0.001)
    assert found.error == pytest.approx(np.std([0.01, -0.005, -0.002], ddof=1) / 3**0.5)
    assert found.nothing
    assert not longer({100: shorter, 130: better}).nothing
    assert (found.episodes, found.than) == (130, 100)


def test_the_end_of_a_curve_is_the_mean_of_its_last_tenth():
    assert final(curve([0.0] * 18 + [0.6, 0.8])).tolist() == pytest.approx([0.7])


def test_a_curve_that_still_climbs_is_told_from_one_that_wavers():
    climbing = [curve([0.6 + 0.01 * i + 0.001 * seed for i in range(20)]) for seed in range(3)]
    wavering = [curve([0.6 + 0.02 * ((i * 7 + 3 * seed) % 5) for i in range(20)]) for seed in range(3)]
    assert rises_at_the_end(climbing)
    assert not rises_at_the_end(wavering)


# What has been reached


def test_the_rival_is_the_horizon_that_gets_there_soonest():
    quick, slow = [curve([0.6, 0.7, 0.7]), curve([0.6, 0.7, 0.7])], [curve([0.5, 0.6, 0.7, 0.7])] * 2
    horizon, reaches = soonest({300: quick, 400: slow}, 0.7, EPISODE)
    assert horizon == 300
    assert [r.spent for r in reaches] == [200 * EPISODE] * 2
    lucky = [quick[0], quick[0], curve([0.6, 0.6, 0.7])]  # as quick in the median, but one never confirms it
    assert soonest({200: lucky, 300: [quick[0]] * 3}, 0.7, EPISODE)[0] == 300
    never, reaches = soonest({300: quick, 400: slow}, 0.9, EPISODE)
    assert (never, [r.reached for r in reaches]) == (400, [False, False])


def test_the_whole_gain_of_the_rival_is_that_of_the_horizon_that_ends_highest():
    ppo = {200: [curve([0.6, 0.8])] * 2, 300: [curve([0.6, 0.7, 0.7])] * 2}
    found = saving(ppo, [joined_curve([curve([0.8], 5), curve([0.8], 10)])] * 2, np.array([0.6]), EPISODE)
    assert (found.ppo_highest, found.ppo_final) == (200, pytest.approx(0.8))
    assert found.point == pytest.approx(0.79)


def test_the_share_is_the_ratio_of_the_medians_to_the_point():
    us = np.array([0.6])
    ppo = [curve([0.62, 0.65, 0.71, 0.73, 0.8, 0.8], every=1000) for _ in range(3)]  # point .79, at 5,000
    swm = [joined_curve([curve([0.7], 50), curve([0.8], 100), curve([0.795], 200)]) for _ in range(3)]
    found = saving({6000: ppo}, swm, us, EPISODE)
    assert found.point == pytest.approx(0.79)
    assert found.share.value == pytest.approx(100 / 5000)
    assert found.headline() == "1/50 (1/50 to 1/50) of PPO's decisions"


def against(swm_spent: float) -> tuple[Saving, AgainstCMA]:
    """PPO and CMA-ES at the point after 2,000 episodes, SWM-AP after so many."""
    us, rival = np.array([0.6]), [curve([0.7, 0.8, 0.8], every=1000)] * 3
    ours = [joined_curve([curve([0.8], int(swm_spent)), curve([0.8], int(2 * swm_spent))])] * 3
    found = saving({3000: rival}, ours, us, EPISODE)
    return found, AgainstCMA("cma_es_fixed", 0.8, 3000 * EPISODE, found.swm, found.ppo, found.share)


def test_the_claim_holds_only_where_both_bars_are_met_against_a_ppo_that_has_levelled_off():
    (near, cma_near), (far, cma_far) = against(100), against(101)  # 1/20 of 2,000, and just beyond
    _, cma_beyond = against(667)  # over a third
    assert holds(near, True, cma_near)
    assert holds(near, True, cma_far)
    assert not holds(near, False, cma_near)
    assert not holds(far, True, cma_near)
    assert not holds(near, True, cma_beyond)
    never = replace(near, share=replace(near.share, value=None))
    assert not holds(never, True, cma_near)


def test_seeds_that_never_reach_the_point_are_censored_not_dropped():
    us = np.array([0.6])
    ppo = [curve([0.7, 0.8, 0.8], every=1000) for _ in range(3)]
    there, never = curve([0.8, 0.8], 50), curve([0.7, 0.8], 50)  # the last checkpoint has no successor
    found = saving({3000: ppo}, [there, never, never], us, EPISODE)
    assert [r.reached for r in found.swm] == [True, False, False]
    assert found.share.value is None
    assert found.plain()["share"] is None
    assert "not reached" in found.headline()


# What goes on, and what is resumed


def put(folder: Path, unit: str, part: str, value: Tensors) -> None:
    target = folder / "stages" / unit / f"{part}.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    TENSORS.write(value, target)


def judged(episodes: int, *levels: float) -> Tensors:
    """One checkpoint: welfare by community."""
    return {"episodes": torch.tensor([episodes]), "welfare": torch.tensor([levels])}


def test_only_seeds_that_have_not_reached_the_point_go_on_and_only_while_the_bar_can_be_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scale = Scale(seeds=2, budgets=(5, 10), beyond=(20, 40, 80))
    put(tmp_path, "scripted-references", "us_federal", judged(0, 0.6))
    for seed, level in enumerate([0.8, 0.7]):
        for budget in scale.budgets:
            put(tmp_path, f"scripted-swm_ap-{seed}", str(budget), judged(budget, level))
    asked = list[tuple[str, int]]()

    def go_on(units: list[Unit], *_: object) -> None:
        for unit in units:
            budget: int = unit.work.args[2][0]  # type: ignore[attr-defined]
            asked.append((unit.name, budget))
            put(tmp_path, unit.name, str(budget), judged(budget, 0.7))

    monkeypatch.setattr(imagination_saves_calls, "do_all", go_on)
    needed = 400  # episodes of PPO: 1/20 of them is 20
    ppo = {800: [curve([0.8, 0.8], every=needed)] * 2}
    run = Run(scale, tmp_path, 1, 0.0, EPISODE)
    found = imagination_saves_calls._saving(run, scale.swm, ppo)  # pyright: ignore[reportPrivateUsage]
    assert needed * BAR == 20
    assert asked == [("scripted-swm_ap-1", 20), ("scripted-swm_ap-1", 40)]  # 40 to confirm 20; 80 could not help
    assert [r.reached for r in found.swm] == [True, False]


def test_a_finished_part_is_not_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = list[int]()

    def make() -> Tensors:
        made.append(1)
        return judged(5, 0.7)

    for _ in range(2):
        Bench(tmp_path, "unit", 0.0).part("5", make)
    assert len(made) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "unit, 5: welfare 0.7000" in line


def test_processes_share_the_units_out_and_the_first_error_is_raised(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    units = [
        Unit(f"unit-{i:.0f}", methodcaller("part", "all", partial(dict, welfare=torch.full((1, 1), i))))
        for i in (1.0, 2.0)
    ]
    do_all(units, tmp_path, 2, 0.0)
    assert [done(tmp_path, unit.name, "all")["welfare"].item() for unit in units] == [1, 2]
    assert len(capfd.readouterr().out.splitlines()) == 2
    broken = Unit("broken", methodcaller("part", "all", partial(torch.full, (1, 1))))  # says nothing to fill it with
    with pytest.raises(TypeError, match="full"):
        do_all([broken, *units], tmp_path, 2, 0.0)
    assert not (tmp_path / "stages/broken/all.safetensors").exists()


def test_work_of_other_settings_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small_run = small()
    monkeypatch.setattr(provenance, "MODEL_FOLDER", tmp_path)
    monkeypatch.setattr(imagination_saves_calls, "workplace", lambda name, smoke: tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")

    def open_with(scale: Scale) -> None:
        monkeypatch.setattr(imagination_saves_calls, "small", lambda: scale)
        imagination_saves_calls._open(smoke=True)  # pyright: ignore[reportPrivateUsage]

    open_with(small_run)
    open_with(small_run)
    with pytest.raises(UserError, match="other settings"):
        open_with(replace(small_run, seeds=11))
    (tmp_path / "model.safetensors").write_bytes(b"others")
    with pytest.raises(UserError, match="another embedded model"):
        open_with(small_run)


# The table


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """Two communities, two seeds, all in round numbers."""
    rates = torch.full((7,), 0.5)
    known: dict[str, Tensor] = {"best_fixed": rates}
    monkeypatch.setattr(saving_table, "known_schedules", lambda: known)
    monkeypatch.setattr(saving_table, "twin_gain", lambda: 0.04)
    for people in ("scripted", "embedded"):
        put(tmp_path, f"{people}-references", "us_federal", judged(0, 0.6, 0.62))
        put(tmp_path, f"{people}-references", saving_units.schedule_part("best_fixed", rates), judged(0, 0.7, 0.71))
        for seed in range(2):
            put(tmp_path, f"{people}-swm_ap-{seed}", "20", judged(20, 0.72, 0.73))
            put(tmp_path, f"{people}-rivals-{seed}", "ppo-20", judged(20, 0.61, 0.63))
    return Table(tmp_path, "scripted", 2, EPISODE)


def test_a_row_says_what_was_spent_and_gained(table: Table):
    row = table.learned("swm_ap", table.parts("swm_ap", "20"), 20)
    assert (row.decisions, row.seeds, row.communities) == (20 * EPISODE, 2, 2)
    assert row.welfare.value == pytest.approx(0.725)
    assert row.gain.value == pytest.approx(0.115)
    assert row.over_fixed is not None
    assert row.over_fixed.value == pytest.approx(0.02, abs=1e-6)
    assert row.share_of_twin == pytest.approx(0.5, abs=1e-4)


def test_the_twin_of_scripted_people_is_no_yardstick_for_others(table: Table):
    embedded = replace(table, people="embedded")
    assert embedded.learned("swm_ap", embedded.parts("swm_ap", "20"), 20).share_of_twin is None


def test_reports_can_quote_the_rows(table: Table):
    embedded = replace(table, people="embedded")
    rows = [t.learned("ppo", t.parts("rivals", "ppo-20"), 20) for t in (table, embedded)]
    rows.append(table.ended("ppo", [curve([0.65, 0.75], every=1000)] * 2))
    figures = {"table": [row.plain() for row in rows], "quoted_rows": quoted_rows(rows)}
    (table.folder / "imagination_saves_calls.json").write_text(json.dumps({"figures": figures}, allow_nan=False))
    demo = load_config(ROOT / "experiments/configs/demo.yaml")
    quoted = quoted_methods(demo, table.folder)
    assert [(m.name, m.decisions) for m in quoted] == [("ppo", 20 * EPISODE), ("ppo", 2000 * EPISODE)]
    assert [m.label.split(" (")[1] for m in quoted] == ["embedded language model)", "scripted people)"]
    (long,) = quoted_curves(demo, table.folder)
    assert long.decisions.tolist() == [20 * EPISODE, 2000 * EPISODE]


def test_ablations_are_set_beside_the_whole_method_of_their_own_seeds(table: Table):
    scale = replace(SMALL, seeds=2, ablation=20)  # one seed with ablations: the other's whole method must not count
    for name in ABLATIONS:
        put(table.folder, "scripted-swm_ap-0", name, judged(20, 0.70, 0.70))
    found = table.less_whole(scale)
    assert set(found) == set(ABLATIONS)
    assert found["no_traits"][0] == pytest.approx(-0.025)  # type: ignore[index]


def test_every_ablation_has_a_label():
    assert set(ABLATIONS) <= set(saving_table.LABELS)
