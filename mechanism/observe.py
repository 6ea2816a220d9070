"""What a learned principal sees: aggregates of public facts over agents and years, and the pooled belief about them.

Every aggregate is a mean over agents of a per-agent number, weighted by 1, by each personal covariate v (for the tax
society: how well the agent is paid) and by v^2 - 1, so the observation does not depend on the order of the agents
nor grow with their number.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.beliefs import Beliefs, believed
from societies.base import PublicStep, Society
from world_model.model import WorldModel
from world_model.records import personal


@dataclass(frozen=True)
class History:
    """Sums over the steps so far."""

    count: int
    first: Tensor  # [B, N, G] sums of g = (response, prospects that the reply expected)
    second: Tensor  # [B, N, G] sums of g times the response
    evidence: Tensor  # [B, N, H] the tracker's sums; H = 0 without a world model


@dataclass(frozen=True)
class Observer:
    """Turns public steps into observations [B, X]. Without a world model there is no belief in them."""

    society: Society
    model: WorldModel | None = None
    beliefs: Beliefs = "posterior"

    @property
    def size(self) -> int:
        """X"""
        v, f = len(self.society.personal), len(self.society.feature_names)
        g, m = 1 + len(self.society.prospect_names), len(self.society.default_mechanism())
        per_agent = f + 2 * g
        return per_agent * (1 + 2 * v) + 2 * v + f + m + 1 + self._belief_size

    @property
    def _belief_size(self) -> int:
        if self.model is None:
            return 0
        return self.model.settings.traits * (2 + len(self.society.personal))

    def start(self, worlds: int) -> History:
        """Nothing seen yet."""
        n, g = self.society.agents, 1 + len(self.society.prospect_names)
        hidden = 0 if self.model is None else self.model.tracker.hidden
        zeros = torch.zeros(worlds, n, g)
        return History(0, zeros, zeros, torch.zeros(worlds, n, hidden))

    def observe(self, history: History, seen: PublicStep) -> tuple[History, Tensor]:
        """Take in what the last step showed; the observation [B, X] for the next decision."""
        history = self._taken_in(history, seen)
        covariates = personal(self.society, seen.features)  # [B, N, V]
        steps = max(history.count, 1)
        mean = history.first / steps
        covariance = history.second / steps - mean * mean[..., :1]
        per_agent = torch.cat([seen.features, mean, covariance], -1)  # [B, N, F + 2G]
        parts = [_pooled(per_agent, covariates), covariates.mean(1), (covariates**2).mean(1)]
        parts += [seen.features.std(1), self._rules(seen)]
        parts += [torch.full((len(per_agent), 1), seen.step / self.society.steps)]
        return history, torch.cat(parts + self._belief(history, covariates), -1)

    def _rules(self, seen: PublicStep) -> Tensor:
        """[B, M] the rules in force in the last step."""
        if seen.last_mechanism is None:
            return self.society.default_mechanism().expand(len(seen.features), -1)
        return seen.last_mechanism

    def _taken_in(self, history: History, seen: PublicStep) -> History:
        if seen.last_features is None or seen.last_mechanism is None:
            return history
        if seen.last_choice is None or seen.last_response is None:
            return history
        prospects = self.society.prospects(seen.last_features, seen.last_mechanism)  # [B, N, K, D]
        levels = self.society.respond(torch.arange(prospects.shape[2])[None])[0]  # [K, R]
        choice = _or_done(seen.last_choice, seen.last_response, levels)  # [B, N, K]
        expected = (prospects.mT @ choice[..., None])[..., 0]  # [B, N, D]
        response = (choice @ levels)[..., :1]  # [B, N, 1]; less noise than the action where replies are soft
        g = torch.cat([response, expected], -1)
        evidence = history.evidence
        if self.model is not None:
            open_ = self.society.choices(seen.step - 1, seen.last_features, seen.last_mechanism)
            read = self.model.evidence(prospects, seen.last_features, seen.last_choice, open_)
            evidence = evidence + self.model.tracker.encode(read)
        return History(history.count + 1, history.first + g, history.second + g * response, evidence)

    def _belief(self, history: History, covariates: Tensor) -> list[Tensor]:
        if self.model is None:
            return []
        count = torch.full((len(covariates),), float(history.count))
        belief = believed(self.model, self.beliefs, history.evidence, count, covariates)
        weighted = [(belief.mean * covariates[..., v, None]).mean(1) for v in range(covariates.shape[-1])]
        return [belief.mean.mean(1), *weighted, belief.log_sd.mean(1)]


def _or_done(choice: Tensor, response: Tensor, levels: Tensor) -> Tensor:
    """[B, N, K] replies, and where there was none (a fallback stood in) what was done instead, read from `response`."""
    silent = choice.sum(-1) == 0  # [B, N]
    if not silent.any():
        return choice
    done = (response[..., None, :] - levels).abs().sum(-1).argmin(-1)  # [B, N]
    return torch.where(silent[..., None], torch.nn.functional.one_hot(done, len(levels)).to(choice.dtype), choice)


def _pooled(x: Tensor, covariates: Tensor) -> Tensor:
    """[B, N, P], [B, N, V] -> [B, P (1 + 2V)]: means weighted by 1, v and v^2 - 1."""
    means = [x.mean(1)]
    for v in range(covariates.shape[-1]):
        weight = covariates[..., v, None]
        means += [(x * weight).mean(1), (x * (weight**2 - 1)).mean(1)]
    return torch.cat(means, -1)
