"""Learned accounting: what it recovers of rules that are known, what it reads, and that nothing is there by default."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from learning.draws import Draws, draws
from mechanism.explore import RandomRules
from societies.base import Society, State
from societies.catalog import load
from societies.play import Fixed
from societies.stage import Stage
from tests.world_model.hidden_island import HiddenIsland, felt, hidden_stage
from tests.world_model.island import Island, stage
from world_model.accounting import Accounting, Step
from world_model.calibrate import forecast
from world_model.fit import FitSettings, fit
from world_model.fit_accounting import by_posterior, fit_accounting
from world_model.imagine import Dream, World, imagine
from world_model.latent import Posterior
from world_model.model import ModelSettings, WorldModel
from world_model.records import Records, records

S, WORLDS, STEPS = 3, 20, 8
SIZES = ModelSettings(members=S, traits=2, community=1, hidden=16, tracker_hidden=8)
LEARNED = replace(SIZES, dynamics="learned")
SETTINGS = FitSettings(steps=80, accounting_steps=300)


@dataclass(frozen=True)
class Fitted:
    here: Stage
    model: WorldModel
    accounting: Accounting
    z: Tensor  # [E, N, Z] posterior mean


def people_of(here: Stage, rules: int, start: int = 0, worlds: int = WORLDS) -> Records:
    """Episodes of the rosters from number `start` on, under the random rules of seed `rules`."""
    return records(here.society, here.play(RandomRules(here.society, draws(rules, start, worlds)), start, worlds))


def fitted(here: Stage, sizes: ModelSettings, fits_people: bool) -> Fitted:
    model, data = WorldModel(here.society, sizes, 0), people_of(here, 9)
    posterior = Posterior(WORLDS, 6, model.prior, torch.Generator().manual_seed(0))
    if fits_people:
        posterior = fit(model, data, True, SETTINGS, 0)
    fit_accounting(model, by_posterior(model, posterior, data), data, SETTINGS, 0)
    model.requires_grad_(False)
    with torch.no_grad():
        c, eps = posterior.of(torch.arange(WORLDS))
        return Fitted(here, model, accounting_of(model), model.prior(data.covariates, c.mean, eps.mean))


def accounting_of(model: WorldModel) -> Accounting:
    assert model.accounting is not None
    return model.accounting


@pytest.fixture(scope="module", name="paper")
def _paper() -> Fitted:
    """Learned dynamics of an island whose rules are all public, so that nothing need be known of its people."""
    return fitted(stage("revenue", steps=STEPS), LEARNED, fits_people=False)


@pytest.fixture(scope="module", name="hidden")
def _hidden() -> Fitted:
    """Settled dynamics of an island whose welfare is not public."""
    return fitted(hidden_stage(STEPS), SIZES, fits_people=True)


def told(made: Fitted, data: Records, z: Tensor) -> tuple[Tensor, Tensor]:
    """By every member: next features [S, E, T, N, F] and welfare [S, E, T]; z [E, N, Z]."""
    facts = (data.features, data.mechanism, data.response, z[:, None].expand(-1, STEPS, -1, -1))
    step = Step(*[x.expand(S, *x.shape) for x in facts])
    return made.accounting(step, None if made.accounting.motion else data.after.expand(S, *data.after.shape))


def explained(predicted: Tensor, truth: Tensor) -> float:
    """Share of the variance of truth."""
    return 1 - float((predicted - truth).square().mean() / truth.var())


@pytest.mark.parametrize("form", ["utility", "mlp"])
def test_by_default_there_is_nothing_to_learn_of_the_accounting(form: str):
    """No parameters, no fit, and the rest of the model starts from the same weights with and without."""
    plain, paper = (WorldModel(Island(), replace(sizes, form=form), 0) for sizes in (SIZES, LEARNED))
    assert plain.accounting is None
    own = {name: value for name, value in paper.state_dict().items() if not name.startswith("accounting.")}
    assert own.keys() == plain.state_dict().keys() != paper.state_dict().keys()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in own.items())
    steps = list[int]()
    posterior = Posterior(4, 6, plain.prior, torch.Generator())
    data = people_of(stage("revenue"), 1, worlds=4)
    who = by_posterior(plain, posterior, data)
    assert fit_accounting(plain, who, data, SETTINGS, 0, lambda _, done, of: steps.append(done)) == 0.0
    assert steps == []


@pytest.mark.parametrize(
    ("society", "dynamics", "learned"),
    [
        (Island(), "settled", (False, False)),
        (Island(), "learned", (True, True)),
        (HiddenIsland(), "settled", (True, False)),
        (HiddenIsland(), "learned", (True, True)),
        (load("income_tax"), "settled", (False, False)),
        (load("income_tax", "log"), "settled", (True, False)),
    ],
)
def test_only_what_is_needed_is_learned(society: Society, dynamics: str, learned: tuple[bool, bool]):
    accounting = WorldModel(society, replace(SIZES, dynamics=dynamics), 0).accounting
    assert (accounting is not None, accounting is not None and accounting.motion is not None) == learned


def test_learned_dynamics_recover_the_settled_state_of_strangers(paper: Fitted):
    """Efforts are 0 to 2 with a spread of .6; the next state of people never seen is off by less than a tenth of it."""
    data = people_of(paper.here, 9, 500)
    after, welfare = told(paper, data, torch.zeros(WORLDS, 6, 2))
    off = (after - data.after).square().mean((1, 2, 3)).sqrt()  # [S, F]
    assert torch.equal(off[:, 0], torch.zeros(S))  # skill is copied
    assert float(off[:, 1].max()) < 0.07
    assert float(off[:, 2].max()) < 0.035
    assert all(explained(member, data.welfare) > 0.95 for member in welfare)


def test_facts_of_the_whole_world_stay_common_to_all(paper: Fitted):
    after, _ = told(paper, people_of(paper.here, 9, 500), torch.randn(WORLDS, 6, 2))
    assert paper.accounting.common.tolist() == [False, False, True]
    torch.testing.assert_close(after[..., 2], after[..., :1, 2].expand_as(after[..., 2]))
    assert not torch.equal(after[..., 1], after[..., :1, 1].expand_as(after[..., 1]))


def test_learned_dynamics_cannot_run_away(paper: Fitted):
    """Under rules and people far from anything seen, states stay within half a range of what was seen."""
    data, far = people_of(paper.here, 9), 50.0
    absurd = replace(data, mechanism=data.mechanism + far, features=data.features * far, response=data.response + far)
    after, _ = told(paper, absurd, torch.full((WORLDS, 6, 2), far))
    assert float(after[..., 1].min()) >= -1.0
    assert float(after[..., 1].max()) <= 3.0


def test_hidden_welfare_is_told_of_the_same_people_under_other_rules(hidden: Fitted):
    """Within a fifth of its spread; worse by a half and more for anyone who mistakes the people for others."""
    data = people_of(hidden.here, 10)
    assert not torch.equal(data.mechanism, people_of(hidden.here, 9).mechanism)
    right, wrong = (told(hidden, data, z)[1].mean(0) for z in (hidden.z, hidden.z.roll(1, 0)))
    assert explained(right, data.welfare) > 0.95
    assert 1 - explained(wrong, data.welfare) > 1.5 * (1 - explained(right, data.welfare))


def test_hidden_welfare_ranks_islands_by_their_taste(hidden: Fitted):
    """Everyone does the same under one rate: what is left to tell islands apart is how they like it."""
    here, worlds = hidden.here, Draws(0, torch.arange(WORLDS))
    state = here.society.reset(here.rosters.people(worlds))
    state = State(1, state.features * torch.tensor([0.0, 1.0, 1.0]), state.people)  # and their skill is the same
    rate, effort = torch.full((WORLDS, 1), 0.3), torch.ones(WORLDS, 6, 1)
    after = here.society.settle(state.features, rate, effort).features
    step = Step(*[x.expand(S, *x.shape) for x in (state.features, rate, effort, hidden.z)])
    guess, truth = hidden.accounting(step, after.expand(S, *after.shape))[1].mean(0), felt(state, rate, effort)
    ranks = torch.stack([x.argsort().argsort().double() for x in (guess, truth)])
    assert float(torch.corrcoef(ranks)[0, 1]) > 0.8


@pytest.mark.parametrize("which", ["paper", "hidden"])
def test_members_differ_but_agree_on_what_was_seen(which: str, request: pytest.FixtureRequest):
    made: Fitted = request.getfixturevalue(which)
    data = people_of(made.here, 9)
    welfare = told(made, data, made.z)[1]
    apart = float((welfare[0] - welfare[1]).abs().mean() / data.welfare.std())
    assert 0.005 < apart < 0.3


@pytest.mark.parametrize("which", ["paper", "hidden"])
def test_the_order_of_the_agents_does_not_matter(which: str, request: pytest.FixtureRequest):
    made: Fitted = request.getfixturevalue(which)
    data, order = people_of(made.here, 9), torch.tensor([3, 0, 5, 1, 4, 2])
    moved = {name: getattr(data, name)[:, :, order] for name in ("features", "response", "after")}
    after, welfare = told(made, data, made.z)
    after_moved, welfare_moved = told(made, replace(data, **moved), made.z[:, order])
    torch.testing.assert_close(after[..., order, :], after_moved, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(welfare, welfare_moved, atol=1e-5, rtol=1e-5)


def dream(made: Fitted, rate: Tensor, worlds: int) -> Dream:
    start = made.here.census(0, worlds)
    return imagine(made.model, made.here.society, start, Fixed(rate), draws(8, 0, worlds), True)


@pytest.mark.parametrize("which", ["paper", "hidden"])
def test_gradients_of_dreamt_welfare_are_those_of_its_mean(which: str, request: pytest.FixtureRequest):
    """Hard forward, expected backward: the gradient in the rate is near the slope of the mean over many worlds."""
    made: Fitted = request.getfixturevalue(which)
    rate = torch.tensor([0.2], requires_grad=True)
    dream(made, rate, 450).episode.welfare[:, 1:].mean().backward()
    up, down = (float(dream(made, torch.tensor([r]), 450).episode.welfare[:, 1:].mean()) for r in (0.25, 0.15))
    assert rate.grad is not None
    slope = (up - down) / 0.1
    assert slope > 0.5
    assert float(rate.grad) == pytest.approx(slope, rel=0.15)


@pytest.mark.parametrize("which", ["paper", "hidden"])
def test_a_world_is_accounted_for_by_its_own_member(which: str, request: pytest.FixtureRequest):
    made: Fitted = request.getfixturevalue(which)
    z, rate = torch.randn(6, 6, 2, generator=torch.Generator().manual_seed(1)), torch.linspace(0, 1, 6)[:, None]
    start = made.here.census(0, 6)
    for shift in (0, 1, 2):
        world = World(made.model, made.here.society, z, draws(8, 0, 6), True, shift)
        step, after = world.step(1, start, rate)
        settled = made.here.society.settle(start, rate, step.response)
        facts = Step(*[x.expand(S, *x.shape) for x in (start, rate, step.response, z)])
        every = made.accounting(facts, None if which == "paper" else settled.features.expand(S, *start.shape))
        own = (torch.arange(6) + shift) % S, torch.arange(6)
        torch.testing.assert_close(after, every[0][own])
        torch.testing.assert_close(step.welfare, every[1][own])


def test_accounts_are_kept_where_the_real_rules_settle_and_nowhere_else(paper: Fitted, hidden: Fitted):
    told_by_rules, dreamt = (dream(made, torch.tensor([0.3]), 6).episode for made in (hidden, paper))
    assert dreamt.accounts == {}
    assert set(told_by_rules.accounts) == {"rate", "output", "skill"}
    for t in range(STEPS):
        facts = (told_by_rules.features[:, t], told_by_rules.mechanism[:, t], told_by_rules.response[:, t])
        settled = hidden.here.society.settle(*facts)
        assert torch.equal(told_by_rules.features[:, t + 1], settled.features)
        assert torch.equal(told_by_rules.accounts["output"][:, t], settled.accounts["output"])


def test_an_account_that_nobody_keeps_cannot_be_forecast(paper: Fitted, hidden: Fitted):
    for made, account, why in ((paper, "output", "learned dynamics keep no accounts"), (hidden, "gold", "no account")):
        episode = made.here.play(RandomRules(made.here.society, draws(9, 0, 3)), 0, 3)
        data = records(made.here.society, episode)
        with pytest.raises(ValueError, match=why):
            forecast(made.model, made.here.society, episode, data, account, (2, 2), 2)


def test_what_was_not_learned_is_not_made_up(hidden: Fitted):
    step = Step(torch.zeros(S, 4, 6, 3), torch.zeros(S, 4, 1), torch.zeros(S, 4, 6, 1), torch.zeros(S, 4, 6, 2))
    with pytest.raises(ValueError, match="settle the step by the real rules"):
        hidden.accounting(step)


@pytest.mark.parametrize("objective", ["inverse_income", "log", "utilitarian"])
@pytest.mark.parametrize("dynamics", ["settled", "learned"])
def test_the_income_tax_can_be_dreamt_whatever_its_objective(objective: str, dynamics: str):
    tax = load("income_tax", objective)
    wage = (3.2 + torch.randn(4, tax.agents, 1, generator=torch.Generator().manual_seed(0))).exp()
    made = WorldModel(tax, ModelSettings(members=2, dynamics=dynamics), 0)  # type: ignore[arg-type]
    with torch.no_grad():
        start = tax.census(wage, ("wage",))
        dreamt = imagine(made, tax, start, RandomRules(tax, draws(1, 0, 4)), draws(2, 0, 4), True).episode
    assert dreamt.welfare.shape == (4, tax.steps)
    assert bool(dreamt.welfare.isfinite().all())
    assert torch.equal(dreamt.features[..., 0], start[:, None, :, 0].expand(-1, tax.steps + 1, -1))


def test_the_seed_decides_the_fit_and_progress_is_told():
    def weights(seed: int) -> dict[str, Tensor]:
        here = stage("revenue", steps=STEPS)
        model, data = WorldModel(here.society, LEARNED, 0), people_of(here, 9, worlds=4)
        posterior = Posterior(4, 6, model.prior, torch.Generator().manual_seed(0))
        said = list[tuple[int, int]]()
        few = replace(SETTINGS, accounting_steps=3)
        who = by_posterior(model, posterior, data)
        fit_accounting(model, who, data, few, seed, lambda _, done, of, loss: said.append((done, of)))
        assert said == [(1, 3), (2, 3), (3, 3)]
        return model.state_dict()

    one, same, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    changed = {name.split(".")[0] for name in one if not torch.equal(one[name], other[name])}
    assert changed == {"accounting"}


def test_weights_come_back_from_disk(paper: Fitted, tmp_path: Path):
    other = WorldModel(paper.here.society, LEARNED, 1)
    paper.model.save(tmp_path / "people.safetensors")
    other.restore(tmp_path / "people.safetensors")
    data = people_of(paper.here, 9)
    mine, theirs = (told(replace(paper, accounting=accounting_of(m)), data, paper.z) for m in (paper.model, other))
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("name", ["hidden", "paper"])
def test_accounting_that_goes_on_with_few_episodes_still_says_what_it_knew(name: str, request: pytest.FixtureRequest):
    """One new episode and a fit that moves nothing: the same welfare and the same states as before, of all people."""
    made: Fitted = request.getfixturevalue(name)
    model = WorldModel(made.here.society, made.model.settings, 1)
    model.set_out_from(made.model.state_dict())
    few, still = people_of(made.here, 4, 900, 1), replace(SETTINGS, accounting_steps=1, accounting_rate=1e-12)
    posterior = Posterior(1, 6, model.prior, torch.Generator())
    fit_accounting(model, by_posterior(model, posterior, few), few, still, 0)
    data = people_of(made.here, 9)
    before, after = (told(one, data, made.z) for one in (made, replace(made, accounting=accounting_of(model))))
    for x, y in zip(before, after, strict=True):
        torch.testing.assert_close(x, y, atol=1e-4, rtol=0)
