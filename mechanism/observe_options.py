"""What a principal that takes options sees: of every agent, what is and was offered to it, what it chose, the belief.

Nothing is pooled here, since an option means something else to everyone: `mechanism.policy_options` pools what is known
of the agents by the groups in which an option puts them. Prospects are told as sums over the choices, which for one-hot
prospects are counts (how often offered, how often taken): any learner can read the evidence, with a model or without.
Where people's doings are more than their choices, those are summed up too, and all that is public of an agent is told.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mechanism.beliefs import Beliefs, believed
from mechanism.forecast import LearnedOdds, promises
from mechanism.planning import Minds
from societies.base import PublicStep, Society
from world_model.model import Believed, WorldModel
from world_model.records import personal


@dataclass(frozen=True)
class OptionHistory:
    """Sums over the steps so far."""

    count: int
    offered: Tensor  # [B, N, D] prospects of all open choices
    chosen: Tensor  # [B, N, D] prospects of what was chosen
    done: Tensor  # [B, N, R] responses; R = 0 where they follow from the choices alone
    evidence: Tensor  # [B, N, H] the tracker's sums; H = 0 without a world model


@dataclass(frozen=True)
class OptionObserver:
    """Turns public steps into observations [B, N, F + X + 2 M]: the public state, X channels of what is known of each
    agent (its own situation first), and, the same for all agents, which of the M options are open and what each
    promises. Without a world model there are no beliefs in them; without a forecast nothing is promised.
    """

    society: Society
    model: WorldModel | None = None
    odds: LearnedOdds | None = None  # of the same model
    beliefs: Beliefs = "posterior"

    @property
    def channels(self) -> int:
        """X"""
        belief = 0 if self.model is None else 2 * self.model.settings.traits
        own = len(own_features(self.society)) + responses(self.society)
        return own + 3 * len(self.society.prospect_names) + 1 + belief

    def start(self, worlds: int) -> OptionHistory:
        """Nothing seen yet."""
        hidden = 0 if self.model is None else self.model.tracker.hidden
        n, d = 1, len(self.society.prospect_names)  # one agent stands for all until the first step is seen
        sums = [torch.zeros(worlds, n, size) for size in (d, d, responses(self.society), hidden)]
        return OptionHistory(0, *sums)

    def observe(self, history: OptionHistory, seen: PublicStep) -> tuple[OptionHistory, Tensor]:
        """Take in what the last step showed; the observation for the next decision."""
        history = self._taken_in(history, seen)
        lead = seen.features.shape[:2]
        nothing = self.society.default_mechanism().expand(lead[0], -1)
        standing = offered(self.society, seen.step, seen.features, nothing)[0]
        time = torch.full((*lead, 1), seen.step / self.society.steps)
        own = [self.society.feature_names.index(name) for name in own_features(self.society)]
        channels = [
            seen.features[..., own],
            standing,
            *(x.expand(*lead, -1) for x in (history.offered, history.chosen, history.done)),
            time,
        ]
        open_ = self.society.decides(seen.step, seen.features).to(seen.features.dtype)  # [B, M]
        promised = torch.zeros_like(open_)
        if self.model is not None:
            belief = self._belief(self.model, history, seen)
            channels += [belief.mean, belief.log_sd]
            if self.odds is not None:
                kinds = torch.eye(self.model.settings.traits).expand(*belief.mean.shape, -1)
                promised = promises(self.odds, seen.step, seen.features, Minds(kinds, belief.mean))
        options = torch.cat([open_, promised], -1)[:, None].expand(*lead, -1)
        return history, torch.cat([seen.features, *channels, options], -1)

    def _taken_in(self, history: OptionHistory, seen: PublicStep) -> OptionHistory:
        if seen.last_features is None or seen.last_mechanism is None or seen.last_choice is None:
            return history
        facts = (seen.step - 1, seen.last_features, seen.last_mechanism)
        sums, prospects, open_ = offered(self.society, *facts)
        chosen = taken(prospects, seen.last_choice)
        evidence = history.evidence
        if self.model is not None:
            read = self.model.evidence(prospects, seen.last_features, seen.last_choice, open_)
            evidence = evidence + self.model.tracker.encode(read)
        done = history.done + done_in(self.society, seen)
        return OptionHistory(history.count + 1, history.offered + sums, history.chosen + chosen, done, evidence)

    def _belief(self, model: WorldModel, history: OptionHistory, seen: PublicStep) -> Believed:
        covariates = personal(self.society, seen.features)
        count = torch.full((len(covariates),), float(history.count))
        evidence = history.evidence.expand(*covariates.shape[:2], -1)
        return believed(model, self.beliefs, evidence, count, covariates)


def own_features(society: Society) -> tuple[str, ...]:
    """Those that are told of each agent: its own situation; all where choices and prospects do not tell the rest."""
    return society.own if society.response_is_choice else society.feature_names


def responses(society: Society) -> int:
    """R, how many numbers tell what an agent did beyond its choice; 0 where that is all."""
    return 0 if society.response_is_choice else society.respond(torch.zeros(1, 1, dtype=torch.int64)).shape[-1]


def done_in(society: Society, seen: PublicStep) -> Tensor:
    """[B, N, R] what everyone did in the last step beyond its choice."""
    assert seen.last_response is not None
    return seen.last_response[..., : responses(society)]


def offered(society: Society, step: int, features: Tensor, mechanism: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Prospects summed over the open choices [B, N, D]; those prospects [B, N, K, D]; what is open [B, N, K]."""
    prospects = society.prospects(features, mechanism)
    open_ = society.choices(step, features, mechanism)
    return (prospects * open_[..., None]).sum(-2), prospects, open_


def taken(prospects: Tensor, choice: Tensor) -> Tensor:
    """[B, N, D] the prospects [B, N, K, D] of what was chosen, as a reply [B, N, K] tells it."""
    return (prospects.mT @ choice[..., None])[..., 0]
