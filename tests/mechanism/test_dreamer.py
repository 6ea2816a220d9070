"""The latent world model as a baseline: its arithmetic, its blindness to order, and that it learns."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import Draws, draws
from mechanism.baselines.dreamer import Dreamer, Memory, Trainer, dreamer
from mechanism.baselines.dreamer_losses import (
    ReturnRange,
    TwoHot,
    balanced_kl,
    lambda_returns,
    symexp,
    symlog,
    unimixed,
)
from mechanism.baselines.dreamer_model import Latent, drawn, lots
from mechanism.baselines.dreamer_replay import Replay, Steps, as_steps, observed
from mechanism.baselines.dreamer_settings import DreamerSettings
from mechanism.explore import RandomRules
from personas.rosters import open_rosters
from societies.base import Episode
from societies.facilities import Facilities, Tastes
from societies.mechanisms import options
from societies.stage import Stage
from tests.towns import POPULATIONS, Asking
from tests.world_model.island import reordered, seen
from tests.world_model.island import stage as island
from world_model.fit import quiet

TASTES = Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 4.0), (0.0, 3.0))
SMALL = Facilities("small", 6, 4, TASTES, "visits", sites=3)
TINY = DreamerSettings(
    batch_episodes=4, train_ratio=4.0, batch=4, imagined=2, deter=8, categoricals=2, classes=4, hidden=8
)


class Toy(Facilities):
    """One decision between two opposite corners of four cells; nineteen in twenty who live there go there."""

    def decides(self, step: int, features: Tensor) -> Tensor:
        return torch.tensor([True, False, False, True]).expand(len(features), -1)


def stage_of(society: Facilities, seed: int = 1) -> Stage:
    rosters = open_rosters(POPULATIONS / "visitors.yaml", society.agents, attributes=society.attributes_used)
    return Stage(society, ScriptedPopulation(False), rosters, seed)


FRESH = stage_of(SMALL, 2).census(0, 2)


def lived(worlds: int = 5) -> Episode:
    return stage_of(SMALL).play(RandomRules(SMALL, draws(3, 0, worlds)), 0, worlds)


def stirred(settings: DreamerSettings = TINY) -> Trainer:
    """Networks whose every output differs between inputs, as if they had learned something."""
    trainer = Trainer(stage_of(SMALL), settings, 0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in [*trainer.model.parameters(), *trainer.mind.parameters()]:
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return trainer


def test_symexp_undoes_symlog():
    x = torch.tensor([-1000.0, -1.0, -0.01, 0.0, 0.5, 20.0])
    torch.testing.assert_close(symexp(symlog(x)), x)
    torch.testing.assert_close(symlog(torch.tensor([torch.e - 1, 1 - torch.e])), torch.tensor([1.0, -1.0]))


def test_two_hot_tells_numbers_exactly():
    told = TwoHot(61, 3.0)
    x = torch.tensor([[0.0, 0.437, -3.0], [2.5, 19.0, 1e-3]])
    weights = told.encode(x)
    assert weights.shape == (2, 3, 61)
    assert int((weights > 0).sum(-1).max()) == 2
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3))
    torch.testing.assert_close(told.decode(weights.clamp_min(1e-30).log()), x, rtol=1e-5, atol=1e-5)


def test_two_hot_keeps_means_and_clips_what_it_cannot_tell():
    told = TwoHot(3, 1.0)
    torch.testing.assert_close(told.bins, torch.tensor([1 - torch.e, 0.0, torch.e - 1]))
    torch.testing.assert_close(told.encode(torch.tensor(0.25 * (torch.e - 1))), torch.tensor([0.0, 0.75, 0.25]))
    assert told.encode(torch.tensor([-9.0, 9.0])).tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    mean = told.encode(torch.tensor([0.1, 1.5])).mean(0)
    torch.testing.assert_close(mean @ told.bins, torch.tensor(0.8))
    with pytest.raises(ValueError, match="1 bins"):
        TwoHot(1, 1.0)


def test_lambda_returns_worked_by_hand():
    """R_1 = 2 + .9 * 4 = 5.6;  R_0 = 1 + .9 (.5 * 3 + .5 * 5.6) = 4.87"""
    rewards, values = torch.tensor([[1.0], [2.0]]), torch.tensor([[7.0], [3.0], [4.0]])
    torch.testing.assert_close(lambda_returns(rewards, values, 0.9, 0.5), torch.tensor([[4.87], [5.6]]))
    torch.testing.assert_close(lambda_returns(rewards, values, 1.0, 1.0), torch.tensor([[7.0], [6.0]]))


def test_kl_is_balanced_and_costs_nothing_below_the_free_bits():
    """Two agents with one categorical of two classes: KL(.75 || .5) = .75 ln 1.5 + .25 ln .5 = .1308 nats each."""
    p = torch.tensor([0.75, 0.25]).log().expand(3, 2, 1, 2).clone().requires_grad_()
    q = torch.tensor([0.5, 0.5]).log().expand(3, 2, 1, 2).clone().requires_grad_()
    dynamics, representation = balanced_kl(p, q, 0.1)
    torch.testing.assert_close(dynamics.detach(), torch.full((3,), 2 * 0.130812), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(representation.detach(), dynamics.detach())
    dynamics.sum().backward()
    assert p.grad is None
    assert q.grad is not None
    free, also = balanced_kl(p, q, 1.0)
    assert free.tolist() == also.tolist() == [1.0, 1.0, 1.0]
    assert torch.autograd.grad(also.sum(), p)[0].abs().sum() == 0


def test_unimix_keeps_every_class_alive():
    torch.testing.assert_close(unimixed(torch.tensor([100.0, 0.0]), 0.01).exp(), torch.tensor([0.995, 0.005]))


def test_draws_follow_the_probabilities_and_pass_gradients_straight_through():
    p = torch.tensor([0.7, 0.2, 0.1])
    logits = p.log().expand(4000, 1, 1, 3).clone().requires_grad_()
    hot = drawn(logits, lots(logits, torch.Generator().manual_seed(0)))  # [4000, 1, 3]
    torch.testing.assert_close(hot.detach().mean((0, 1)), p, rtol=0, atol=0.03)
    hot[..., 0].sum().backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[0, 0, 0], torch.tensor([0.7, 0.0, 0.0]))


def test_the_range_of_returns_moves_slowly_and_has_a_floor():
    scale = ReturnRange(0.9, 0.5)
    assert scale.update(torch.linspace(0, 1, 101)) == pytest.approx(0.9)
    assert scale.update(torch.zeros(101)) == pytest.approx(0.81)
    assert ReturnRange(0.9, 0.5).update(torch.zeros(5)) == 0.5


def test_what_is_replayed_is_what_was_lived():
    episode = lived()
    steps = as_steps(SMALL, episode)
    assert steps.observation.shape == (5, 4, 6, 2 + 10 + 4 + 10)
    assert torch.equal(steps.observation[..., :2], episode.features[..., :2])
    assert torch.equal(steps.observation[:, 1:, :, 12:16], episode.choice)
    assert not steps.observation[:, 0, :, 2:].any()
    stands = steps.observation[..., 2:9].sum(-1)  # one block away or another: [B, T + 1, N]
    assert torch.equal(stands, torch.arange(4.0)[:, None].expand_as(stands))
    for t in range(SMALL.steps):
        assert torch.equal(observed(SMALL, seen(episode, t)), steps.observation[:, t])
    assert torch.equal(steps.reward, episode.welfare)
    away = steps.felt.argmax(-1)  # [B, T, N] blocks
    went = steps.chosen[..., :7].argmax(-1)
    newest = episode.action == torch.arange(1, 4)[:, None]
    assert bool(newest.any())
    assert torch.equal(away[newest], went[newest])


def test_the_oldest_are_forgotten():
    replay, generator = Replay(7), torch.Generator().manual_seed(0)
    with pytest.raises(ValueError, match="nothing to replay"):
        replay.sample(1, generator)
    steps = as_steps(SMALL, lived())
    for reward in (1.0, 2.0):
        replay.add(replace(steps, reward=torch.full_like(steps.reward, reward)))
    drawn_rewards = replay.sample(500, generator).reward[:, 0]
    assert float(drawn_rewards.mean()) == pytest.approx(12 / 7, abs=0.1)


class Even(Draws):
    """The same for all, so that agents differ by what is known of them alone."""

    def uniform(self, purpose: str, step: int, *shape: int) -> Tensor:
        return torch.full((len(self.episodes), *shape), 0.5)


def latents(principal: Dreamer, episode: Episode) -> list[Latent]:
    memory, told = Memory(Even(0, episode.ids), None), list[Latent]()
    for t in range(SMALL.steps):
        memory, _ = principal.propose(memory, seen(episode, t))
        assert memory.latent is not None
        told.append(memory.latent)
    return told


def test_the_order_of_agents_does_not_matter():
    trainer, episode = stirred(), lived()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    other = reordered(episode, order)
    ours, theirs = (latents(trainer.principal, e) for e in (episode, other))
    for t, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        torch.testing.assert_close(a.h[:, order], b.h, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(a.z[:, order], b.z)
        scores = [scored(trainer, latent, t, e) for latent, e in ((a, episode), (b, other))]
        torch.testing.assert_close(scores[0], scores[1], rtol=1e-4, atol=1e-4)
        assert float(scores[0].amax() - scores[0][scores[0] > -100].amin()) > 0.01


def scored(trainer: Trainer, latent: Latent, step: int, episode: Episode) -> Tensor:
    features = episode.features[:, step]
    groups = options(SMALL).groups(features)
    return trainer.mind.scores(latent, step, groups, SMALL.decides(step, features)).detach()


def test_replay_and_play_unroll_alike():
    """With nothing to be drawn, the states along a replayed episode are the principal's own."""
    trainer, episode = stirred(replace(TINY, categoricals=1, classes=1)), lived()
    unrolled = trainer.model.unrolled(as_steps(SMALL, episode), trainer.generator)
    for t, latent in enumerate(latents(trainer.principal, episode)):
        torch.testing.assert_close(unrolled.h[:, t].detach(), latent.h, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("horizon", [15, 2, 1])
def test_imagination_goes_to_the_end_or_to_the_horizon(horizon: int):
    """Two episodes of three steps: every replayed state of a stretch begins one imagined course, and before the first
    step so do two fresh rosters.
    """
    trainer = stirred(replace(TINY, horizon=horizon))
    steps = as_steps(SMALL, lived())
    unrolled = trainer.model.unrolled(steps, trainer.generator)
    ends = list[bool]()
    for _ in range(12):
        dream = trainer.imagination.roll(steps, unrolled, FRESH, trainer.generator)
        begun, stretch = dream.live.sum(1), min(3, horizon)
        assert int(begun[0]) in ({4} if horizon >= 3 else {2, 4})
        assert (begun - begun[0]).tolist() == list(range(0, 2 * stretch, 2))
        assert dream.value.shape == (stretch + 1, int(begun[-1]))
        assert not dream.reward[dream.live == 0].any()
        ends.append(not dream.value[-1].any())
    assert all(ends) if horizon >= 3 else 0 < sum(ends) < 12


def test_nothing_shut_is_imagined_and_learning_moves_every_network():
    trainer = Trainer(stage_of(SMALL), replace(TINY, free_bits=0.0), 0)
    trainer.replay.add(as_steps(SMALL, lived()))
    parts = {"model": trainer.model, "actor": trainer.mind.actor, "critic": trainer.mind.critic}
    before = {name: [p.detach().clone() for p in part.parameters()] for name, part in parts.items()}
    for _ in range(3):
        trainer.update()
    for name, part in parts.items():
        moved = [not torch.equal(a, b) for a, b in zip(before[name], part.parameters(), strict=True)]
        assert all(moved), name
    steps: Steps = trainer.replay.sample(4, trainer.generator)
    unrolled = trainer.model.unrolled(steps, trainer.generator)
    dream = trainer.imagination.roll(steps, unrolled, FRESH, trainer.generator)
    assert bool((dream.log_prob.detach() > -20).all())


def test_every_update_imagines_other_fresh_towns():
    real = stage_of(SMALL)
    stage = Asking(SMALL, real.population, real.rosters, real.seed)
    dreamer(stage, TINY, 9, 0, quiet)
    begun = torch.cat(stage.begun)
    assert len(begun) == 9 * TINY.imagined
    assert len(begun.unique(dim=0)) == len(begun)
    assert not (begun[:, None] == real.census(0, 9)).flatten(2).all(-1).any()


def test_it_learns_to_build_where_more_people_live():
    toy = Toy("toy", 6, 2, Tastes((3.0, 3.0), (10.0, 10.0), (0.0, 0.0), (0.0, 0.0)), "visits", sites=1)
    stage, told = stage_of(toy), list[int]()
    settings = replace(TINY, batch_episodes=16, train_ratio=60.0, batch=16, imagined=16, deter=16, hidden=32)
    settings = replace(settings, categoricals=4, model_rate=3e-3, actor_rate=3e-3, critic_rate=3e-3)
    learned = dreamer(stage, settings, 64, 0, quiet, lambda episodes, _: told.append(episodes))
    assert told == [16, 32, 48, 64]
    episode = stage.play(learned, 10**6, 200)
    near = options(toy).groups(episode.features[:, 0])[:, :, 0].sum(-1)  # [B, 4] how many live there
    more, clear = (near * episode.mechanism[:, 0]).sum(-1) >= near[:, [0, 3]].amax(-1), near[:, 0] != near[:, 3]
    assert float(more[clear].float().mean()) > 0.9


def test_a_seed_says_it_all():
    global_state = torch.get_rng_state()
    a, b, c = (dreamer(stage_of(SMALL), TINY, 9, seed, quiet) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), global_state)
    weights = [[*x.model.parameters(), *x.mind.parameters()] for x in (a, b, c)]
    assert all(torch.equal(x, y) for x, y in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(weights[0], weights[2], strict=True))


@pytest.mark.parametrize(("settings", "updates"), [(TINY, 9), (replace(TINY, train_ratio=TINY.batch * 20 / 9), 20)])
def test_the_number_of_updates_follows_the_train_ratio(
    settings: DreamerSettings, updates: int, monkeypatch: pytest.MonkeyPatch
):
    """Nine episodes at four replayed steps a real step, in batches of four episodes: nine updates."""
    made = list[int]()
    monkeypatch.setattr(Trainer, "update", lambda self: made.append(1))  # pyright: ignore
    dreamer(stage_of(SMALL), settings, 9, 0, quiet)
    assert len(made) == updates


def test_rules_that_are_numbers_are_refused():
    with pytest.raises(ValueError, match="the rules of island are 1 numbers"):
        dreamer(island(), TINY, 4, 0, quiet)
