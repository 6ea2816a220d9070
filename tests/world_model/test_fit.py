"""Fitting, on an island whose people are known: what is recovered, how well it foretells, and that it repeats."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from learning.draws import draws
from mechanism.explore import RandomRules
from societies.base import Episode, State
from tests.world_model.island import stage
from world_model.calibrate import beliefs, next_choice
from world_model.fit import FitSettings, Labelled, fit, fit_tracker, posterior_labels, weighted
from world_model.imagine import imagine
from world_model.latent import Posterior
from world_model.model import ModelSettings, WorldModel
from world_model.records import Records, records
from world_model.traits import Tracker
from world_model.weights import WeightPrior

STEPS, SIZES = 8, ModelSettings(members=3, traits=2, community=1, hidden=16, tracker_hidden=16)
SETTINGS = FitSettings(steps=200, tracker_steps=200)
HELD_OUT = 500  # first episode of those never fitted


def life(soft: bool, start: int, worlds: int) -> tuple[Episode, Tensor]:
    """Episodes under random rates, and the islanders' true tastes as a logit [B, N]."""
    here = stage("revenue", soft=soft, steps=STEPS)
    played = here.play_sealed(RandomRules(here.society, draws(9, start, worlds)), start, worlds)
    return played.episode, played.sealed.traits[..., 0].logit()


@dataclass(frozen=True)
class Fitted:
    model: WorldModel
    posterior: Posterior
    data: Records
    labels: Labelled  # of the real episodes
    taste: Tensor  # [B, N] the truth


def fitted(soft: bool, settings: FitSettings = SETTINGS, worlds: int = 20) -> Fitted:
    episode, taste = life(soft, 0, worlds)
    society = stage("revenue", steps=STEPS).society
    model, data = WorldModel(society, SIZES, 0), records(society, episode)
    posterior = fit(model, data, soft, settings, 0)
    labels = posterior_labels(model, posterior, data, torch.Generator().manual_seed(0))
    return Fitted(model, posterior, data, labels, taste)


@pytest.fixture(scope="module", name="soft")
def _soft() -> Fitted:
    return fitted(True)


@pytest.fixture(scope="module", name="hard")
def _hard() -> Fitted:
    return fitted(False)


@pytest.fixture(scope="module", name="tracked")
def _tracked(soft: Fitted) -> Fitted:
    """`soft` with its tracker fitted to dreams and to the posterior."""
    here, model = stage("revenue", steps=STEPS), soft.model
    with torch.no_grad():
        rules = RandomRules(here.society, draws(3, 0, 150))
        dream = imagine(model, here.society, here.census(10_000, 150), rules, draws(4, 0, 150), True)
        data = records(here.society, dream.episode)
        evidence = model.evidence(data.prospects, data.features, data.choice, data.open)
    dreamt = Labelled(evidence, data.covariates, dream.z[None])
    fit_tracker(model, [dreamt, soft.labels], SETTINGS, 0)
    return soft


def elbo(made: Fitted, soft: bool) -> float:
    """By its definition, over all members and steps: nats a decision."""
    data, model, generator = made.data, made.model, torch.Generator().manual_seed(5)
    with torch.no_grad():
        community, agents = made.posterior.of(torch.arange(data.episodes))
        divergence = community.kl_to_standard().sum() + agents.kl_to_standard().sum()
        likelihood = torch.zeros(())
        for _ in range(8):
            z = model.prior(data.covariates, community.draw(generator), agents.draw(generator))[:, None]
            z = z.expand(-1, STEPS, -1, -1)
            log_p = model.log_probs(*[x.expand(3, *x.shape) for x in (data.prospects, data.features, z)])
            likelihood = likelihood + (data.choice * log_p).sum() / 3 / 8
    weight = SETTINGS.soft_weight if soft else 1.0
    return float(weight * likelihood - divergence) / data.features[..., 0].numel()


def explained(truth: Tensor, by: Tensor) -> float:
    """Multiple correlation of truth [S] with columns [S, P]."""
    x = torch.cat([by, torch.ones(len(by), 1)], 1).double()
    told = x @ torch.linalg.lstsq(x, truth.double()[:, None]).solution
    return float(torch.corrcoef(torch.stack([told[:, 0], truth.double()]))[0, 1])


def test_the_posterior_knows_the_hidden_taste(soft: Fitted):
    assert explained(soft.taste.flatten(), soft.labels.z.mean(0).flatten(0, 1)) > 0.95


def test_single_actions_tell_it_less_well_but_tell_it(hard: Fitted):
    assert explained(hard.taste.flatten(), hard.labels.z.mean(0).flatten(0, 1)) > 0.75


def test_whole_replies_give_sharper_posteriors_than_single_actions(soft: Fitted, hard: Fitted):
    def spread(made: Fitted) -> float:
        return float(made.posterior.eps_log_sd.detach().clamp(-6, 1).exp().amin(-1).mean())  # along the direction told

    assert spread(soft) < 0.7 * spread(hard)


def test_fitting_raises_the_evidence_bound(soft: Fitted):
    start = elbo(fitted(True, replace(SETTINGS, steps=1)), True)
    best = SETTINGS.soft_weight * float((soft.data.choice * soft.data.choice.clamp_min(1e-9).log()).sum(-1).mean())
    assert start < best - 2.0
    assert best - 1.0 < elbo(soft, True) < best  # no model of these replies can pass their own entropy


def distance(predicted: Tensor, truth: Tensor) -> float:
    """Mean over people of KL(truth || predicted) in nats, both log-probabilities [B, N, K]."""
    return float((truth.exp() * (truth - predicted)).sum(-1).mean())


def held_out(step: int) -> tuple[Records, Tensor]:
    """Episodes nobody was fitted to, and the true log-probabilities at `step`."""
    here = stage("revenue", steps=STEPS)
    episode, _ = life(True, HELD_OUT, 30)
    people = here.rosters.people(draws(0, HELD_OUT, 30))
    data = records(here.society, episode)
    return data, here.society.teacher(State(step, data.features[:, step], people), data.mechanism[:, step])


def test_strangers_are_foretold_to_within_a_few_hundredths_of_a_nat(tracked: Fitted):
    """After six decisions the next one is foretold within .06 nats of the truth; by the prior alone, some .25."""
    data, truth = held_out(6)
    told = next_choice(tracked.model, data, 6, 10, draws(1, 0, 30)).log()
    generator, total = torch.Generator().manual_seed(0), torch.zeros_like(truth)
    for _ in range(20):
        z = tracked.model.prior.draw(data.covariates, generator)
        facts = [x.expand(3, *x.shape) for x in (data.prospects[:, 6], data.features[:, 6], z)]
        total = total + tracked.model.log_probs(*facts).detach().exp().mean(0) / 20
    assert distance(told, truth) < 0.06
    assert distance(total.log(), truth) > 0.15


def test_beliefs_about_strangers_find_their_taste_and_sharpen(tracked: Fitted):
    episode, taste = life(True, HELD_OUT, 30)
    belief = beliefs(tracked.model, records(stage("revenue", steps=STEPS).society, episode))
    known = [explained(taste.flatten(), belief.mean[:, t].flatten(0, 1)) for t in (0, STEPS - 1)]
    assert known[1] > 0.9
    assert known[1] > known[0] - 0.01  # a whole first reply tells nearly all about the one taste there is
    spread = belief.log_sd.exp().mean((0, 2))  # [T, Z]
    assert float((spread[-1] / spread[0]).min()) < 0.8


def test_before_any_decision_the_belief_is_the_prior(tracked: Fitted):
    covariates = tracked.data.covariates
    people = tracked.model.prior.draw(covariates.expand(400, *covariates.shape), torch.Generator().manual_seed(0))
    with torch.no_grad():
        belief = tracked.model.tracker.at_first(covariates)
    mean, spread = people.detach().mean((0, 1, 2)), people.detach().std(0).mean((0, 1))  # [Z]
    assert float(((belief.mean.mean((0, 1)) - mean) / spread).abs().max()) < 0.35
    ratio = belief.log_sd.exp().mean((0, 1)) / spread
    assert 0.7 < float(ratio.min()) <= float(ratio.max()) < 1.5


def test_one_episode_can_be_learned_by_heart():
    made = fitted(True, replace(SETTINGS, steps=150, batch=1, slots=8), worlds=1)
    z = made.labels.z.mean(0)[:, None].expand(-1, STEPS, -1, -1)
    facts = [x.expand(3, *x.shape) for x in (made.data.prospects, made.data.features, z)]
    choice = made.data.choice
    told = made.model.log_probs(*facts).detach().mean(0)
    assert float((choice * (choice.clamp_min(1e-9).log() - told)).sum(-1).mean()) < 0.02


def foretold(model: WorldModel) -> float:
    """How well strangers' first decisions are foretold, in nats each: the mean over draws of who they may be."""
    episode, _ = life(True, HELD_OUT, 40)
    data = records(stage("revenue", steps=STEPS).society, episode)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        noise = [torch.randn(30, 40, *size, generator=generator) for size in ((1,), (*data.covariates.shape[1:2], 2))]
        z = model.prior(data.covariates.expand(30, *data.covariates.shape), *noise)  # [30, B, N, Z]
        facts = (data.prospects[:, 0].expand(30, -1, -1, -1, -1), data.features[:, 0].expand(30, -1, -1, -1), z)
        log_p = model.log_probs(*[x.expand(3, *x.shape) for x in facts]).exp().mean((0, 1)).log()
    return float((data.choice[:, 0] * log_p).sum(-1).mean())


def test_a_known_model_is_not_forgotten_for_one_episode(soft: Fitted, monkeypatch: pytest.MonkeyPatch):
    here = stage("revenue", steps=STEPS).society
    told = records(here, life(False, 100, 1)[0])

    def adapted() -> float:
        model = WorldModel(here, SIZES, 0)
        model.set_out_from(soft.model.state_dict())
        fit(model, told, False, SETTINGS, 0)
        return foretold(model)

    near = adapted()
    monkeypatch.setattr(WeightPrior, "unlikely", lambda _: torch.zeros(()))
    known, forgotten = foretold(soft.model), adapted()
    assert near - forgotten > 0.9 * (known - forgotten) > 0


def test_the_seed_decides_the_fit():
    def weights(seed: int) -> dict[str, Tensor]:
        society = stage("revenue", steps=STEPS).society
        model = WorldModel(society, SIZES, 0)
        posterior = fit(model, records(society, life(True, 0, 4)[0]), True, replace(SETTINGS, steps=5), seed)
        return {**model.state_dict(), **posterior.state_dict()}

    one, same, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["eps_mean"], other["eps_mean"])


def test_members_end_up_different(soft: Fitted):
    """The bootstrap and their initial weights keep the members apart: there is something to disagree about."""
    z = soft.labels.z.mean(0)[:, None].expand(-1, STEPS, -1, -1)
    facts = [x.expand(3, *x.shape) for x in (soft.data.prospects, soft.data.features, z)]
    told = soft.model.log_probs(*facts).detach().exp()
    apart = (told[0] - told[1]).abs().sum(-1).mean() / 2  # total variation
    assert 0.005 < float(apart) < 0.15


def test_progress_is_told_step_by_step():
    told = list[tuple[str, int, int, float]]()
    society = stage("revenue", steps=STEPS).society
    settings = replace(SETTINGS, steps=3, tracker_steps=2)
    model, data = WorldModel(society, SIZES, 0), records(society, life(True, 0, 3)[0])
    posterior = fit(model, data, True, settings, 0, lambda *step: told.append(step))
    labels = posterior_labels(model, posterior, data, torch.Generator().manual_seed(0))
    fit_tracker(model, [labels], settings, 0, lambda *step: told.append(step))
    assert [step[1:3] for step in told] == [(1, 3), (2, 3), (3, 3), (1, 2), (2, 2)]


def test_whole_distributions_count_as_several_choices_and_single_actions_as_one():
    sure = torch.tensor([0.0, -60.0, -60.0]).softmax(0)  # rounds to 1, and is a whole distribution nevertheless
    choice = torch.stack([torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.2, 0.3, 0.5]), sure, torch.zeros(3)])
    assert weighted(choice, 8.0).sum(-1).tolist() == pytest.approx([1.0, 8.0, 8.0, 0.0])


def test_a_model_without_traits_can_be_asked_what_it_believes():
    tracker = Tracker(4, 1, 0, 3, 8, torch.Generator().manual_seed(0))
    belief = tracker.at_first(torch.zeros(2, 5, 1))
    assert belief.mean.shape == (2, 5, 0)
