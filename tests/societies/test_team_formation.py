"""Team formation as a society: seats, roles, decisions, words, and what is refused."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agents.llm.engine import Request
from agents.llm.journal import Journal
from agents.llm.mock import MockEngine
from agents.llm.population import LanguagePopulation
from agents.scripted import ScriptedPopulation
from learning.draws import draws
from personas.people import People
from societies import mechanisms
from societies.base import Options
from societies.library.team_formation import TeamFormation
from societies.mechanisms import check, in_force
from societies.play import Fixed, Played, play
from societies.team_features import by_seat, features_of, seats_of, state_of
from societies.team_roles import advance, duties, intended
from societies.teams import ALL_TOGETHER, DECISIONS, STAY, STEPS, partition_name, start
from tests.towns import four_gatherers, town

TEAM, IID = TeamFormation(), TeamFormation("team_formation_iid", roles="independent")


def option(name: str) -> Tensor:
    """[15]"""
    return mechanisms.option(TEAM, name)


def played(rules: Tensor, people: People, seed: int = 1) -> Played:
    return play(TEAM, ScriptedPopulation(), people, Fixed(rules), draws(seed, 0, people.worlds))


# seats and roles


def test_who_came_first_has_the_first_seat():
    census = TEAM.census(torch.tensor([[[0.7], [0.1], [0.9], [0.3]]]), ("arrival",))
    assert seats_of(census)[0].argmax(-1).tolist() == [2, 0, 3, 1]
    places = census[0, :, -3:-1] * 2 + 3.5
    assert places.tolist() == [[4, 3], [3, 3], [4, 4], [3, 4]]


def test_permuted_roles_go_by_rank_and_independent_ones_by_quarters():
    people = four_gatherers((0.9, 0.3, 0.4, 0.1))
    assert TEAM.roles_of(people)[0].tolist() == [3, 1, 2, 0]
    assert IID.roles_of(people)[0].tolist() == [3, 1, 1, 0]
    assert IID.roles_of(four_gatherers((0.0, 0.25, 0.5, 1.0)))[0].tolist() == [0, 1, 2, 3]


def test_sampled_rosters_have_every_role_once_or_any():
    people = town(TEAM, 0, 2000)
    assert torch.equal(TEAM.roles_of(people).sort(-1).values, torch.arange(4).expand(2000, -1))
    shares = torch.nn.functional.one_hot(IID.roles_of(people), 4).float().mean((0, 1))
    torch.testing.assert_close(shares, torch.full((4,), 0.25), rtol=0, atol=0.02)


def test_features_hold_the_whole_public_state():
    episode = played(option("1+3, 2+4"), town(TEAM, 0, 3)).episode
    for t in (0, 17, STEPS):
        features = episode.features[:, t]
        assert torch.equal(features_of(state_of(features), seats_of(features)), features)


# decisions


def test_teams_change_before_five_steps_and_stay_between():
    path = torch.zeros(STEPS, 15)
    path[:] = option("1+2, 3+4")  # proposed all the time
    path[15] = 0.0  # but for one decision
    path[25] = option("1+2+3+4")
    episode = played(path, town(TEAM, 0, 2)).episode
    assert episode.mechanism.any(-1)[0].nonzero().flatten().tolist() == [5, 25, 35, 45]
    upkeep = episode.accounts["upkeep"][0]
    torch.testing.assert_close(upkeep[:5], torch.zeros(5))
    torch.testing.assert_close(upkeep[5:25], torch.full((20,), 0.2))
    torch.testing.assert_close(upkeep[25:35], torch.full((10,), 0.6))
    assert [t for t in range(STEPS) if TEAM.decides(t, episode.features[:, 0]).any()] == list(DECISIONS)


def test_the_return_is_what_was_earned_less_the_cost_of_company():
    episode = played(option("1+2+3+4"), town(TEAM, 0, 30)).episode
    earned = episode.features[:, -1, :, TEAM.feature_names.index("earnings")].sum(-1) * 32
    torch.testing.assert_close(STEPS * episode.returns(), earned - 45 * 0.6)
    assert 20 < float(STEPS * episode.returns().mean()) < 33  # at most 10 items and 10 units of basic 3, less 27


def test_what_was_taken_crafted_and_stored_does_not_follow_from_moves_alone():
    path = torch.zeros(STEPS, 15)
    path[5] = torch.eye(15)[ALL_TOGETHER]
    episode = played(path, town(TEAM, 0, 5)).episode
    alone = TEAM.respond(episode.action[:, 20])
    assert torch.equal(alone[..., :5], episode.response[:, 20, :, :5])
    assert not alone[..., 5:].any()
    assert episode.response[:, :, :, 5:].any()


def test_private_payoffs_add_up_to_welfare():
    found = played(option("1+2+3+4"), town(TEAM, 0, 4))
    torch.testing.assert_close(found.sealed.payoff.sum(-1), found.episode.welfare)


# bad input


@pytest.mark.parametrize(
    ("proposed", "message"),
    [
        (torch.zeros(52), r"team_formation, step 5: rules of shape \(52,\); need \[15\]"),  # partitions of five agents
        (torch.ones(1, 15), "team_formation, step 5: .* one of 15 options by 1 .* found 15 marked"),
        (option("1+2+3+4") + option("1, 2, 3, 4"), "found 2 marked"),
        (0.5 * option("1+2+3+4"), "one of 15 options by 1"),
    ],
)
def test_what_is_no_partition_is_refused(proposed: Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        check(TEAM, 5, proposed, 1)


@pytest.mark.parametrize("name", ["1+2, 3, 4, 5", "1+2, 3", "2+1, 3, 4", ""])
def test_partitions_of_another_size_are_refused_by_name(name: str):
    with pytest.raises(
        ValueError, match=rf"team_formation: '{re.escape(name)}' is none of its 15 options: 1\+2\+3\+4; "
    ):
        option(name)


@pytest.mark.parametrize("agents", [3, 5])
def test_other_rosters_are_refused_with_the_societys_name(agents: int):
    with pytest.raises(ValueError, match=f"team_formation: {agents} agents; there must be 4"):
        TEAM.reset(town(TEAM, 0, 1, agents))


def test_unknown_kinds_of_roles_are_refused():
    with pytest.raises(
        ValueError, match="team_formation: kind of roles 'twins' is not known; choose one of: permuted, independent"
    ):
        TeamFormation(roles="twins")


def test_options_are_not_rates():
    features = TEAM.reset(town(TEAM, 0, 1)).features
    assert not in_force(TEAM, 4, features, option("1+2+3+4")[None]).any()


# words


def test_the_words_of_one_round():
    state = TEAM.reset(four_gatherers())
    state = TEAM.step(state, torch.zeros(1, 15), torch.tensor([[4, 4, 1, 4]])).state
    views = TEAM.look(state, option("1+3+4, 2")[None])[0]
    told = TEAM.tell(views[2], state.people.persona(0, 2))
    assert told.user == (
        "Round 2. You are number 3, in row 6, column 4. You gather good 3 and keep good 4. Nothing is wanted of you. "
        "Left in the corners: 10, 10, 10, 10. Your team holds: 0, 0, 0, 0. In your team: 1, 4."
    )
    assert TEAM.tell(views[3], state.people.persona(0, 3)).user.startswith(
        "Round 2. You are number 4, in row 5, column 5. You gather good 4 and keep good 1. Wanted of you: good 4."
    )
    assert TEAM.tell(views[1], state.people.persona(0, 1)).user.endswith("You are alone.")


def test_the_rules_tell_the_true_corners_and_moves():
    system = TEAM.tell(
        TEAM.look(TEAM.reset(four_gatherers()), torch.zeros(1, 15))[0, 0], four_gatherers().persona(0, 0)
    )
    corners = re.findall(r"good (\d) in row (\d), column (\d)", system.system)
    assert corners == [("1", "1", "1"), ("2", "1", "8"), ("3", "8", "1"), ("4", "8", "8")]
    assert json.loads(re.findall(r"\{.*\}", system.system)[0])["move"] in TEAM.choice_names
    assert "up, down, left, right or stay" in system.system


def test_groups_are_the_teams_by_seat():
    features = TEAM.census(torch.tensor([[[0.7], [0.1], [0.9], [0.3]]]), ("arrival",))  # seats 3, 1, 4, 2
    assert isinstance(TEAM.mechanism, Options)
    groups = TEAM.mechanism.groups(features)[0]  # [15, 4, 4]
    team = groups[TEAM.mechanism.names.index("1+3, 2, 4")].argmax(0)
    assert team[0] == team[1]
    assert len(set(team.tolist())) == 3
    assert partition_name(ALL_TOGETHER) == "1+2+3+4"


# language models


def reader(request: Request) -> int:
    """A model that knows nothing but the words, and walks where it is wanted."""
    told = request.question.user
    row, column = (int(x) for x in re.findall(r"in row (\d), column (\d)", told)[0])
    stock = [int(x) for x in re.findall(r"Left in the corners: ([\d, ]+)", told)[0].split(", ")]
    wanted = re.findall(r"Wanted of you: good (\d)", told)
    if not wanted or not stock[int(wanted[0]) - 1]:
        return STAY
    corners = re.findall(r"good (\d) in row (\d), column (\d)", request.question.system)
    down, right = next((int(r) - row, int(c) - column) for good, r, c in corners if good == wanted[0])
    if (down, right) == (0, 0):
        return STAY
    return (1 if down > 0 else 0) if abs(down) >= abs(right) else (3 if right > 0 else 2)


@pytest.mark.parametrize("society", [TEAM, IID], ids=lambda society: society.name)
def test_a_model_that_reads_the_words_plays_like_who_never_slips(society: TeamFormation, tmp_path: Path):
    people, rules = town(society, 3, 1), Fixed(option("1+2+3+4"))
    with Journal(tmp_path / "journal.sqlite") as journal:
        language = LanguagePopulation(MockEngine(reader), journal)
        episode = play(society, language, people, rules, draws(1, 3, 1)).episode
    assert not episode.fallbacks
    seats = seats_of(episode.features[:, 0])
    state, roles, total = start(1), by_seat(society.roles_of(people), seats), 0.0
    for t in range(STEPS):
        state = state.under(episode.mechanism[:, t])
        duty = duties(roles, state.together)
        state, welfare = advance(t, state, duty, intended(state, duty))
        total += float(welfare)
    assert float(STEPS * episode.returns()) == pytest.approx(total, abs=1e-3)
