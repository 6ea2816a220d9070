"""The hierarchical prior and the Gaussian posterior, against torch.distributions and hand-worked moments."""

import torch
from torch.distributions import Normal, kl_divergence

from world_model.latent import CommunityPrior, Gaussian, Posterior


def prior(traits: int = 3, community: int = 2, covariates: int = 1) -> CommunityPrior:
    made = CommunityPrior(traits, community, covariates, torch.Generator().manual_seed(0))
    with torch.no_grad():
        made.mean.normal_(generator=torch.Generator().manual_seed(1))
        made.log_scale.copy_(torch.linspace(-1.0, 0.5, traits))
    return made


def some(*shape: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_divergence_agrees_with_torch_distributions():
    mean, log_sd = some(4, 5), some(4, 5, seed=3)
    expected = kl_divergence(Normal(mean, log_sd.exp()), Normal(torch.zeros(4, 5), torch.ones(4, 5)))
    torch.testing.assert_close(Gaussian(mean, log_sd).kl_to_standard(), expected)


def test_divergence_is_zero_only_at_the_standard_normal():
    assert torch.equal(Gaussian(torch.zeros(3), torch.zeros(3)).kl_to_standard(), torch.zeros(3))
    assert bool((Gaussian(some(50), some(50, seed=3)).kl_to_standard() > 0).all())


def test_gaussian_draws_have_its_mean_and_spread():
    gaussian = Gaussian(torch.tensor([2.0, -1.0]).expand(20_000, 2), torch.tensor([0.0, -1.0]).expand(20_000, 2))
    drawn = gaussian.draw(torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0), torch.tensor([2.0, -1.0]), atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.tensor([1.0, 0.3679]), atol=0.03, rtol=0)


def test_people_of_whom_nothing_is_public_have_a_prior_too():
    made, c, eps = prior(covariates=0), some(4, 2), some(4, 5, 3, seed=3)
    z = made(torch.zeros(4, 5, 0), c, eps)
    expected = made.mean + torch.einsum("bc,cz->bz", c, made.loading[0])[:, None] + made.log_scale.exp() * eps
    torch.testing.assert_close(z, expected)


def test_moving_the_community_draw_moves_the_whole_roster():
    """Non-centred: at equal covariates everyone moves by the same vector, M (c' - c), whatever their own draw is."""
    law, n = prior(), 5
    covariates, eps = torch.full((n, 1), 0.7), some(n, 3)
    c, other = some(2, seed=4), some(2, seed=5)
    moved = law(covariates, other, eps) - law(covariates, c, eps)  # [N, Z]
    expected = (other - c) @ (law.loading[0] + 0.7 * law.loading[1])
    torch.testing.assert_close(moved, expected.expand(n, -1))
    assert float(moved.detach().abs().min()) > 0.01


def test_a_persons_own_draw_moves_nobody_else():
    law = prior()
    covariates, c, eps = some(5, 1), some(2, seed=4), some(5, 3, seed=5)
    other = eps.clone()
    other[2] += 1.0
    moved = law(covariates, c, other) - law(covariates, c, eps)
    torch.testing.assert_close(moved[2], law.log_scale.exp())
    assert torch.equal(moved[[0, 1, 3, 4]], torch.zeros(4, 3))


def test_draws_have_the_mean_and_covariance_that_the_loadings_imply():
    """Cov(z_i, z_j) = L_i' L_j within a roster, plus exp(2 s) where i = j; L_i is the loading at i's covariates."""
    law = prior()
    covariates = torch.tensor([[0.5], [-1.0]])
    drawn = law.draw(covariates.expand(40_000, 2, 1), torch.Generator().manual_seed(7)).detach()  # [S, 2, Z]
    w = torch.cat([torch.ones(2, 1), covariates], -1)
    loading = torch.einsum("nv,vcz->ncz", w, law.loading.detach())  # [2, C, Z]
    joint = loading.permute(1, 0, 2).flatten(1)  # [C, 2 Z]
    expected = joint.T @ joint + torch.diag((2 * law.log_scale.detach()).exp().repeat(2))
    torch.testing.assert_close(drawn.mean(0), w @ law.mean.detach(), atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.flatten(1).T.cov(), expected, atol=0.05, rtol=0.03)


def test_the_posterior_of_some_episodes_is_theirs():
    posterior = Posterior(6, 4, prior(), torch.Generator().manual_seed(0))
    community, agents = posterior.of(torch.tensor([4, 1]))
    assert torch.equal(community.mean, posterior.c_mean[[4, 1]])
    assert torch.equal(agents.mean, posterior.eps_mean[[4, 1]])
    assert community.mean.shape == (2, 2)
    assert agents.log_sd.shape == (2, 4, 3)


def test_the_posteriors_spread_stays_within_bounds():
    posterior = Posterior(1, 1, prior(), torch.Generator().manual_seed(0))
    with torch.no_grad():
        posterior.c_log_sd.fill_(50.0)
        posterior.eps_log_sd.fill_(-50.0)
    community, agents = posterior.of(torch.tensor([0]))
    assert bool(community.kl_to_standard().isfinite().all() and agents.kl_to_standard().isfinite().all())
