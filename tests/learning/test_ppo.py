"""PPO: its loss against torchrl's, and a bandit whose optimum is known."""

from dataclasses import replace

import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import InteractionType, ProbabilisticTensorDictSequential, TensorDictModule
from tensordict.nn import ProbabilisticTensorDictModule as Draw
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torchrl.objectives import ClipPPOLoss

from learning.nets import mlp
from learning.ppo import Batch, PPOSettings, gaussian_entropy, gaussian_log_prob, ppo_loss, ppo_update


class Gaussian(nn.Module):
    """A small policy over two numbers and its value function."""

    def __init__(self, observations: int, actions: int, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.actor = mlp([observations, 16, actions], out_gain=0.01, generator=g)
        self.critic = mlp([observations, 16, 1], generator=g)
        self.log_std = nn.Parameter(torch.full((actions,), -0.5))

    @torch.no_grad()
    def act(self, observation: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        mean = self.actor(observation)
        action = mean + self.log_std.exp() * torch.randn(mean.shape, generator=generator)
        return action, gaussian_log_prob(mean, self.log_std, action)

    def evaluate(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_prob = gaussian_log_prob(self.actor(observation), self.log_std, action)
        return log_prob, gaussian_entropy(self.log_std).expand(len(action)), self.critic(observation)[:, 0]


def _batch(size: int = 200, seed: int = 3) -> Batch:
    """Samples of another policy than the one that is trained, so that ratios are off 1 and some are clipped."""
    g = torch.Generator().manual_seed(seed)
    observation = torch.randn(size, 4, generator=g)
    action, log_prob = Gaussian(4, 2, seed=9).act(observation, g)
    noise = 0.3 * torch.randn(size, generator=g)
    advantage, returns = torch.randn(size, generator=g), torch.randn(size, generator=g)
    return Batch(observation, action, log_prob + noise, advantage, returns)


def test_gaussian_is_torch_normal() -> None:
    mean, log_std, action = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
    law = Independent(Normal(mean, log_std.exp()), 1)
    torch.testing.assert_close(gaussian_log_prob(mean, log_std, action), law.log_prob(action))
    torch.testing.assert_close(gaussian_entropy(log_std), law.entropy())


def _torchrl_loss(model: Gaussian, s: PPOSettings) -> ClipPPOLoss:
    class Parameters(nn.Module):
        def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
            mean = model.actor(observation)
            return mean, model.log_std.exp().expand_as(mean)

    def law(loc: Tensor, scale: Tensor) -> Independent:
        return Independent(Normal(loc, scale), 1)

    actor = ProbabilisticTensorDictSequential(
        TensorDictModule(Parameters(), in_keys=["observation"], out_keys=["loc", "scale"]),
        Draw(
            in_keys=["loc", "scale"],
            out_keys=["action"],
            distribution_class=law,
            default_interaction_type=InteractionType.RANDOM,
            return_log_prob=True,
        ),
    )
    critic = TensorDictModule(model.critic, in_keys=["observation"], out_keys=["state_value"])
    return ClipPPOLoss(
        actor, critic, clip_epsilon=s.clip, entropy_coeff=s.entropy, critic_coeff=s.value_coef,
        loss_critic_type="l2", normalize_advantage=False, functional=False,
    )  # fmt: skip


def test_loss_agrees_with_torchrl() -> None:
    settings, batch, model = PPOSettings(entropy=0.02, value_coef=0.7), _batch(), Gaussian(4, 2)
    ours, facts = ppo_loss(model, batch, settings)
    data = TensorDict(
        {
            "observation": batch.observation,
            "action": batch.action,
            "action_log_prob": batch.log_prob,
            "advantage": batch.advantage[:, None],
            "value_target": batch.returns[:, None],
        },
        [len(batch)],
    )
    theirs = _torchrl_loss(model, settings)(data)
    total = theirs["loss_objective"] + theirs["loss_critic"] + theirs["loss_entropy"]
    torch.testing.assert_close(facts["policy_loss"], theirs["loss_objective"].detach())
    torch.testing.assert_close(settings.value_coef * facts["value_loss"], theirs["loss_critic"].detach())
    torch.testing.assert_close(facts["clip_fraction"], theirs["clip_fraction"])
    torch.testing.assert_close(ours, total)
    assert 0.05 < float(facts["clip_fraction"]) < 0.95  # both branches of the minimum were compared
    gradients = [torch.autograd.grad(x, list(model.parameters())) for x in (ours, total)]
    torch.testing.assert_close(*gradients)


def test_on_its_own_samples_the_gradient_is_the_policy_gradient() -> None:
    model, settings = Gaussian(4, 2), PPOSettings(value_coef=0.0)
    batch = _batch()
    log_prob = model.evaluate(batch.observation, batch.action)[0]
    loss, facts = ppo_loss(model, replace(batch, log_prob=log_prob.detach()), settings)
    plain = -(batch.advantage * log_prob).mean()
    mine, theirs = (torch.autograd.grad(x, list(model.actor.parameters()), retain_graph=True) for x in (loss, plain))
    torch.testing.assert_close(mine, theirs)
    assert float(facts["approx_kl"]) == 0.0
    assert float(facts["clip_fraction"]) == 0.0


def _bandit(observation: Tensor, action: Tensor) -> Tensor:
    """Reward [S], best (0) at the action 1 + o_0, -0.5."""
    best = torch.stack([1.0 + observation[:, 0], torch.full((len(observation),), -0.5)], -1)
    return -(action - best).square().sum(-1)


def _train(seed: int, rounds: int = 40) -> tuple[float, float, Tensor]:
    """Mean reward of the first and the last round, and the first round's actions."""
    g, model = torch.Generator().manual_seed(seed), Gaussian(1, 2, seed)
    settings = PPOSettings(learning_rate=1e-2, epochs=4, minibatches=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    rewards, actions = list[float](), list[Tensor]()
    for _ in range(rounds):
        observation = torch.rand(256, 1, generator=g) - 0.5
        with torch.no_grad():
            action, log_prob = model.act(observation, g)
            value = model.critic(observation)[:, 0]
        reward = _bandit(observation, action)
        ppo_update(model, optimizer, Batch(observation, action, log_prob, reward - value, reward), settings, g)
        rewards.append(float(reward.mean()))
        actions.append(action)
    return rewards[0], rewards[-1], actions[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_policy_improves_and_samples_vary(seed: int) -> None:
    first, last, action = _train(seed)
    assert first < -1.5  # 1 + .25 + .08 below the best, and the noise
    assert last > -0.15
    assert float(action.std(0).min()) > 0.4  # a policy that acted by its mean would learn nothing


def test_same_seed_same_result() -> None:
    assert _train(5, rounds=3)[:2] == _train(5, rounds=3)[:2]


def test_report_and_step_count() -> None:
    model, settings = Gaussian(4, 2), PPOSettings(epochs=3, minibatches=4)
    before = [p.clone() for p in model.parameters()]
    told = ppo_update(
        model, torch.optim.Adam(model.parameters(), lr=1e-3), _batch(), settings, torch.Generator().manual_seed(0)
    )
    assert set(told) == {
        "policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm", "steps",
    }  # fmt: skip
    assert told["steps"] == 12
    assert told["grad_norm"] > 0
    assert all(not torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True) if p.grad is not None)


def test_target_kl_stops_early() -> None:
    def steps(target: float | None) -> float:
        model, batch = Gaussian(4, 2), _batch()
        own = replace(batch, log_prob=model.evaluate(batch.observation, batch.action)[0].detach())
        settings = PPOSettings(epochs=10, target_kl=target)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
        return ppo_update(model, optimizer, own, settings, torch.Generator().manual_seed(0))["steps"]

    assert steps(None) == 40
    assert 1 <= steps(0.01) < 40


def test_every_sample_is_used_once_an_epoch() -> None:
    seen = list[Tensor]()

    class Spy(Gaussian):
        def evaluate(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            seen.append(observation[:, 0])
            return super().evaluate(observation, action)

    model, batch = Spy(4, 2), _batch(101)
    settings = PPOSettings(epochs=1, minibatches=7)
    ppo_update(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, settings, torch.Generator().manual_seed(1))
    assert len(seen) == 7
    torch.testing.assert_close(torch.cat(seen).sort().values, batch.observation[:, 0].sort().values)
    assert not torch.equal(torch.cat(seen), batch.observation[:, 0])  # and in another order
