"""Hidden kinds in teams: what was seen is possible, likelihoods add up, and roles are found again with few episodes."""

from dataclasses import replace
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
from societies.teams import Events, start
from tests.towns import town
from world_model.team_facts import SITUATIONS, Moment, counted, of_episode, read
from world_model.team_kinds import Kinds, TeamFit, TeamModel, fit_teams, refit

TEAMS = society()
ASSIGNMENTS = Kinds(4).assignments  # [A, N]


def lived(start: int, worlds: int) -> Episode:
    d = draws(3, start, worlds)
    return play(TEAMS, ScriptedPopulation(False), town(TEAMS, start, worlds), RandomRules(TEAMS, d), d).episode


def test_pairs_tell_own_kind_and_who_is_in_the_team():
    together = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    found = Kinds(4).pairs(torch.tensor([0, 3, 1, 1]), together)
    assert found.tolist() == [0 * 16 + 0b1001, 3 * 16 + 0b1001, 1 * 16 + 0b0100, 1 * 16 + 0b0100]


@pytest.mark.parametrize("step", [5, 18, 31, 44])
def test_whatever_was_seen_is_possible(step: int):
    episode = lived(0, 20)
    features = episode.features[:, step]
    state = state_of(features).under(episode.mechanism[:, step])
    events = Events.of(by_seat(episode.response[:, step], seats_of(features)))
    moment = Moment(state, torch.tensor([step % 2 == 0]))
    assert torch.equal(moment.can_take(events.took), events.took)
    assert torch.equal(moment.can_craft(events.took, events.crafted), events.crafted)
    assert torch.equal(moment.can_store(events.took, events.crafted, events.stored), events.stored)


@pytest.mark.parametrize("model", [TeamModel(0), TeamModel(0, kinds=6, blunt=True)])
def test_likelihoods_of_steps_add_up_and_depend_on_kinds_and_teams_only(model: TeamModel):
    episode, among = lived(0, 2), len(model.kinds.assignments)
    with torch.no_grad():
        whole = model.told(of_episode(episode))
        lived_through = (episode.features, episode.mechanism, episode.response)
        steps = [model.told(read(*(x[:, t : t + 1] for x in lived_through), first=t)) for t in range(50)]
        by_counts = model.counted(counted(of_episode(episode)))
    torch.testing.assert_close(torch.stack(steps).sum(0), whole, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(by_counts, whole, rtol=1e-4, atol=1e-2)
    assert float(model.prior().exp().sum()) == pytest.approx(1.0)
    torch.testing.assert_close(model.prior().exp(), torch.full((among,), 1 / among))  # kinds are independent


def test_a_blunt_model_cannot_tell_when_somebody_takes_or_what_is_left():
    for blunt in (True, False):
        model = TeamModel(0, blunt=blunt)
        with torch.no_grad():
            taking, storing = model.taking().unflatten(-1, (4, 4)), model.storing().unflatten(-1, (4, 2))
            alike = [bool((own == own[..., :1]).all()) for own in (taking, model.crafting(), storing)]
            on_stock = model.moving()[:, -1]
        assert alike == [blunt] * 3
        assert bool((on_stock == 0).all()) == blunt


def test_situations_say_what_each_move_brings_nearer():
    state = replace(start(1), positions=torch.tensor([[[0.0, 0], [0, 7], [3, 3], [7, 6]]]))
    state = replace(state, corners=torch.tensor([[10.0, 0, 1, 2]]))  # of corner 1 nothing is left
    told = SITUATIONS[Moment(state, torch.tensor([True])).situations()[0]]  # [N, 5, 10]
    blocks, straight, stays, on_stock = told[..., :4], told[..., 4:8], told[..., 8], told[..., 9]
    assert blocks[2, 0].tolist() == [1, 0, -1, -1]  # up from the middle; corner 1 is empty
    assert blocks[0, 0].tolist() == [0, 0, 0, 0]  # a wall
    assert float(straight[3, 3, 3]) == 1.0  # right, onto corner 3
    assert torch.equal(stays, torch.eye(5)[4].expand(4, -1))
    assert on_stock[:, 4].tolist() == [1, 0, 0, 0]  # agent 1 stands on an empty corner
    assert not on_stock[:, :4].any()


def test_bags_that_were_seen_become_likely():
    model, seen = TeamModel(0), torch.zeros(3, len(ASSIGNMENTS))
    one_of_each = (ASSIGNMENTS.sort(-1).values == torch.arange(4)).all(-1)
    seen[:, int(one_of_each.nonzero()[0])] = 1.0
    model.learn_bags(seen)
    chances = model.prior().exp()
    assert float(chances[one_of_each].sum()) == pytest.approx((3 + 24 / 256) / 4)  # whichever order was seen
    assert chances[one_of_each].unique().numel() == 1


def test_refits_are_of_other_episodes_and_leave_the_fit_as_it_is():
    facts, few = of_episode(lived(0, 6)), TeamFit(starts=1, steps=40)
    model = fit_teams(facts, 0, few)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    one, again, other = (refit(model, facts, seed, few) for seed in (1, 1, 2))
    assert torch.equal(one.moving(), again.moving())
    assert not torch.equal(one.moving(), other.moving())
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name])


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
