"""The tables of the facility towns: what is counted, what the yardsticks mean, when a bar is met, what resumes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import town_claim
from experiments.errors import UserError
from experiments.saving_curves import Longer, finals, lengthened
from experiments.saving_verdict import Saving
from experiments.saving_work import done
from experiments.statistics import Interval, Reach, Share, gap_share, interquartile_mean, seed_interval
from experiments.town_methods import ABLATIONS, ablated, due, place
from experiments.town_scale import TownScale, policy_updates, small, swm_budget
from experiments.town_table import LABELS
from experiments.town_trials import swm_trials
from experiments.town_verdict import Verdict
from learning.draws import draws
from mechanism.swm_ap import most_episodes
from societies.facilities import Facilities

CERTAIN = Interval(0.0, 0.0, 0.0)


def test_a_share_of_the_way_counts_from_one_yardstick_to_the_other():
    low, high = np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 5.0])
    share = gap_share(np.stack([low + 0.5, low + 1.5]), low, high)
    assert share.value == pytest.approx(0.5)
    assert 0.25 <= share.low <= share.value <= share.high <= 0.75
    assert gap_share(high[None], low, high).low == pytest.approx(1.0)
    with pytest.raises(ValueError, match="the same"):
        gap_share(high[None], low, low)


def test_the_interquartile_mean_drops_a_quarter_at_either_end():
    found = interquartile_mean([[0.0, 1.0, 2.0, 100.0], [-50.0, 1.5, 1.5, 2.0]])
    assert found.value == pytest.approx((1.0 + 1.5 + 1.5 + 2.0) / 4)
    assert found.low <= found.value <= found.high
    with pytest.raises(ValueError, match="no tasks"):
        interquartile_mean([])


def test_seeds_are_resampled_within_their_own_task():
    found = interquartile_mean([[0.0] * 8, [1.0] * 8])  # every resample has eight of each
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_budget_is_spent_to_the_last_episode():
    for budget in TownScale().budgets:
        assert most_episodes(swm_budget(TownScale().swm, budget)) == budget


def test_every_ablation_has_a_name_and_changes_something():
    whole = TownScale().swm
    for name in ABLATIONS:
        assert name in LABELS
        assert ablated(name, whole) != whole
    with pytest.raises(ValueError, match="no ablation 'other'"):
        ablated("other", whole)


def test_gradient_steps_of_the_policy_are_counted():
    swm = swm_trials()[
        0
    ]  # 1,000 planned episodes, 10 epochs in batches of 200; 4 iterations of 4 epochs in 4 minibatches
    assert policy_updates(swm, 5) == 10 * (1000 * 5 // 200) + 4 * 4 * 4


@pytest.mark.parametrize(("spent", "judged"), [(20, False), (40, True), (60, False), (100, True)])
def test_curves_are_judged_now_and_then_and_at_the_end(spent: int, judged: bool):
    assert due(spent, 20, 40, 110) is judged


def test_who_is_told_learns_of_the_same_people_in_the_same_town():
    plain, told = place("facility8", 0, 4), place("facility8", 0, 4, told=True)
    known, seen = told.training.census(0, 5), plain.training.census(0, 5)
    assert torch.equal(known[..., :-1], seen)
    town, people = told.training.society, plain.training.rosters.people(draws(plain.training.seed, 0, 5))
    assert isinstance(town, Facilities)
    assert torch.equal(known[..., -1], people.traits[..., 0])
    response = town.respond(torch.ones(5, 8, dtype=torch.long))
    after = town.settle(known, torch.eye(64)[:5], response).features
    assert torch.equal(after[..., -1], known[..., -1])
    assert torch.equal(town._last(after), response)  # pyright: ignore[reportPrivateUsage]


def verdict(**changes: object) -> Verdict:
    reached = [Reach(160.0, True)] * 3
    saved = Saving(2.0, 2.5, 2000, 2.47, False, 2000, [Reach(160_000.0, True)] * 3, reached, Share(0.001, 0.001, 0.002))
    good = Verdict(
        "facility32",
        saved,
        {"ppo": Interval(0.1, 0.05, 0.15)},
        CERTAIN,
        Interval(0.9, 0.8, 1.0),
        True,
        (),
    )
    return replace(good, **changes)


def test_every_bar_has_to_be_met():
    assert all(verdict().bars.values())
    unreached = replace(verdict().saving, share=Share(None, None, None))
    for changes, missed in [
        ({"saving": unreached}, "saving"),
        ({"saving": replace(unreached, share=Share(0.05, 0.04, 0.06))}, "saving"),
        ({"over": {"mbpo": Interval(0.1, -0.01, 0.2)}}, "above_every_baseline"),
        ({"less_planned": Interval(-0.02, -0.03, 0.0)}, "near_planning"),
        ({"recovered": Interval(0.79, 0.7, 0.9)}, "recovered"),
        ({"levelled_off": False}, "ppo_levelled_off"),
        ({"rising": ("dreamer",)}, "no_baseline_rises_at_its_end"),
    ]:
        found = verdict(**changes)
        assert [name for name, met in found.bars.items() if not met] == [missed]
        assert f"MISSED ['{missed.replace('_', ' ')}']" in found.headline()


def test_a_longer_run_has_to_add_little_for_certain():
    def little(added: float, error: float, seeds: int = 10) -> bool:
        return Longer(2, 1, added, error, seeds).little(gain=0.5)

    assert little(0.001, 0.002)
    assert not little(0.001, 0.006)  # nothing, as far as is known: too little is
    assert not little(0.003, 0.002)  # certain, but more than nothing
    assert not little(0.001, 0.0025, seeds=3)  # of so few seeds the error itself is hardly known


def test_schedules_are_lengthened_until_they_add_little():
    ends = {1: (0.5, 0.5), 2: (0.53, 0.47), 3: (0.5005, 0.4995), 4: (0.9, 0.9)}

    def of(horizon: int) -> list[dict[str, torch.Tensor]]:
        return [{"episodes": torch.tensor([1]), "welfare": torch.full((1, 2), end)} for end in ends[horizon]]

    assert list(lengthened(of, tuple(ends))[0]) == [1, 2]  # no more than its error
    assert list(lengthened(of, (1, 2, 4), untaught=0.0)[0]) == [1, 2, 4]  # which may still be much
    assert list(lengthened(of, (1, 3, 4), untaught=0.0)[0]) == [1, 3]


def test_curves_of_other_lengths_are_not_of_one_learner():
    short, long = (
        {"episodes": torch.tensor(spent), "welfare": torch.zeros(len(spent), 2)} for spent in ([160, 320], [160, 640])
    )
    with pytest.raises(ValueError, match="different episodes"):
        finals([short, long])


def test_an_interval_over_few_seeds_is_students():
    found = seed_interval([1.0, 2.0, 3.0])  # t with 2 degrees of freedom is 4.3027
    assert (found.value, found.high) == pytest.approx((2.0, 2.0 + 4.3027 / 3**0.5), abs=1e-4)
    assert found.value - found.low == pytest.approx(found.high - found.value)
    assert seed_interval([5.0]) == Interval(5.0, 5.0, 5.0)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(town_claim, "small", lambda: replace(small(), seeds=2, budgets=(1, 4)))
    monkeypatch.setattr(town_claim, "workplace", lambda name, smoke, tracked: tmp_path / name)
    monkeypatch.setattr(town_claim, "result_file", lambda name, smoke: tmp_path / f"{name}.json")
    return tmp_path


def test_a_small_run_makes_the_whole_table_and_a_figure_and_resumes(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    first = town_claim.outcome("table", ("facility8",), smoke=True)
    town = json.loads(json.dumps(first.figures))["towns"]["facility8"]
    rows, gains = town["table"], {row["method"]: row["gain"][0] for row in town["table"]}
    assert gains["random"] == 0.0
    assert gains["oracle"] > 0
    assert [points[0] for points in town["curves"]["swm_ap"]] == [1, 4]
    assert set(town["curves"]) == {"swm_ap", "planned", "ppo", "recurrent", "mbpo", "dreamer"}
    told = [(row["method"], row["episodes"]) for row in rows]
    assert {method for method, _ in told} == set(LABELS)
    assert ("swm_ap", 1) in told
    assert ("planned", 4) in told
    over = next(row["over"] for row in rows if row["method"] == "no_traits")
    assert set(over) == {"swm_ap", "ppo", "recurrent", "mbpo", "dreamer"}
    ours, theirs = (
        5 * done(tiny / "table", f"facility8-{unit}-0", part)["welfare"].mean()
        for unit, part in (("ablations", "no_traits"), ("swm_ap", "4"))
    )
    assert over["swm_ap"][0] == pytest.approx(float(ours - theirs), abs=1e-4)
    assert (tiny / "table-facility8.svg").read_bytes().startswith(b"<?xml")
    assert not first.passed
    assert "facility8-mbpo-1, curve" in capsys.readouterr().out
    again = town_claim.outcome("table", ("facility8",), smoke=True)
    assert capsys.readouterr().out == ""  # nothing was made a second time
    assert again == first
    monkeypatch.setattr(town_claim, "small", lambda: replace(small(), held_out=5))
    with pytest.raises(UserError, match="other settings"):
        town_claim.outcome("table", ("facility8",), smoke=True)
