"""A run on the street: rules of every family beside the learned one, with the same people."""

from pathlib import Path

import pytest
import torch

from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.estimate import estimate
from experiments.findings import report_data
from experiments.live import Live
from experiments.pipeline import Finished, execute, plan
from experiments.runs import open_run
from mechanism.baselines.line import best_percentiles

CONFIG = ROOT / "experiments/configs/facility_line.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    config = load_config(CONFIG, [], smoke=True)
    with open_run(config, tmp_path_factory.mktemp("runs")) as run, Live("line", plan(config)) as live:
        found = execute(config, run, live)
        assert report_data(run, found).places == ()
    return found


def test_every_rule_places_the_stall_as_its_family_does(finished: Finished):
    played = {e.name: e.episode for e in finished.evaluated}
    for name, rule in {
        "median": lambda r: r.median(-1).values,
        "mean": lambda r: r.mean(-1),
        "midpoint": lambda r: (r.amin(-1) + r.amax(-1)) / 2,
    }.items():
        reports, place = played[name].response[..., 0], played[name].features[:, 1:, 0, 3]
        torch.testing.assert_close(place, rule(reports))


def test_the_best_percentile_is_that_of_what_was_reported(finished: Finished):
    reports = finished.outcome.episodes.response[..., 0].flatten(0, 1)
    played = next(e for e in finished.evaluated if e.name == "best_percentile")
    assert torch.equal(played.episode.mechanism[0, 0], best_percentiles(reports, 1))
    assert played.decisions == finished.outcome.real_episodes * 6 * 9


def test_rules_of_towns_and_taxes_are_refused_on_the_street(tmp_path: Path):
    config = load_config(CONFIG, ["baselines=[saez, median]"], smoke=True)
    with open_run(config, tmp_path) as run, Live("line", plan(config)) as live, pytest.raises(UserError, match="saez"):
        execute(config, run, live)


@pytest.mark.parametrize("people", ["population.kind=rl", "population.mix.rl=0.25"])
def test_people_who_are_trained_meet_rules_of_one_family(people: str):
    with pytest.raises(UserError, match=r"^mean and midpoint and best_percentile: RL people of facility_line") as found:
        estimate(load_config(CONFIG, [people], smoke=True))
    assert "baselines=[median, uniform_phantom, constrained_median]" in str(found.value.fix)
    estimate(load_config(CONFIG, [people, "baselines=[uniform_phantom, flat_50]"], smoke=True))
