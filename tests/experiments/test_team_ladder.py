"""The ladder of team formation: exact beliefs and plans by hand, and what a claim's run says of what was found."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.scripted import ScriptedPopulation
from experiments import headroom_team_formation, headroom_team_formation_iid, team_ladder
from experiments.headroom_team_formation import REFERENCE, claim
from experiments.standing import HELD_OUT_SEED
from experiments.team_knowledge import knowledge
from experiments.team_ladder import LABELS, ORDER, best_fixed, climb, known, ladder
from experiments.team_oracles import (
    Posterior,
    TeamPlanner,
    Truth,
    beliefs,
    evidence,
    marginals,
    role_vectors,
    roles_by_seat,
    without_slips,
)
from learning.draws import draws
from mechanism.explore import RandomRules
from mechanism.team_plans import OPTIONS, promises
from societies.base import Episode, PublicStep, State
from societies.library.team_formation import TeamFormation
from societies.play import Fixed, play
from societies.stage import Stage
from societies.team_features import features_of, seats_of, state_of
from societies.team_roles import PERMUTED
from societies.teams import ALL_TOGETHER, ALONE, DECISIONS, STEPS, partition_name, start
from tests.towns import four_gatherers, town

TEAM, IID = TeamFormation(), TeamFormation("team_formation_iid", roles="independent")
TOGETHER = torch.eye(OPTIONS)[ALL_TOGETHER]
AS_BEFORE = torch.zeros(1, OPTIONS)


def played(society: TeamFormation, worlds: int, seed: int = 1) -> Episode:
    d = draws(seed, 0, worlds)
    return play(society, ScriptedPopulation(False), town(society, 0, worlds), RandomRules(society, d), d).episode


def seen(episode: Episode, t: int) -> PublicStep:
    """What a principal saw before step t."""
    if t == 0:
        return PublicStep(0, episode.features[:, 0], None, None, None, None)
    last = [x[:, t - 1] for x in (episode.features, episode.mechanism, episode.response, episode.choice)]
    return PublicStep(t, episode.features[:, t], *last)


# beliefs


def together(state: State) -> State:
    """With everyone in one team already."""
    teams = state_of(state.features).under(TOGETHER.expand(len(state.features), -1))
    return replace(state, features=features_of(teams, seats_of(state.features)))


def test_one_step_is_weighed_by_the_chances_of_its_moves():
    people = four_gatherers()  # roles 0 to 3 by seat
    state = together(TEAM.reset(people))
    after = TEAM.step(state, AS_BEFORE, torch.tensor([[0, 0, 4, 1]]))  # as roles 0 to 3 mean to: up, up, stay, down
    told = evidence(
        0, state.features, AS_BEFORE, after.response, torch.tensor([[0, 1, 2, 3], [1, 0, 2, 3], [2, 1, 0, 3]])
    )
    right, wrong = math.log(0.92), math.log(0.02)
    assert told[0, 0] == pytest.approx(4 * right, abs=1e-5)
    assert told[0, 1] == pytest.approx(2 * right + 2 * wrong, abs=1e-5)  # they would have gone right and left
    assert told[0, 2] == pytest.approx(2 * right + 2 * wrong, abs=1e-5)


def test_what_cannot_be_is_ruled_out():
    people = four_gatherers()
    state = together(TEAM.reset(people))
    there = state.features.clone()
    there[..., -3:-1] = (torch.tensor([[0.0, 0], [0, 7], [7, 0], [7, 7]]) - 3.5) / 2  # everyone on its own corner
    state = type(state)(2, there, people)
    step = TEAM.step(state, AS_BEFORE, torch.full((1, 4), 4))
    told = evidence(2, there, AS_BEFORE, step.response, PERMUTED)
    assert int(told[0].isfinite().sum()) == 1  # what three took and one made leaves no other roles
    assert PERMUTED[told[0].argmax()].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("society", [TEAM, IID], ids=lambda society: society.name)
def test_the_truth_is_never_ruled_out_and_beliefs_stay_distributions(society: TeamFormation):
    episode = played(society, 8)
    hypotheses, roles = role_vectors(society), roles_by_seat(society, town(society, 0, 8))
    held = beliefs(society, episode)  # [B, T + 1, H]
    truth = (roles[:, None] == hypotheses).all(-1)
    assert truth.sum(-1).tolist() == [1] * 8
    assert bool(held.exp()[:, -1][truth].gt(1e-6).all())
    torch.testing.assert_close(held.exp().sum(-1), torch.ones(8, STEPS + 1))
    torch.testing.assert_close(
        held[:, 5].exp(), torch.full_like(held[:, 5], 1 / len(hypotheses))
    )  # alone tells nothing


def test_the_principal_keeps_the_same_beliefs_as_an_episode_holds():
    episode = played(IID, 3)
    believes = Posterior(IID)
    held, whole = believes.start(3), beliefs(IID, episode)
    for t in range(STEPS):
        held = believes.update(held, seen(episode, t))
        if t in (0, 6, 30, 49):
            torch.testing.assert_close(held, whole[:, t])


def test_exact_beliefs_are_calibrated():
    """Of 150 rosters under random partitions: as often right as they are sure, over all roles, after 20 steps."""
    episode = played(IID, 150)
    part = replace(episode, mechanism=episode.mechanism[:, :20])
    has = torch.nn.functional.one_hot(roles_by_seat(IID, town(IID, 0, 150)), 4).float()
    sure = marginals(beliefs(IID, part)[:, -1], role_vectors(IID))
    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.4, 0.8), (0.8, 1.01)):
        among = (sure >= low) & (sure < high)
        if int(among.sum()) > 50:
            error = (has[among] - sure[among]).mean()
            assert abs(float(error)) < 4 * 0.5 / math.sqrt(int(among.sum()))


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_marginals_of_permuted_roles_share_each_role_out(seed: int):
    held = (3 * torch.randn(2, 24, generator=torch.Generator().manual_seed(seed))).log_softmax(-1)
    each = marginals(held, PERMUTED)
    torch.testing.assert_close(each.sum(-1), torch.ones(2, 4))
    torch.testing.assert_close(each.sum(-2), torch.ones(2, 4))


def test_what_beliefs_know_at_first_and_after_a_stretch_together():
    people = town(TEAM, 0, 40)
    episode = play(TEAM, ScriptedPopulation(False), people, Fixed(TOGETHER), draws(1, 0, 40)).episode
    rows = knowledge(beliefs(TEAM, episode), roles_by_seat(TEAM, people), PERMUTED)
    first, second = rows[0], rows[1]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["joint_nll"] == pytest.approx(math.log(24), abs=1e-3)
    assert first["marginals_nll"] == pytest.approx(4 * math.log(4), abs=1e-3)
    assert first["total_correlation"] == pytest.approx(4 * math.log(4) - math.log(24), abs=1e-3)
    assert (second["step"], second["joint_right"], second["marginals_right"]) == (15, 1.0, 1.0)


# plans


def test_promises_by_hand():
    roles = torch.tensor([[0, 1, 2, 3]])
    last = promises(45, start(1), roles, without_slips)[0]  # five steps are too few to reach a corner from the middle
    assert float(last[ALONE]) == 0.0
    assert float(last[ALL_TOGETHER]) == pytest.approx(-5 * 0.6)
    first = promises(5, start(1), roles, without_slips)[0]
    assert float(first[ALONE]) > 0.0  # it may still be followed by something better
    # The makers take 6 steps to their corners, then make an item at every even step: 12 and 14 are in this stretch,
    # at .1 per step. The rest is best as two pairs until step 45, at .2 per step: 8 more items and 10 units stored.
    pair = [partition_name(m) for m in range(OPTIONS)].index("1+2, 3, 4")
    assert float(first[pair]) == pytest.approx((2 * 5 - 10 * 0.1) + (8 * 5 + 10 - 30 * 0.2), abs=1e-4)
    assert int(first.argmax()) not in (ALONE, ALL_TOGETHER)


def test_an_oracle_does_better_than_one_who_must_find_out_and_both_than_chance():
    teams = ladder("team_formation", 4, 2)
    fixed = best_fixed(teams)
    assert fixed.sum(-1).nonzero().flatten().tolist() == list(DECISIONS)
    found = climb(teams, fixed)
    assert set(found) == set(LABELS)
    assert {returns.shape for returns in found.values()} == {(4,)}
    assert float(found["oracle"].mean()) > float(found["bayes"].mean()) > float(found["random"].mean())


def test_a_probe_comes_first_and_only_there():
    people, d = town(TEAM, 0, 3), draws(1, 0, 3)
    principal = TeamPlanner(Posterior(TEAM), d, 2, first=ALL_TOGETHER)
    episode = play(TEAM, ScriptedPopulation(False), people, principal, d).episode
    assert torch.equal(episode.mechanism[:, 5], TOGETHER.expand(3, -1))
    assert episode.mechanism.any(-1).nonzero()[:, 1].unique().tolist() == list(DECISIONS)


def test_the_best_first_partition_is_chosen_on_training_rosters(monkeypatch: pytest.MonkeyPatch):
    def scored(stage: Stage, communities: int, principal: Callable[[int], TeamPlanner]) -> torch.Tensor:
        first, held_out = principal(0).first, stage.seed == HELD_OUT_SEED
        assert first is not None
        best = 9 if held_out else 4
        return torch.full((communities,), 100.0 * held_out - abs(first - best))

    monkeypatch.setattr(team_ladder, "scored", scored)
    first, level = team_ladder.best_first(ladder("team_formation", 3, 0), rosters=2)
    assert (first, level.tolist()) == (4, [95.0] * 3)  # told of the held-out rosters, where 9 would have been better


def test_who_is_told_is_sure():
    people = town(IID, 0, 4)
    held = Truth(IID, people).start(4)
    assert torch.equal(role_vectors(IID)[held.argmax(-1)], roles_by_seat(IID, people))
    torch.testing.assert_close(held.exp().sum(-1), torch.ones(4))


# the claim


def levels(shift: float = 0.0, **moved: float) -> dict[str, Tensor]:
    """Returns around the reference on 400 rosters."""
    noise = torch.linspace(-0.5, 0.5, 400)
    return {name: REFERENCE[name][0] + moved.get(name, shift) + noise for name in LABELS}


@pytest.mark.parametrize(
    ("found", "passed", "told"),
    [
        (levels(), True, "7 of 7 levels as before, rungs in order"),
        (levels(bayes=-1.0), False, "6 of 7 levels as before (not bayes), rungs in order"),
        (levels(oracle=-6.0), False, "OUT OF ORDER"),
        (levels(shift=3.0), False, "0 of 7"),
    ],
)
def test_every_level_and_the_order_decide(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, Tensor], passed: bool, told: str
):
    monkeypatch.setattr(team_ladder, "climb", lambda teams, fixed: found)
    monkeypatch.setattr(team_ladder, "best_fixed", lambda teams: TOGETHER.repeat(STEPS, 1))
    monkeypatch.setattr(team_ladder, "known", lambda teams: [])
    outcome = claim(smoke=True)
    assert outcome.passed is passed
    assert told in outcome.figure
    assert outcome.figures["best_fixed_sequence"] == ["1+2+3+4"] * 5


def test_references_are_of_rungs_that_there_are():
    for reference in (REFERENCE, headroom_team_formation_iid.REFERENCE, headroom_team_formation.REFERENCE):
        assert set(ORDER) <= set(reference) <= set(LABELS)


def test_what_is_known_is_told_for_every_moment():
    rows = known(ladder("team_formation", 3, 2))
    assert [row["step"] for row in rows if isinstance(row, dict)] == [*DECISIONS, STEPS]
