"""Planning: exact against brute force where that is possible, never short-sighted where looking ahead pays."""

from itertools import permutations

import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from experiments.facility_oracles import Posterior, Prior, TrueOdds, Truth, kinds_log_p, planner
from learning.draws import draws
from mechanism.baselines.k_median import KMedian
from mechanism.baselines.planning import planning
from mechanism.explore import RandomRules
from mechanism.forecast import LearnedOdds, promises
from mechanism.planning import Minds
from societies.base import PublicStep
from societies.facilities import Facilities, Tastes
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, play
from tests.towns import town
from world_model.model import ModelSettings, WorldModel
from world_model.response import Utilities

SMALL = Facilities("small", 4, 3, Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 4.0), (0.0, 2.0)), "visits", sites=3)
WORLDS = 3


def people(worlds: int = WORLDS):
    return town(SMALL, 0, worlds, SMALL.agents)


def mean_field(features: Tensor, minds: Minds, course: tuple[int, ...]) -> Tensor:
    """[B] welfare of a course of cells if everybody did what is expected of them, step by step."""
    odds, total = TrueOdds(SMALL), torch.zeros(len(features))
    for t, cell in enumerate(course):
        taken = torch.nn.functional.one_hot(torch.tensor(cell), 9).float().expand(len(features), -1)
        were = [odds._utilities(t, features, minds.z[:, :, c], taken) for c in range(2)]
        log_p = torch.stack(were, 2).log_softmax(-1)
        expected = (log_p.exp() * minds.weight[..., None]).sum(2)
        settled = SMALL.settle(features, taken, expected)
        features, total = settled.features, total + settled.accounts["visits"]
    return total


def test_a_wide_beam_finds_the_best_course_there_is():
    state = SMALL.reset(people())
    believes = Posterior(SMALL)
    seen = PublicStep(0, state.features, None, None, None, None)
    _, minds = believes.update(believes.start(WORLDS), seen)
    courses = list(permutations(range(9), 3))
    values = torch.stack([mean_field(state.features, minds, c) for c in courses])  # [courses, B]
    wide = planner(SMALL, believes)
    wide = type(wide)(wide.society, wide.odds, wide.believes, width=1000)
    _, best = wide.propose(believes.start(WORLDS), seen)
    for b in range(WORLDS):
        first = int(best[b].argmax())
        ours = max(v for c, v in zip(courses, values[:, b].tolist(), strict=True) if c[0] == first)
        assert ours == pytest.approx(float(values[:, b].max()), abs=1e-5)


def test_looking_one_step_ahead_takes_the_best_next_step():
    state = SMALL.reset(people())
    seen = PublicStep(0, state.features, None, None, None, None)
    one = planner(SMALL, Prior(SMALL), ahead=1)
    memory, best = one.propose(one.start(WORLDS), seen)
    _, minds = one.believes.update(memory, seen)
    values = torch.stack([mean_field(state.features, minds, (c,)) for c in range(9)], 1)
    torch.testing.assert_close((values * best).sum(1), values.amax(1))


def test_plans_never_name_a_taken_cell():
    episode = play(
        SMALL, ScriptedPopulation(False), people(20), planner(SMALL, Posterior(SMALL)), draws(1, 0, 20)
    ).episode
    built = episode.mechanism.sum(1)
    assert float(built.max()) == 1.0
    assert torch.equal(built.sum(-1), torch.full((20,), 3.0))


def test_who_knows_more_wins_more():
    many = people(300)
    rungs = {
        "random": RandomRules(SMALL, draws(2, 0, 300)),
        "blind": planner(SMALL, Prior(SMALL)),
        "bayes": planner(SMALL, Posterior(SMALL)),
        "oracle": planner(SMALL, Truth(many.traits)),
    }
    level = {
        name: float(play(SMALL, ScriptedPopulation(False), many, rung, draws(3, 0, 300)).episode.returns().mean())
        for name, rung in rungs.items()
    }
    assert level["random"] < level["blind"] < level["bayes"] < level["oracle"]


def test_the_posterior_is_bayes_rule():
    episode = play(SMALL, ScriptedPopulation(False), people(), Fixed(torch.eye(9)[[0, 4, 8]]), draws(4, 0, 3)).episode
    believes, log_p = Posterior(SMALL), torch.zeros(WORLDS, 4, 2)
    memory = believes.start(WORLDS)
    for t in range(3):
        facts = (episode.features[:, t], episode.mechanism[:, t], episode.response[:, t], episode.choice[:, t])
        memory, minds = believes.update(memory, PublicStep(t + 1, episode.features[:, t + 1], *facts))
        chance = kinds_log_p(SMALL, t, facts[0], facts[1])  # [B, N, 2, K]
        log_p = log_p + chance.gather(3, episode.action[:, t, :, None, None].expand(-1, -1, 2, 1))[..., 0]
        torch.testing.assert_close(minds.weight, log_p.softmax(-1), rtol=1e-4, atol=1e-5)


def test_k_median_puts_the_first_place_at_the_median():
    homes = SMALL.reset(people()).features
    _, chosen = KMedian(SMALL).propose(None, PublicStep(0, homes, None, None, None, None))
    away = (SMALL.cells[:, None] - homes[:, None, :, :2]).abs().sum(-1).mean(-1)  # [B, M]
    torch.testing.assert_close((away * chosen).sum(1), away.amin(1))


def test_a_promise_is_the_expected_welfare_of_the_step():
    model = WorldModel(SMALL, ModelSettings(form="linear", latent="kinds", traits=2, members=2), 0)
    head = model.head
    assert isinstance(head, Utilities)
    state = SMALL.reset(people())
    first = SMALL.step(state, torch.eye(9)[[4, 4, 4]], torch.ones(WORLDS, 4, dtype=torch.long)).state.features
    weight = torch.rand(WORLDS, 4, 2, generator=torch.Generator().manual_seed(0))
    minds = Minds(torch.eye(2).expand(WORLDS, 4, 2, 2), weight / weight.sum(-1, keepdim=True))
    promised = promises(LearnedOdds(SMALL, model), 1, first, minds)
    for cell in (0, 7):
        taken = torch.eye(9)[[cell] * WORLDS]
        facts = SMALL.prospects(first, taken), first
        open_ = SMALL.choices(1, first, taken)
        home = torch.zeros(WORLDS, 4)
        for c in range(2):
            z = torch.eye(2)[c].expand(WORLDS, 4, 2)
            scaled = model.scaler.prospects(facts[0]), model.state(facts[1]), z
            logits = head.logits(*[x.expand(2, *x.shape) for x in scaled]).mean(0).masked_fill(~open_, -1e4)
            home = home + minds.weight[..., c] * logits.softmax(-1)[..., 0].detach()
        torch.testing.assert_close(promised[:, cell], 1 - home.mean(1))


def test_planning_by_a_model_it_cannot_use_is_refused():
    seen = PublicStep(0, SMALL.reset(people()).features, None, None, None, None)
    points = planning(SMALL, WorldModel(SMALL, ModelSettings(form="linear"), 0))
    with pytest.raises(ValueError, match=r"set model.latent to kinds"):
        points.propose(points.start(WORLDS), seen)
    shapeless = planning(SMALL, WorldModel(SMALL, ModelSettings(form="mlp", latent="kinds"), 0))
    with pytest.raises(ValueError, match=r"set model.form to utility or linear"):
        shapeless.propose(shapeless.start(WORLDS), seen)


def test_k_median_needs_places():
    tax = IncomeTax()
    with pytest.raises(ValueError, match="income_tax are 7 numbers, not one of some options"):
        KMedian(tax).propose(None, PublicStep(2, torch.zeros(1, 3, 6), None, None, None, None))
