"""Planning in the learned model of teams: what it would do by hand, in imagination, and with what it learned."""

from dataclasses import replace

import pytest
import torch

from agents.scripted import ScriptedPopulation
from learning.draws import Draws, draws
from mechanism.swm_teams import TeamSettings, swm_teams
from mechanism.team_planning import Doings, LearnedTeams, foreseen, probed
from mechanism.team_plans import OPTIONS, Planned, promises
from personas.rosters import open_rosters
from societies.catalog import load
from societies.stage import Stage
from societies.teams import ALL_TOGETHER, ALONE, STEPS, TOGETHER, TeamState, start
from tests.towns import POPULATIONS
from world_model.team_facts import SITUATIONS, Moment, told
from world_model.team_kinds import Kinds, TeamFit, TeamModel

KINDS = Kinds(4)
ONE_OF_EACH = torch.arange(4)[None]  # [1, N]
QUICK = TeamSettings(TeamFit(starts=3, steps=200), samples=2, probe_refits=2, probe_episodes=2)


def idle() -> TeamModel:
    """Nobody moves, takes, crafts or stores."""
    model = TeamModel(0)
    with torch.no_grad():
        for weights in (model.moving, model.taking, model.crafting, model.storing):
            for part in weights.parameters():
                part.zero_()
        model.moving.own[:, 8] = 30.0  # of staying
        model.taking.base = model.crafting.base = model.storing.base = -30.0
    return model.requires_grad_(False)


def drawn_to_their_corners() -> TeamModel:
    """As `idle`, but kind k goes to corner k and takes what it can get there."""
    model = idle()
    with torch.no_grad():
        model.moving.own[:, 8] = 0.0
        model.moving.own[:, :4] += 30.0 * torch.eye(4)
        model.moving.own[:, 9] = 30.0  # it stays on stock
        model.taking.base = 30.0
    return model


def test_of_idle_people_being_alone_promises_most():
    found = promises(5, start(1), ONE_OF_EACH, Doings.of(idle()).stretch, draws(0, 0, 1))[0]
    pairs_of = (TOGETHER.sum((1, 2)) - 4).float()  # [15] ordered pairs who share a team
    torch.testing.assert_close(found, -10 * 0.05 * pairs_of)  # for a stretch; from then on they are sent off alone
    assert int(found.argmax()) == ALONE


def test_kinds_walk_where_they_are_drawn_to():
    doings = Doings.of(drawn_to_their_corners())
    state, welfare = doings.stretch(0, 10, start(1), ONE_OF_EACH, draws(0, 0, 1))
    assert state.hands.sum(1)[0].min() >= 1  # someone has a unit of every basic
    assert torch.equal(state.hands[0] > 0, torch.eye(4, dtype=torch.bool))
    assert float(welfare[0]) == 0.0  # nobody stores, and they are alone


def test_who_takes_every_other_time_is_planned_on_for_half_as_much():
    model, worlds = drawn_to_their_corners(), 200
    model.taking.base = 0.0
    state, kinds = start(worlds), ONE_OF_EACH.expand(worlds, -1)
    after = [
        Doings.of(own).stretch(0, 14, state, kinds, draws(3, 0, worlds))[0] for own in (model, drawn_to_their_corners())
    ]
    some, all_of_it = (state.hands.sum() for state in after)
    assert float(some / all_of_it) == pytest.approx(0.5, abs=0.03)


def test_plans_of_the_sure_differ_by_luck_alone_and_not_by_the_batch():
    principal = LearnedTeams(half_hearted(), 0, samples=3)
    held = torch.full((2, len(KINDS.assignments)), -torch.inf)
    held[:, (KINDS.assignments == ONE_OF_EACH).all(-1)] = 0.0
    together = principal.planned(draws(0, 5, 2)).promised(held, 15, start(2))
    alone = principal.planned(draws(0, 6, 1)).promised(held[:1], 15, start(1))
    torch.testing.assert_close(together[1:], alone)
    assert not torch.equal(together[0], together[1])


def half_hearted() -> TeamModel:
    """As `drawn_to_their_corners`, but they do everything half of the time, storing included."""
    model = drawn_to_their_corners()
    model.taking.base = model.storing.base = 0.0
    return model


def test_luck_makes_moves_as_likely_as_the_model_has_them():
    model, worlds = TeamModel(1).requires_grad_(False), 4000
    kinds, state = ONE_OF_EACH.expand(worlds, -1), start(worlds)
    doings = Doings.of(model)
    often = doings.events(0, state, KINDS.pairs(kinds, state.together), draws(5, 0, worlds)).moves.mean(0)  # [N, 5]
    situation = SITUATIONS[Moment(start(1), torch.tensor([True])).situations()[0]]  # [N, 5, 10]
    pair = KINDS.pairs(ONE_OF_EACH, start(1).together)[0]
    expected = (situation @ model.moving()[pair][..., None])[..., 0].softmax(-1)
    torch.testing.assert_close(often, expected, atol=0.035, rtol=0)


def test_the_sure_are_planned_for_once_and_the_plan_is_the_same():
    calls = list[int]()

    def stretch(
        step: int, until: int, state: TeamState, who: torch.Tensor, luck: Draws | None
    ) -> tuple[TeamState, torch.Tensor]:
        assert luck is None
        calls.append(len(who))
        return state, state.together[:, 0, 1] * (who[:, 0] == 1)  # the first two should team up if the first is a 1

    held = torch.full((2, 2), -torch.inf)
    held[0, 0] = held[1, 1] = 0.0  # both worlds are sure, of different things
    planned = Planned(torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0]]), stretch, draws(0, 0, 2), samples=7)
    chosen = planned.partition(held, 45, start(2))
    assert calls[0] == 2 * OPTIONS
    assert float(TOGETHER[chosen[1].argmax(), 0, 1]) == 1.0


def test_in_imagination_idle_people_earn_nothing_and_cost_their_upkeep():
    principal, firsts = LearnedTeams(idle(), 0, samples=1), torch.tensor([ALL_TOGETHER, ALONE])
    found = foreseen(principal, firsts, idle(), draws(0, 0, 3))
    torch.testing.assert_close(found, torch.tensor([[-10 * 0.6], [0.0]]).expand(-1, 3))  # alone after that
    assert probed(idle(), [idle(), idle()], 0, episodes=1, samples=1) == (ALONE, 2 * (15 + 8 + 4 + 2))


def test_who_plans_by_a_wrong_model_is_judged_by_the_one_that_is_imagined():
    deluded = LearnedTeams(drawn_to_their_corners(), 0, samples=1, learns=False)
    found = foreseen(deluded, torch.tensor([ALL_TOGETHER]), idle(), draws(0, 0, 2))
    assert found[0].tolist() == pytest.approx([-10 * 0.6] * 2)  # nobody does anything, whatever was believed


def test_beliefs_move_with_what_is_seen_unless_they_are_told_not_to():
    model, seen = drawn_to_their_corners(), list[torch.Tensor]()
    for learns in (True, False):
        principal = LearnedTeams(model, 0, first=ALL_TOGETHER, samples=1, learns=learns)
        held = _after_an_episode(principal)
        seen.append(held.softmax(-1))
    assert float(seen[0].max()) > 0.9
    torch.testing.assert_close(seen[1], model.prior().softmax(-1).expand(1, -1))


def _after_an_episode(principal: LearnedTeams) -> torch.Tensor:
    """[1, A] belief when people did as the model has it."""
    doings, held, state = Doings.of(principal.model), principal.start(1), start(1)
    for t in range(10):
        events = doings.events(t, state, KINDS.pairs(ONE_OF_EACH, state.together), draws(0, 0, 1))
        held = principal.after(held, told(state, events, torch.tensor([t]), (1, 1)))
        state, _ = doings.stretch(t, t + 1, state, ONE_OF_EACH, draws(0, 0, 1))
    return held


def stage_of(name: str, rosters_file: str) -> Stage:
    society = load(name)
    used = {"attributes": society.attributes_used, "traits": society.traits_used}
    rosters = open_rosters(POPULATIONS / rosters_file, society.agents, **used)
    return Stage(society, ScriptedPopulation(False), rosters, 11)


def test_a_few_episodes_teach_to_do_better_than_chance():
    stage = stage_of("team_formation", "gatherers.yaml")
    outcome = swm_teams(stage, 12, QUICK, 0)
    assert (outcome.real_episodes, outcome.imagined_episodes) == (12, QUICK.probe_refits * (15 + 8 + 4 + 2))
    lived = stage.play(outcome.learned, 1000, 12).returns() * STEPS
    assert float(lived.mean()) > 20  # random partitions: 12.7, all together: 29.0


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(ValueError, match="0 real episodes"):
        swm_teams(stage_of("team_formation", "gatherers.yaml"), 0, QUICK, 0)
    with pytest.raises(ValueError, match="probe_refits is 0"):
        swm_teams(stage_of("team_formation", "gatherers.yaml"), 1, replace(QUICK, probe_refits=0), 0)
    with pytest.raises(ValueError, match="facility8 has no teams"):
        swm_teams(stage_of("facility8", "visitors.yaml"), 1, QUICK, 0)
