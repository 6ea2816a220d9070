"""What every society in the library must be. One that breaks any of these is not a society."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import Draws, draws
from mechanism.explore import one_of
from personas.people import People
from personas.traits import TRAITS
from societies import catalog
from societies.base import Episode, Options, PublicStep, Society, State
from societies.mechanisms import bounds, in_force, size
from societies.play import Fixed, Played, play
from tests.towns import crowd, societies_to_check, some_rules, town

WORLDS = 4
Made = tuple[Society, State, Tensor]  # a society, its state some steps in, and rules


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "society" in metafunc.fixturenames:
        metafunc.parametrize("society", societies_to_check(), indirect=True)


@pytest.fixture
def society(request: pytest.FixtureRequest) -> Society:
    return catalog.load(request.param)


@pytest.fixture
def made(society: Society) -> Made:
    state = _advanced(society)
    return society, state, in_force(society, state.step, state.features, some_rules(society, WORLDS, 7))


def _advanced(society: Society) -> State:
    """A state some steps in (the society's last one at most), where the principal decides, by arbitrary choices."""
    state = society.reset(_town(society))
    deciding = [t for t in range(society.steps) if society.decides(t, state.features).any()]
    for t in range(next((t for t in deciding if t >= 2), society.steps - 1)):
        rules = in_force(society, t, state.features, some_rules(society, WORLDS, t))
        state = society.step(state, rules, _any_action(society, state, rules, t)).state
    return state


def _town(society: Society) -> People:
    return town(society, 0, WORLDS, crowd(society))


def _order(society: Society) -> Tensor:
    """[N] the agents in another order."""
    return torch.randperm(crowd(society), generator=torch.Generator().manual_seed(3))


def _any_action(society: Society, state: State, rules: Tensor, seed: int = 0) -> Tensor:
    """[B, N] one of the open choices each, -1 where there is none."""
    open_ = society.choices(state.step, state.features, rules)
    score = torch.rand(open_.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(open_.any(-1), score.masked_fill(~open_, -1).argmax(-1), -1)


def _world(state: State, index: Tensor) -> State:
    """Some worlds of a state."""
    p = state.people
    people = replace(p, public=p.public[index], traits=p.traits[index])
    return State(state.step, state.features[index], people)


def _reordered(state: State, order: Tensor) -> State:
    """The same state with the agents in another order."""
    p = state.people
    return State(state.step, state.features[:, order], replace(p, public=p.public[:, order], traits=p.traits[:, order]))


def _close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


# what it declares


def test_declarations(society: Society) -> None:
    assert society.name in catalog.names()
    assert society.steps >= 1
    assert society.agents >= 2
    for names in (society.feature_names, society.prospect_names, society.choice_names):
        assert len(names) == len(set(names)) >= 1
    assert set(society.personal) <= set(society.feature_names)
    assert set(society.own) <= set(society.feature_names)
    assert set(society.traits_used) <= set(TRAITS)
    assert any(society.counts(t) for t in range(society.steps))


def test_every_society_is_found_under_its_own_name() -> None:
    assert [catalog.load(name).name for name in catalog.library()] == list(catalog.library())


def test_rules_and_when_they_may_be_set(society: Society) -> None:
    default = society.default_mechanism()
    if isinstance(society.mechanism, Options):
        assert len(society.mechanism.names) == len(set(society.mechanism.names)) == len(default)
        assert not default.any()
    else:
        low, high = bounds(society)
        assert default.shape == low.shape == high.shape
        assert bool((low < high).all())
        assert bool(torch.isfinite(low).all())
        assert bool(torch.isfinite(high).all())
        assert bool(((default >= low) & (default <= high)).all())
    features = _advanced(society).features
    decides = torch.stack([society.decides(t, features) for t in range(society.steps)])
    assert decides.dtype == torch.bool
    assert decides.shape == (society.steps, WORLDS, size(society))
    assert bool(decides.any())


def test_options_part_the_roster(made: Made) -> None:
    society, state, _ = made
    if not isinstance(society.mechanism, Options):
        return
    groups = society.mechanism.groups(state.features)  # [B, M, G, N]
    assert groups.shape[:2] == (WORLDS, size(society))
    assert groups.shape[3] == crowd(society)
    torch.testing.assert_close(groups.sum(2), torch.ones(WORLDS, size(society), crowd(society)))
    order = _order(society)
    _close(society.mechanism.groups(state.features[:, order]), groups[..., order])


def test_unknown_objectives_are_refused_by_name(society: Society) -> None:
    with pytest.raises(ValueError, match=r"no such goal.*choose one of"):
        catalog.load(society.name, "no such goal")


# shapes and numbers


def test_shapes_and_finite_numbers(made: Made) -> None:
    society, state, rules = made
    f, k, d = len(society.feature_names), len(society.choice_names), len(society.prospect_names)
    action = _any_action(society, state, rules)
    response = society.respond(action)
    after = society.step(state, rules, action)
    expected: list[tuple[Tensor, tuple[int, ...]]] = [
        (state.features, (WORLDS, crowd(society), f)),
        (society.prospects(state.features, rules), (WORLDS, crowd(society), k, d)),
        (society.teacher(state, rules), (WORLDS, crowd(society), k)),
        (after.state.features, (WORLDS, crowd(society), f)),
        (after.payoff, (WORLDS, crowd(society))),
        (after.welfare, (WORLDS,)),
        *((account, (WORLDS,)) for account in after.accounts.values()),
    ]
    for tensor, shape in expected:
        assert tensor.shape == shape
        assert tensor.dtype == torch.float32
        assert bool(torch.isfinite(tensor).all())
    assert response.shape[:2] == (WORLDS, crowd(society))
    assert response.dim() == 3
    assert society.look(state, rules).shape[:2] == (WORLDS, crowd(society))
    open_ = society.choices(state.step, state.features, rules)
    assert open_.shape == (WORLDS, crowd(society), k)
    assert open_.dtype == torch.bool


def test_the_census_needs_nobody_to_be_asked(society: Society) -> None:
    people = _town(society)
    census = society.census(people.public, people.attribute_names)
    assert torch.equal(census, society.reset(people).features)


def test_teacher_is_a_distribution_over_open_choices(made: Made) -> None:
    society, state, rules = made
    chances = society.teacher(state, rules).exp()
    open_ = society.choices(state.step, state.features, rules)
    asked = open_.any(-1)
    torch.testing.assert_close(chances.sum(-1)[asked], torch.ones(int(asked.sum())), rtol=0, atol=1e-5)
    assert float((chances * ~open_).max()) < 1e-12


# purity


def _everything(society: Society, state: State, rules: Tensor) -> list[Tensor]:
    """All that the society computes of a state, world first."""
    action = _any_action(society, state, rules)
    step = society.step(state, rules, action)
    settled = society.settle(state.features, rules, society.respond(action))
    return [
        society.choices(state.step, state.features, rules),
        society.look(state, rules),
        society.prospects(state.features, rules),
        society.teacher(state, rules),
        step.state.features,
        step.response,
        step.payoff,
        step.welfare,
        settled.features,
        *settled.accounts.values(),
    ]


def test_same_question_same_answer_and_nothing_is_touched(made: Made) -> None:
    society, state, rules = made
    before = [t.clone() for t in (state.features, state.people.public, state.people.traits, rules)]
    random_state = torch.get_rng_state()
    first, second = _everything(society, state, rules), _everything(society, state, rules)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    after = (state.features, state.people.public, state.people.traits, rules)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_world_is_the_same_alone(made: Made) -> None:
    society, state, rules = made
    together = [society.look(state, rules), society.teacher(state, rules), society.prospects(state.features, rules)]
    step = society.step(state, rules, _any_action(society, state, rules))
    for b in range(WORLDS):
        index = torch.tensor([b])
        alone = _world(state, index)
        _close(society.look(alone, rules[index]), together[0][index])
        _close(society.teacher(alone, rules[index]), together[1][index])
        _close(society.prospects(alone.features, rules[index]), together[2][index])
        own = society.step(alone, rules[index], _any_action(society, state, rules)[index])
        _close(own.state.features, step.state.features[index])
        _close(own.welfare, step.welfare[index])
        _close(own.payoff, step.payoff[index])


def test_agents_have_no_order(made: Made) -> None:
    society, state, rules = made
    order = _order(society)
    turned, action = _reordered(state, order), _any_action(society, state, rules)
    per_agent: list[Callable[[State], Tensor]] = [
        lambda s: society.choices(s.step, s.features, rules),
        lambda s: society.look(s, rules),
        lambda s: society.teacher(s, rules),
        lambda s: society.prospects(s.features, rules),
    ]
    for compute in per_agent:
        _close(compute(turned).float(), compute(state)[:, order].float())
    plain, other = society.step(state, rules, action), society.step(turned, rules, action[:, order])
    _close(other.state.features, plain.state.features[:, order])
    _close(other.payoff, plain.payoff[:, order])
    _close(other.welfare, plain.welfare)
    p = turned.people
    _close(society.census(p.public, p.attribute_names), society.reset(state.people).features[:, order])


def test_what_is_public_knows_traits_only_through_actions(made: Made) -> None:
    society, state, rules = made
    others = replace(state, people=state.people.with_traits(state.people.traits.flip(0, 1)))
    action = _any_action(society, state, rules)
    people = others.people
    assert torch.equal(society.reset(people).features, society.reset(state.people).features)
    if not society.response_is_choice:
        return
    mine, theirs = (society.step(s, rules, action) for s in (state, others))
    assert torch.equal(mine.state.features, theirs.state.features)
    assert torch.equal(mine.response, theirs.response)
    assert all(torch.equal(mine.accounts[name], theirs.accounts[name]) for name in mine.accounts)


# public accounting


def test_a_step_is_what_settling_says(made: Made) -> None:
    society, state, rules = made
    action = _any_action(society, state, rules)
    step = society.step(state, rules, action)
    settled = society.settle(state.features, rules, step.response)
    assert step.response.shape == society.respond(action).shape
    if society.response_is_choice:
        assert torch.equal(step.response, society.respond(action))
    assert torch.equal(step.state.features, settled.features)
    assert step.state.step == state.step + 1
    assert set(step.accounts) == set(settled.accounts)
    assert all(torch.equal(step.accounts[name], settled.accounts[name]) for name in settled.accounts)


def test_welfare_is_public_where_it_says_so(made: Made) -> None:
    society, state, rules = made
    step = society.step(state, rules, _any_action(society, state, rules))
    if society.welfare_is_public:
        _close(society.public_welfare(step.accounts), step.welfare)
    else:
        with pytest.raises(ValueError, match=r"hidden|private"):
            society.public_welfare(step.accounts)


def test_personal_facts_never_change(made: Made) -> None:
    society, state, rules = made
    columns = [society.feature_names.index(name) for name in society.personal]
    after = society.step(state, rules, _any_action(society, state, rules)).state
    assert torch.equal(after.features[..., columns], state.features[..., columns])


def test_settling_can_be_differentiated(made: Made) -> None:
    society, state, rules = made
    rules = rules.clone().requires_grad_()
    response = society.respond(_any_action(society, state, rules)).clone().requires_grad_()
    settled = society.settle(state.features, rules, response)
    outcomes = [settled.features, *settled.accounts.values()]
    outcome = sum((1 + x).square().sum() for x in outcomes)  # so that what is zero counts too
    by_rules, by_response = torch.autograd.grad(outcome, [rules, response])
    for gradient in (by_rules, by_response):
        assert bool(torch.isfinite(gradient).all())
        assert float(gradient.abs().sum()) > 0


# words


def test_words_carry_the_numbers_of_the_view_in_order(made: Made) -> None:
    society, state, rules = made
    views = society.look(state, rules)
    for b, n in ((0, 0), (1, 3), (3, crowd(society) - 1)):
        question = society.tell(views[b, n], state.people.persona(b, n))
        told = [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", question.user)]
        assert told == pytest.approx([v for v in views[b, n].tolist() if v >= 0])


def test_questions_can_be_answered(made: Made) -> None:
    society, state, rules = made
    persona = state.people.persona(0, 0)
    question = society.tell(society.look(state, rules)[0, 0], persona)
    assert question.choices == society.choice_names
    examples = [json.loads(x) for x in re.findall(r"\{[^{}]*\}", question.system)]
    assert [list(e) for e in examples] == [[question.key]]
    assert str(examples[0][question.key]) in question.choices
    assert persona.name in question.system


def test_the_system_message_never_changes(society: Society) -> None:
    now, later = society.reset(_town(society)), _advanced(society)
    persona = now.people.persona(0, 0)
    first = society.tell(society.look(now, some_rules(society, WORLDS, 1))[0, 0], persona)
    second = society.tell(society.look(later, some_rules(society, WORLDS, 2))[0, 0], persona)
    assert first.system == second.system
    assert first.user != second.user


# whole episodes


class _Restless:
    """New random rules every step, often at the ends of what is allowed; of options, any, also shut ones."""

    def __init__(self, society: Society, ids: Tensor) -> None:
        self.society, self.draws = society, Draws(99, ids)

    def start(self, worlds: int) -> None:
        return None

    def propose(self, memory: None, seen: PublicStep) -> tuple[None, Tensor]:
        lots = self.draws.uniform("rules", seen.step, size(self.society))
        if isinstance(self.society.mechanism, Options):
            return None, one_of(lots, torch.ones_like(lots, dtype=torch.bool))
        low, high = bounds(self.society)
        return None, low + (high - low) * (2 * lots - 0.5).clamp(0, 1)


def _played(society: Society, start: int, worlds: int, soft: bool = True, seed: int = 5) -> Played:
    ids = torch.arange(start, start + worlds)
    people = town(society, start, worlds, crowd(society))
    return play(society, ScriptedPopulation(soft), people, _Restless(society, ids), draws(seed, start, worlds))


def test_episodes_hold_together(society: Society) -> None:
    played = _played(society, 0, WORLDS)
    e, t = played.episode, society.steps
    assert e.features.shape == (WORLDS, t + 1, crowd(society), len(society.feature_names))
    assert e.choice.shape == (*e.action.shape, len(society.choice_names))
    assert e.counted.tolist() == [society.counts(step) for step in range(t)]
    for step in range(t):
        settled = society.settle(e.features[:, step], e.mechanism[:, step], e.response[:, step])
        assert torch.equal(settled.features, e.features[:, step + 1])
        if society.response_is_choice:
            assert torch.equal(society.respond(e.action[:, step]), e.response[:, step])
        rules, before = e.mechanism[:, step], e.features[:, step]
        assert torch.equal(in_force(society, step, before, rules), rules)
        default = society.default_mechanism().expand(WORLDS, -1)
        fixed = ~society.decides(step, before)
        assert torch.equal(rules[fixed], default[fixed])
        if society.welfare_is_public:
            now = {name: account[:, step] for name, account in e.accounts.items()}
            _close(society.public_welfare(now), e.welfare[:, step])
    asked = e.action >= 0
    torch.testing.assert_close(e.choice.sum(-1)[asked], torch.ones(int(asked.sum())), rtol=0, atol=1e-5)
    assert not e.choice[~asked].any()
    assert torch.equal(e.returns(), e.welfare[:, e.counted].mean(1))
    assert played.sealed.payoff.shape == e.action.shape
    assert torch.equal(played.sealed.traits, _town(society).traits)


def _same(a: Episode, b: Episode) -> None:
    assert torch.equal(a.action, b.action)
    for name in ("features", "mechanism", "choice", "response", "welfare"):
        _close(getattr(a, name), getattr(b, name))


def test_same_seed_same_history(society: Society) -> None:
    first, again, other = (_played(society, 0, WORLDS, seed=s).episode for s in (5, 5, 6))
    assert all(torch.equal(getattr(first, n), getattr(again, n)) for n in ("action", "features", "choice", "welfare"))
    if float(first.choice.amax(-1).min()) < 0.9:  # people who are sure of their choice do the same under any seed
        assert not torch.equal(first.action, other.action)


def test_an_episode_is_the_same_in_any_batch(society: Society) -> None:
    whole, part = _played(society, 0, 10), _played(society, 3, 3)
    inside = whole.episode
    cut = {
        n: getattr(inside, n)[3:6] for n in ("ids", "features", "mechanism", "action", "choice", "response", "welfare")
    }
    _same(replace(inside, **cut), part.episode)
    assert torch.equal(inside.ids[3:6], part.episode.ids)
    _close(whole.sealed.payoff[3:6], part.sealed.payoff)


def test_whether_replies_are_told_whole_changes_no_action(society: Society) -> None:
    soft, hard = (_played(society, 0, WORLDS, soft).episode for soft in (True, False))
    assert (soft.soft, hard.soft) == (True, False)
    assert torch.equal(soft.action, hard.action)
    assert torch.equal(hard.choice.argmax(-1), hard.action)
    assert torch.equal(hard.choice.sum(-1), torch.ones(hard.action.shape))


def test_default_rules_are_in_force_where_nobody_decides(society: Society) -> None:
    people = _town(society)
    rules = some_rules(society, 1)[0]  # [M] the same in every step
    e = play(society, ScriptedPopulation(), people, Fixed(rules), draws(5, 0, WORLDS)).episode
    for t in range(society.steps):
        expected = torch.where(society.decides(t, e.features[:, t]), rules, society.default_mechanism())
        assert torch.equal(e.mechanism[:, t], expected)
