"""Model-based reinforcement learning without a word about people: DreamerV3 (Hafner et al. 2023, arXiv 2301.04104).

A latent world model is learned from real episodes, and an actor and a critic learn in what it imagines. It is given the
encoding that every learner of options has here: agents are encoded alike, options are read through their groups
(`mechanism.policy_options`). What it is not given is that people choose among prospects, the rules by which a reply
becomes a public state, or what welfare is: it has to learn those. For societies whose rules are options.

What differs from the paper: a town's latents are its agents' latents, and its free bits are shared by all of them; the
end of an episode is known, so that there is no head for it; returns are bootstrapped from the slow critic; the critic
does not learn from replayed returns; networks are a few small layers, normalised in the recurrent cell alone. Imagined
courses begin from replayed states, as in the paper; of those from before the first step, as many again are of fresh
rosters of the public census.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from learning.draws import Draws, child_seed, draws
from mechanism.baselines.dreamer_actor import ActorCritic, Imagination, behaviour_loss
from mechanism.baselines.dreamer_losses import ReturnRange
from mechanism.baselines.dreamer_model import Latent, LatentModel, drawn
from mechanism.baselines.dreamer_replay import Replay, as_steps, felt, observed, sizes
from mechanism.baselines.dreamer_settings import DreamerSettings
from mechanism.explore import RandomRules, one_of
from societies.base import PublicStep, Society
from societies.mechanisms import options
from societies.stage import Stage
from world_model.fit import Progress


@dataclass(frozen=True)
class Memory:
    """What the principal keeps from step to step."""

    draws: Draws
    latent: Latent | None  # everyone's state; None before the first step


@dataclass(frozen=True)
class Dreamer:
    """Latent world model and actor as a principal. Its latents are drawn, as those it has learned from; it takes the
    best option, or with `explores` one drawn from its actor. Draws follow the seed and a world's place in the batch,
    counted from `first`: every batch that is judged gets the same ones.
    """

    society: Society
    model: LatentModel
    mind: ActorCritic
    seed: int
    first: int = 0
    explores: bool = False

    def start(self, worlds: int) -> Memory:
        """Nothing seen yet."""
        return Memory(draws(self.seed, self.first, worlds), None)

    def propose(self, memory: Memory, seen: PublicStep) -> tuple[Memory, Tensor]:
        """[B, M]"""
        with torch.no_grad():
            latent = self._taken_in(memory, seen)
            open_ = self.society.decides(seen.step, seen.features)
            scores = self.mind.scores(latent, seen.step, options(self.society).groups(seen.features), open_)
        if self.explores:
            lots = memory.draws.uniform("principal", seen.step, scores.shape[-1])
            scores = scores - (-lots.log()).log()  # Gumbel noise: the best of these is a draw from the softmax
        return Memory(memory.draws, latent), one_of(scores, open_)

    def _taken_in(self, memory: Memory, seen: PublicStep) -> Latent:
        if memory.latent is None or seen.last_features is None or seen.last_mechanism is None:
            h = self.model.before(*seen.features.shape[:2])
        else:
            moved = felt(options(self.society).groups(seen.last_features), seen.last_mechanism)
            h = self.model.carried(memory.latent, moved, torch.eye(self.society.steps)[seen.step - 1])
        believed = self.model.believed(h, observed(self.society, seen))
        return Latent(h, drawn(believed, memory.draws.uniform("latent", seen.step, *believed.shape[1:3])))


class Trainer:
    """World model, actor and critic with their optimisers, what was lived, and how many updates are due for it."""

    def __init__(self, stage: Stage, settings: DreamerSettings, seed: int) -> None:
        """ValueError where the society's rules are numbers."""
        society, self.stage = stage.society, replace(stage, seed=child_seed(seed, "imagined towns"))
        found, self.settings = sizes(society), settings
        weights = torch.Generator().manual_seed(child_seed(seed, "dreamer's weights"))
        self.generator = torch.Generator().manual_seed(child_seed(seed, "dreamer's training"))
        self.model = LatentModel(found, settings, weights)
        self.mind = ActorCritic(found, settings, weights)
        self.imagination = Imagination(society, self.model, self.mind, settings)
        self.range = ReturnRange(settings.return_decay, settings.return_floor)
        self.replay, self.due = Replay(settings.replay_episodes), 0.0  # updates
        self.principal = Dreamer(society, self.model, self.mind, child_seed(seed, "dreamer's draws"))
        self.updates = 0
        self.model_optimizer = torch.optim.Adam(self.model.parameters(), settings.model_rate, fused=True)
        rates = {self.mind.actor: settings.actor_rate, self.mind.critic: settings.critic_rate}
        behaviour = [{"params": [*net.parameters()], "lr": rate} for net, rate in rates.items()]
        self.mind_optimizer = torch.optim.Adam(behaviour, fused=True)

    def live(self, stage: Stage, start: int, worlds: int) -> float:
        """Play real episodes from number `start` on, the first under random options; their mean return."""
        exploring = replace(self.principal, first=start, explores=True)
        acting = exploring if start else RandomRules(stage.society, draws(self.principal.seed, 0, worlds))
        episode = stage.play(acting, start, worlds)
        self.replay.add(as_steps(stage.society, episode))
        self.due += self.settings.train_ratio * worlds / self.settings.batch
        return float(episode.returns().mean())

    def learn(self) -> None:
        """All updates that are due."""
        while self.due > 1 - 1e-6:  # a sum of fractions may miss a whole number by its rounding
            self.update()
            self.due -= 1

    def update(self) -> None:
        """One gradient step of the world model on replayed episodes, and one of actor and critic in what is imagined
        from them and from fresh rosters.
        """
        s = self.settings
        steps = self.replay.sample(s.batch, self.generator)
        unrolled = self.model.unrolled(steps, self.generator)
        _step(self.model_optimizer, self.model.loss(steps, unrolled), s.model_clip)
        fresh = self.stage.census(self.updates * s.imagined, s.imagined)
        dream = self.imagination.roll(steps, unrolled, fresh, self.generator)
        _step(self.mind_optimizer, behaviour_loss(dream, self.mind, self.range, s), s.actor_clip)
        self.mind.follow(s.slow_decay)
        self.updates += 1


def _step(optimizer: torch.optim.Optimizer, loss: Tensor, clip: float) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for group in optimizer.param_groups:
        nn.utils.clip_grad_norm_(group["params"], clip)
    optimizer.step()


def dreamer(
    stage: Stage,
    settings: DreamerSettings,
    episodes: int,
    seed: int,
    progress: Progress,
    after: Callable[[int, Dreamer], None] | None = None,
) -> Dreamer:
    """Play real episodes 0 .. episodes - 1 in batches, the first under random options, and learn after each of them.

    `after` is told how many real episodes there were so far, and is lent the greedy principal as it then is (it goes on
    learning). Returns that principal. ValueError where the society's rules are numbers, not options.
    """
    trainer = Trainer(stage, settings, seed)
    for start in range(0, episodes, settings.batch_episodes):
        worlds = min(settings.batch_episodes, episodes - start)
        earned = trainer.live(stage, start, worlds)
        trainer.learn()
        progress("learning in latent imagination", start + worlds, episodes, earned)
        if after is not None:
            after(start + worlds, trainer.principal)
    return trainer.principal
