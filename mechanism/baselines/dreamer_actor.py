"""The actor and the critic of the latent world model, and how they learn in imagination alone.

Shapes: R imagined worlds, N agents, M options, F features, T' imagined steps, J bins.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad

from learning.nets import mlp
from mechanism.baselines.dreamer_losses import ReturnRange, TwoHot, lambda_returns
from mechanism.baselines.dreamer_model import Latent, LatentModel, Unrolled, drawn, lots
from mechanism.baselines.dreamer_replay import Sizes, Steps, felt, observed
from mechanism.baselines.dreamer_settings import DreamerSettings
from mechanism.policy_options import SHUT, OptionNet
from societies.base import PublicStep, Society
from societies.mechanisms import options


class Head(nn.Module):
    """Latents of all agents and the options' groups -> numbers of each option, by the network that all learners use."""

    def __init__(self, sizes: Sizes, settings: DreamerSettings, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        channels = settings.deter + settings.categoricals * settings.classes + sizes.steps + 1
        width = settings.hidden // 2
        agent = mlp([channels, width, width], nn.SiLU, generator=generator)
        self.options = OptionNet(agent, sizes.felt, settings.hidden, generator)
        self.out = mlp([settings.hidden, outputs], out_gain=0.0, generator=generator)
        self.register_buffer("clocks", torch.eye(sizes.steps + 1), persistent=False)
        self.clocks: Tensor

    def of_each(self, latent: Latent, step: int, groups: Tensor) -> Tensor:
        """[R, M, .]"""
        return self.out(self._read(latent, step, groups))

    def of_all(self, latent: Latent, step: int, groups: Tensor) -> Tensor:
        """[R, .] of the mean encoding of the options."""
        return self.out(self._read(latent, step, groups).mean(1))

    def _read(self, latent: Latent, step: int, groups: Tensor) -> Tensor:
        clock = self.clocks[step].expand(*latent.h.shape[:-1], -1)
        return self.options(torch.cat([latent.known, clock], -1), groups)


class ActorCritic(nn.Module):
    """Which option to take, and what the rest of the episode is worth, from everyone's latents."""

    def __init__(self, sizes: Sizes, settings: DreamerSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.actor = Head(sizes, settings, 1, generator)
        self.critic = Head(sizes, settings, settings.bins, generator)
        self.slow = copy.deepcopy(self.critic).requires_grad_(False)
        self.two_hot = TwoHot(settings.bins, settings.limit)

    def scores(self, latent: Latent, step: int, groups: Tensor, open_: Tensor) -> Tensor:
        """[R, M] logits, of shut options SHUT."""
        return self.actor.of_each(latent, step, groups)[..., 0].masked_fill(~open_, SHUT)

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the slow critic towards the critic."""
        for slow, fast in zip(self.slow.parameters(), self.critic.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)


@dataclass(frozen=True)
class Imagined:
    """Imagined episodes, time first. Rows that begin later come last, and are zeros until then."""

    live: Tensor  # [T', R] 1 where a row has begun
    log_prob: Tensor  # [T', R] of the option that was taken
    entropy: Tensor  # [T', R] of the actor (nats)
    critic: Tensor  # [T', R, J] its logits
    value: Tensor  # [T' + 1, R] by the slow critic; the last is zero where the episode ends
    reward: Tensor  # [T', R] of the step taken


class Imagination:
    """Rolls the latent world model forward under the actor, to the end of the episode or `horizon` steps at most.

    Which options are open is read from the public rules: public features are kept on the way by `society.settle` with
    the decoded reply of everyone, and used for `society.decides` and for the options' groups, nothing else. That is
    generous to this baseline, which is spared learning what the rules forbid.
    """

    def __init__(self, society: Society, model: LatentModel, mind: ActorCritic, settings: DreamerSettings) -> None:
        self.society, self.model, self.mind, self.settings = society, model, mind, settings
        self.levels = society.respond(torch.arange(len(society.choice_names))[None])[0]  # [K, R]

    def roll(self, steps: Steps, unrolled: Unrolled, fresh: Tensor, generator: torch.Generator) -> Imagined:
        """From every state in a stretch of `horizon` steps of the first `imagined` episodes, on to its end; where
        that is the episodes' beginning, also from the public states [I, N, F] of fresh rosters.
        """
        latest = max(0, steps.felt.shape[1] - self.settings.horizon)
        first = int(torch.randint(latest + 1, (1,), generator=generator))
        stretch = range(first, min(first + self.settings.horizon, steps.felt.shape[1]))
        few = slice(self.settings.imagined)
        latent, features = unrolled.at(first, few), steps.features[few, first]
        if first == 0:
            latent, features = _joined(latent, self._begun(fresh, generator)), torch.cat([features, fresh])
        told = list[tuple[Tensor, ...]]()
        for t in stretch:
            if t > first:
                latent = _joined(latent, unrolled.at(t, few))
                features = torch.cat([features, steps.features[few, t]])
            latent, features, thought = self._step(t, latent, features, generator)
            told.append(thought)
        last = self._worth_after(stretch.stop, latent, features)
        return _laid_out(told, last)

    def _step(
        self, t: int, latent: Latent, features: Tensor, generator: torch.Generator
    ) -> tuple[Latent, Tensor, tuple[Tensor, ...]]:
        """One imagined step; also what was thought of it, each [R] or [R, J]."""
        groups, open_ = options(self.society).groups(features), self.society.decides(t, features)
        log_p = self.mind.scores(latent, t, groups, open_).log_softmax(-1)
        place = torch.multinomial(log_p.detach().exp(), 1, generator=generator)  # [R, 1]
        entropy = -(log_p.exp() * log_p).sum(-1)
        critic = self.mind.critic.of_all(latent, t, groups)
        with torch.no_grad():
            value = self.mind.two_hot.decode(self.mind.slow.of_all(latent, t, groups))
            taken = one_hot(place[:, 0], log_p.shape[-1]).to(features.dtype) * open_
            clock = torch.eye(self.society.steps)[t]
            latent = self.model.imagined(latent, felt(groups, taken), clock, generator)
            reward = self.model.two_hot.decode(self.model.reward(latent.known))
            features = self._settled(features, taken, latent)
        return latent, features, (log_p.gather(1, place)[:, 0], entropy, critic, value, reward)

    @torch.no_grad()
    def _begun(self, features: Tensor, generator: torch.Generator) -> Latent:
        """Everyone's state once the public state before the first step is seen."""
        h = self.model.before(*features.shape[:2])
        believed = self.model.believed(h, observed(self.society, PublicStep(0, features, None, None, None, None)))
        return Latent(h, drawn(believed, lots(believed, generator)))

    def _settled(self, features: Tensor, taken: Tensor, latent: Latent) -> Tensor:
        """Public features [R, N, F] after everyone's decoded reply."""
        reply = self.model.decoded(latent.known)[0].argmax(-1)  # [R, N]
        return self.society.settle(features, taken, self.levels[reply]).features

    def _worth_after(self, step: int, latent: Latent, features: Tensor) -> Tensor:
        """[R] what the slow critic expects beyond the horizon; nothing beyond the end of the episode."""
        if step == self.society.steps:
            return features.new_zeros(len(features))
        with torch.no_grad():
            groups = options(self.society).groups(features)
            return self.mind.two_hot.decode(self.mind.slow.of_all(latent, step, groups))


def _joined(ours: Latent, others: Latent) -> Latent:
    return Latent(torch.cat([ours.h, others.h]), torch.cat([ours.z, others.z]))


def _laid_out(told: list[tuple[Tensor, ...]], last: Tensor) -> Imagined:
    """Steps of growing numbers of rows -> [T', R], with zeros before a row begins."""
    rows = len(last)
    full = [
        torch.stack([pad(x, (0, 0) * (x.dim() - 1) + (0, rows - len(x))) for x in column])
        for column in zip(*told, strict=True)
    ]
    log_prob, entropy, critic, value, reward = full
    live = torch.stack([(torch.arange(rows) < len(x[0])).float() for x in told])
    return Imagined(live, log_prob, entropy, critic, torch.cat([value, last[None]]), reward)


def behaviour_loss(dream: Imagined, mind: ActorCritic, scale: ReturnRange, settings: DreamerSettings) -> Tensor:
    """Of actor and critic (sections Critic learning and Actor learning of the paper): the critic tells lambda-returns,
    the actor takes what brings more than the slow critic expected (REINFORCE: Williams 1992), in units of the range of
    returns. Both returns and what was expected are the slow critic's, a little behind the one that learns.
    """
    returns = lambda_returns(dream.reward, dream.value, settings.discount, settings.lam)  # [T', R]
    began = dream.live > 0
    advantage = (returns - dream.value[:-1]) / scale.update(returns[began])
    actor = -(advantage * dream.log_prob + settings.entropy * dream.entropy)[began].mean()
    return actor + mind.two_hot.loss(dream.critic, returns)[began].mean()
