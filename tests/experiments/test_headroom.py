"""Lived episodes, the oracles that climb through them, and the ladder's own verdict."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from agents.scripted import ScriptedPopulation
from experiments import headroom_income_tax, ladder, oracles
from experiments.cli import app
from experiments.errors import ROOT
from experiments.headroom_income_tax import LABELS, REFERENCE, claim
from experiments.ladder import SMOKE, Found
from experiments.lived import Lived, live
from experiments.oracles import Climb, Each, Knows, Oracle, ascend, blank_twin
from experiments.stages import Stages
from learning.draws import Draws, draws
from personas.people import People
from personas.rosters import open_rosters
from personas.sample import Sampler
from societies.base import Society
from societies.catalog import load
from societies.play import Fixed
from societies.stage import Stage

SOCIETY = load("income_tax")
US = SOCIETY.default_mechanism()


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    found = open_rosters(ROOT / "personas/populations/communities.yaml", SOCIETY.agents)
    assert isinstance(found, Sampler)
    return found


@pytest.mark.parametrize("soft", [True, False])
def test_a_lived_episode_is_the_played_one(sampler: Sampler, soft: bool):
    """The twin is trained on exactly what it is scored on, whole replies or single actions."""
    twin = blank_twin(SOCIETY, torch.full((7,), 0.5), seed=3)
    with torch.no_grad():
        twin.policy.deviation[-1].weight.mul_(100)  # so that what it sees moves what it does
        lived = Lived(SOCIETY, sampler, 11, soft).rewards(twin, 5, 4)
        episode = Stage(SOCIETY, ScriptedPopulation(soft), sampler, 11).play(twin, 5, 4)
    assert episode.mechanism[:, 2:].std() > 0.01
    torch.testing.assert_close(lived, episode.welfare * episode.counted)


@pytest.mark.parametrize("direction", [[0, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0]])
def test_the_gradient_is_the_slope_of_welfare(sampler: Sampler, direction: list[int]):
    """Against the difference of two real schedules 10 points apart, over the same worlds."""
    lived, along = Lived(SOCIETY, sampler, 12), torch.tensor(direction, dtype=torch.float32)
    rates = torch.full((7,), 0.4, requires_grad=True)
    lived.rewards(Fixed(rates), 0, 100).mean().backward()
    assert rates.grad is not None
    with torch.no_grad():
        up, down = (lived.rewards(Fixed(0.4 + sign * 0.05 * along), 0, 100).mean() for sign in (1, -1))
    assert float(rates.grad @ along) == pytest.approx(float(up - down) / 0.1, rel=0.25)


def test_an_ascent_finds_the_top_in_spite_of_noise():
    def hill(x: Tensor, iteration: int) -> Tensor:
        noise = draws(7, iteration, 1).normal("slope", 0, 3)[0]
        return -((x - torch.tensor([1.0, -2.0, 0.5])) ** 2).sum() + (noise * x).sum()

    top = ascend(torch.zeros(3), hill, Climb(400, 1, 0.1))
    torch.testing.assert_close(top, torch.tensor([1.0, -2.0, 0.5]), atol=0.1, rtol=0)


def imagined(sampler: Sampler, knows: Knows) -> tuple[Tensor, Tensor, Tensor]:
    """Wages [2, 3, N], fairness as a score [2, 3, N] of three versions of two rosters, and the true fairness scores."""
    rosters = draws(21, 0, 2)
    people = sampler.people(rosters)
    versions = Oracle(SOCIETY, sampler, 21, knows).imagined(people, rosters, draws(99, 0, 6))
    wages, fair = versions.attribute("wage").unflatten(0, (2, 3)), versions.trait("fairness").unflatten(0, (2, 3))
    assert torch.equal(wages, people.attribute("wage")[:, None].expand(-1, 3, -1))
    return wages, fair.logit(), people.trait("fairness").logit()


def test_who_knows_everything_takes_the_people_as_they_are(sampler: Sampler):
    _, fair, truth = imagined(sampler, "everything")
    assert torch.equal(fair, truth[:, None].expand(-1, 3, -1))


def test_who_knows_the_community_is_wrong_about_persons_only(sampler: Sampler):
    """Within a community, the scores of fairness lie .5 around a mean of their own."""
    _, fair, truth = imagined(sampler, "community")
    assert (fair - truth[:, None]).abs().mean() > 0.2
    torch.testing.assert_close(fair.mean(-1), truth.mean(-1)[:, None].expand(-1, 3), atol=0.5, rtol=0)


def test_who_knows_wages_reckons_with_any_community(sampler: Sampler):
    _, fair, _ = imagined(sampler, "wages")
    assert fair.mean(-1).std(1).min() > 0.5


def test_oracles_climb_on_noise_of_their_own(sampler: Sampler):
    oracle, climb = Oracle(SOCIETY, sampler, 21, "everything"), Climb(4, 3)
    all_draws = [oracle._noise(torch.arange(5), i, climb) for i in range(4)]
    ids = torch.cat([d.episodes for d in all_draws])
    assert len(ids.unique()) == len(ids) == 4 * 5 * 3
    assert all(d.seed != oracle.seed for d in all_draws)


def test_whatever_the_batch_a_roster_meets_the_same_people_and_noise(sampler: Sampler, monkeypatch: pytest.MonkeyPatch):
    met: dict[int, list[tuple[Tensor, Tensor]]] = {1: [], 100: []}
    for batch, seen in met.items():

        def recorded(society: Society, people: People, principal: Each, noise: Draws, seen: Any = seen) -> Tensor:
            seen.append((noise.episodes, people.traits))
            return principal.mechanism

        monkeypatch.setattr(oracles, "live", recorded)
        monkeypatch.setattr(oracles, "BATCH", batch)
        Oracle(SOCIETY, sampler, 21, "community").best(US.expand(3, -1), Climb(2, 2))
    alone, together = ([torch.cat(x) for x in zip(*met[batch], strict=True)] for batch in met)
    for mine, theirs in zip(alone, together, strict=True):
        by_number = (alone[0].argsort(), together[0].argsort())
        assert torch.equal(mine[by_number[0]], theirs[by_number[1]])


def test_a_schedule_of_its_own_is_better_for_each_roster(sampler: Sampler):
    rules = Oracle(SOCIETY, sampler, 21, "everything").best(US.expand(3, -1), Climb(6, 1, 0.5))
    people, other = sampler.people(draws(21, 0, 3)), draws(500, 0, 3)
    gain = live(SOCIETY, people, Each(rules), other) - live(SOCIETY, people, Each(US.expand(3, -1)), other)
    assert gain.sum(1).min() > 0


def test_a_second_run_continues_and_agrees(sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tiny, one = replace(SMOKE, communities=2, saez_rosters=1), Climb(1, 1)
    tiny = replace(tiny, fixed=one, path=one, wages=one, community=one, everything=one, yearly=one)
    first = ladder.climb(tiny, Stages(tmp_path))
    monkeypatch.setattr(oracles, "ascend", None)  # nothing is to be found again
    again = ladder.climb(tiny, Stages(tmp_path))
    assert set(first.welfare) == set(LABELS)
    for name, returns in first.welfare.items():
        assert torch.equal(returns, again.welfare[name])
    assert len(first.welfare["twin"]) == 2
    assert torch.equal(first.best_path[:2], US.expand(2, -1))  # warm-up
    replayed = Stage(SOCIETY, ScriptedPopulation(), sampler, ladder.HELD_OUT_SEED).play(Fixed(first.best_path), 0, 2)
    assert torch.equal(first.welfare["best_path"], replayed.returns())


def found(**moved: float) -> Found:
    """A ladder as it should stand, with some rungs moved."""
    level = {**dict.fromkeys(LABELS, 0.7), **REFERENCE, "wages": 0.71, "community": 0.73, "everything": 0.75}
    spread = torch.tensor([-0.1, 0.0, 0.1])
    welfare = {name: spread + value + moved.get(name, 0.0) for name, value in level.items()}
    return Found(welfare, torch.full((7,), 0.7), torch.full((12, 7), 0.7), US, 0.4, 40.0, 0.0)


@pytest.mark.parametrize(
    ("moved", "passed"),
    [
        ({}, True),
        ({"saez": 0.019}, True),
        ({"saez": -0.021}, False),
        ({"twin": 0.03}, False),
        ({"wages": 0.03}, False),
        ({"everything": -0.03}, False),
    ],
)
def test_the_verdict(monkeypatch: pytest.MonkeyPatch, moved: dict[str, float], passed: bool):
    monkeypatch.setattr(headroom_income_tax, "climb", lambda scale, stages: found(**moved))
    assert claim(smoke=True).passed is passed


def test_the_figures_that_others_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(headroom_income_tax, "climb", lambda scale, stages: found())
    figures = claim(smoke=True).figures
    assert figures["best_fixed_rates"] == pytest.approx([0.7] * 7)
    assert figures["twin_gain"] == pytest.approx(REFERENCE["twin"] - REFERENCE["best_fixed"], abs=1e-5)
    assert figures["value_of_traits"] == pytest.approx([0.04] * 3, abs=1e-5)


def test_a_society_without_a_ladder_is_refused():
    told = CliRunner().invoke(app, ["headroom", "utopia"])
    assert told.exit_code == 2
    assert "no ladder for 'utopia'" in told.output
    assert "income_tax" in told.output
