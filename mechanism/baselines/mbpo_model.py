"""The model of MBPO: what somebody would choose, by an ensemble of networks that know of no traits.

Nobody is told apart here by anything but the public record; what was offered to an agent and chosen by it so far is
among the inputs, so that a network can find out for itself what that says of the agent.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from mechanism.observe_options import OptionObserver
from societies.base import Episode, PublicStep, Society
from world_model.records import Standard
from world_model.response import SHUT, MemberLinear


@dataclass(frozen=True)
class Questions:
    """What everyone was asked, and said, in the T steps of E real episodes."""

    prospects: Tensor  # [E, T, N, K, D]
    known: Tensor  # [E, T, N, X] of each agent, before the step
    open: Tensor  # [E, T, N, K] bool: what could be chosen
    choice: Tensor  # [E, T, N, K] whole replies or one-hot


@dataclass(frozen=True)
class AnswerFit:
    """How the ensemble goes on learning after each batch of real episodes."""

    steps: int = 100  # optimiser steps after each batch
    batch: int = 512  # decisions a step, of each member
    learning_rate: float = 2e-3
    weight_decay: float = 1.0  # decoupled (AdamW): with the rate above, .2% of every weight a step


class Answers(nn.Module):
    """log p(choice | its prospects, what is known of the agent), by each of S members.

    One perceptron with two hidden layers scores every choice of every agent, so neither the order of the agents nor
    that of the choices matters; closed choices have no chance.
    """

    def __init__(self, members: int, prospects: int, known: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.members = members
        self.prospects, self.known = Standard(prospects), Standard(known)
        self.of_choice = MemberLinear(members, prospects, hidden, 1.0, generator)
        self.of_agent = MemberLinear(members, known, hidden, 1.0, generator)
        self.second = MemberLinear(members, hidden, hidden, 1.4, generator)
        self.out = MemberLinear(members, hidden, 1, 0.1, generator)

    def read(self, data: Questions) -> None:
        """Set what inputs are standardised by."""
        self.prospects.read(data.prospects)
        self.known.read(data.known)

    def forward(self, prospects: Tensor, known: Tensor, open_: Tensor) -> Tensor:
        """[S, ..., K, D], [S, ..., X] and [S, ..., K] -> [S, ..., K]."""
        situation = self.of_agent(self.known(known))[..., None, :]  # once for all choices
        first = silu(self.of_choice(self.prospects(prospects)) + situation)  # [S, ..., K, H]
        score = self.out(silu(self.second(first)))[..., 0]
        return score.masked_fill(~open_, SHUT).log_softmax(-1)


def seen_at(episode: Episode, step: int) -> PublicStep:
    """What a principal saw at that step of recorded episodes."""
    if step == 0:
        return PublicStep(0, episode.features[:, 0], None, None, None, None)
    last = step - 1
    return PublicStep(
        step,
        episode.features[:, step],
        episode.features[:, last],
        episode.mechanism[:, last],
        episode.response[:, last],
        episode.choice[:, last],
    )


def channels(society: Society, observation: Tensor) -> Tensor:
    """[B, N, X] what an observation of `OptionObserver` tells of each agent alone: not which options are open."""
    return observation[..., : -2 * len(society.default_mechanism())]


def questions(society: Society, episode: Episode) -> Questions:
    """Recorded episodes as the ensemble reads them."""
    watching = OptionObserver(society)
    memory, known = watching.start(len(episode.ids)), list[Tensor]()
    prospects, open_ = list[Tensor](), list[Tensor]()
    for step in range(society.steps):
        memory, observation = watching.observe(memory, seen_at(episode, step))
        known.append(channels(society, observation))
        features, mechanism = episode.features[:, step], episode.mechanism[:, step]
        prospects.append(society.prospects(features, mechanism))
        open_.append(society.choices(step, features, mechanism))
    return Questions(torch.stack(prospects, 1), torch.stack(known, 1), torch.stack(open_, 1), episode.choice)


def together(parts: list[Questions]) -> Questions:
    """Several batches as one."""
    return Questions(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Questions)})


def fit_answers(
    model: Answers, optimizer: torch.optim.Optimizer, data: Questions, settings: AnswerFit, generator: torch.Generator
) -> float:
    """Go on learning from all of `data`; returns the last loss (nats a decision).

    Every member has its own sample of the episodes, drawn with replacement anew in each fit (bootstrap).
    """
    loss, episodes = torch.zeros(()), len(data.choice)
    mine = torch.randint(episodes, (model.members, episodes), generator=generator)  # [S, E]
    for _ in range(settings.steps):
        at = _some(mine, data.choice.shape, settings.batch, generator)
        log_p = model(data.prospects[at], data.known[at], data.open[at])  # [S, b, K]
        loss = -(data.choice[at] * log_p).sum(-1).mean()
        optimizer.zero_grad()
        (model.members * loss).backward()
        optimizer.step()
    return loss.item()


def _some(mine: Tensor, shape: torch.Size, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Places (episode, step, agent) of `batch` decisions for each member, [S, b] each."""
    size = (len(mine), batch)
    episode, step, agent = (torch.randint(n, size, generator=generator) for n in shape[:3])
    return mine.gather(1, episode), step, agent
