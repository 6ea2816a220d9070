"""Latent traits: a hierarchical prior over rosters and agents, and the variational posterior of whole trajectories.

z_i = w_i' m + (w_i' M) c + exp(s) eps_i with w_i = (1, public covariates of agent i), c ~ N(0, I) one draw per roster
(the community), eps_i ~ N(0, I) one per agent. The posterior is over (c, eps), not over z: in this non-centred form
(Papaspiliopoulos, Roberts & Skold 2007) what moves the whole roster is free to move it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


class CommunityPrior(nn.Module):
    """p(z | public covariates): learned together with the response heads."""

    def __init__(self, traits: int, community: int, covariates: int, generator: torch.Generator) -> None:
        super().__init__()
        self.traits, self.community = traits, community
        self.mean = nn.Parameter(torch.zeros(1 + covariates, traits))  # the constant is redundant with the heads
        spread = torch.full((1 + covariates, 1, 1), 0.2)
        spread[0] = 0.5
        self.loading = nn.Parameter(torch.randn(1 + covariates, community, traits, generator=generator) * spread)
        self.log_scale = nn.Parameter(torch.full((traits,), -0.3))

    def forward(self, covariates: Tensor, c: Tensor, eps: Tensor) -> Tensor:
        """covariates [..., N, V], c [..., C], eps [..., N, Z] -> z [..., N, Z]."""
        w = torch.cat([covariates.new_ones(*covariates.shape[:-1], 1), covariates], -1)  # [..., N, 1 + V]
        community = torch.einsum("...c,vcz->...vz", c, self.loading)  # [..., 1 + V, Z]
        return w @ (self.mean + community) + self.log_scale.exp() * eps

    def draw(self, covariates: Tensor, generator: torch.Generator) -> Tensor:
        """New people for [..., N, V]: z [..., N, Z]."""
        lead, n = covariates.shape[:-2], covariates.shape[-2]
        c = torch.randn(*lead, self.community, generator=generator)
        return self(covariates, c, torch.randn(*lead, n, self.traits, generator=generator))


@dataclass(frozen=True)
class Gaussian:
    """Independent normals: mean and log standard deviation of one shape."""

    mean: Tensor
    log_sd: Tensor

    def draw(self, generator: torch.Generator) -> Tensor:
        noise = torch.randn(self.mean.shape, generator=generator)
        return self.mean + self.log_sd.exp() * noise

    def kl_to_standard(self) -> Tensor:
        """KL(self || N(0, I)), elementwise."""
        return 0.5 * (self.mean**2 + (2 * self.log_sd).exp() - 1) - self.log_sd


class Posterior(nn.Module):
    """q(c, eps) of E whole trajectories: one mean and one scale per community draw and per agent trait."""

    def __init__(self, episodes: int, agents: int, prior: CommunityPrior, generator: torch.Generator) -> None:
        super().__init__()
        c, z = (episodes, prior.community), (episodes, agents, prior.traits)
        self.c_mean = nn.Parameter(torch.randn(*c, generator=generator) * 0.1)
        self.c_log_sd = nn.Parameter(torch.full(c, -1.0))
        self.eps_mean = nn.Parameter(torch.randn(*z, generator=generator) * 0.1)
        self.eps_log_sd = nn.Parameter(torch.full(z, -1.0))

    def of(self, episodes: Tensor) -> tuple[Gaussian, Gaussian]:
        """q(c) and q(eps) of those episodes."""
        return (
            Gaussian(self.c_mean[episodes], self.c_log_sd[episodes].clamp(-6, 1)),
            Gaussian(self.eps_mean[episodes], self.eps_log_sd[episodes].clamp(-6, 1)),
        )
