"""Hidden kinds in teams: what was seen is possible, likelihoods add up, and roles are found again with few episodes."""

from itertools import permutations

import pytest
import torch

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from mechanism.explore import RandomRules
from societies.base import Episode
from societies.library.team_formation import society
from societies.play import play
from societies.team_features import by_seat, seats_of, state_of
from societies.teams import Events
from tests.towns import town
from world_model.team_facts import Moment, counted, of_episode, read
from world_model.team_kinds import ASSIGNMENTS, TeamFit, TeamModel, fit_teams, pairs

TEAMS = society()


def lived(start: int, worlds: int) -> Episode:
    d = draws(3, start, worlds)
    return play(TEAMS, ScriptedPopulation(False), town(TEAMS, start, worlds), RandomRules(TEAMS, d), d).episode


def test_pairs_tell_own_kind_and_who_is_in_the_team():
    together = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    found = pairs(torch.tensor([0, 3, 1, 1]), together)
    assert found.tolist() == [0 * 16 + 0b1001, 3 * 16 + 0b1001, 1 * 16 + 0b0100, 1 * 16 + 0b0100]


@pytest.mark.parametrize("step", [5, 18, 31, 44])
def test_whatever_was_seen_is_possible(step: int):
    episode = lived(0, 20)
    features = episode.features[:, step]
    state = state_of(features).under(episode.mechanism[:, step])
    events = Events.of(by_seat(episode.response[:, step], seats_of(features)))
    possible = Moment(state, torch.tensor([step % 2 == 0])).possible(events)
    assert torch.equal(possible.packed(), events.packed())


def test_likelihoods_of_steps_add_up_and_depend_on_kinds_and_teams_only():
    episode, model = lived(0, 2), TeamModel(0)
    with torch.no_grad():
        whole = model.told(of_episode(episode))
        lived_through = (episode.features, episode.mechanism, episode.response)
        steps = [model.told(read(*(x[:, t : t + 1] for x in lived_through), first=t)) for t in range(50)]
        by_counts = model.counted(counted(of_episode(episode)))
    torch.testing.assert_close(torch.stack(steps).sum(0), whole, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(by_counts, whole, rtol=1e-4, atol=1e-2)
    assert float(model.prior().exp().sum()) == pytest.approx(1.0)
    assert model.prior().unique().numel() > 1  # before anything is known every bag of kinds is as likely


def test_roles_are_found_again_in_rosters_never_seen():
    model = fit_teams(of_episode(lived(0, 12)), 0, TeamFit(starts=2))
    others = lived(1000, 60)
    roles = TEAMS.roles_of(town(TEAMS, 1000, 60))
    truth = by_seat(roles, seats_of(others.features[:, 0]))
    with torch.no_grad():
        held = (model.told(of_episode(others)) + model.prior()).argmax(-1)
    right = [
        float((torch.tensor(names)[ASSIGNMENTS[held]] == truth).float().mean()) for names in permutations(range(4))
    ]
    assert max(right) > 0.9
    bags = torch.tensor([len(set(row.tolist())) == len(row) for row in ASSIGNMENTS])
    assert float(model.prior().exp()[bags].sum()) > 0.7  # it learned that every role is there once
