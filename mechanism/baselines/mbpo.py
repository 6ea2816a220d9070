"""MBPO: a policy improved on short imagined rollouts that branch off from real episodes, by a model without traits.

After "When to Trust Your Model: Model-Based Policy Optimization" (Janner, Fu, Zhang & Levine 2019, arXiv 1906.08253,
Algorithm 2), with PPO in place of soft actor-critic, as the other learners here have it. In turns: play a batch of real
episodes under the exploring policy; go on fitting an ensemble to all real data; branch rollouts from real steps drawn
at random, with the principal's real memory, each answered by one member (those from the first step begin in towns of
fresh rosters, since the census is public); update the policy on them, in the first update together with the batch,
which it has just played itself. Where a rollout is cut, the policy's value function stands for the rest. Rollouts grow
longer as real data come in (the paper's schedule, appendix C).

The comparison is generous to it: its model reads the same observation as the policy, agent by agent and blind to their
order, with sums of what each was offered and chose, and it need not learn the accounting: the next state and the reward
follow by the public rules. What it lacks is anything that is known of people beyond what it can make of these sums.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce

import torch

from learning.draws import child_seed, draws
from learning.ppo import Batch, PPOSettings, ppo_update
from mechanism.baselines.mbpo_model import AnswerFit, Answers, Questions, fit_answers, questions, together
from mechanism.baselines.mbpo_rollouts import Imagination, Place, for_ppo, picked, replay
from mechanism.improve import ImproveSettings, Lived, ppo_round, prepare
from mechanism.observe_options import OptionObserver
from mechanism.policy import Learned
from societies.base import Episode, Principal, PublicStep
from societies.mechanisms import options
from societies.stage import Stage, joined
from world_model.fit import Progress


@dataclass(frozen=True)
class MBPOSettings:
    """How much is played, imagined and learned."""

    worlds: int = 20  # real episodes a batch
    members: int = 5  # networks in the ensemble
    hidden: int = 64  # units in each of their two hidden layers
    fit: AnswerFit = field(default_factory=AnswerFit)
    updates: int = 4  # of the policy after each batch, each on new rollouts
    branches: int = 20  # rollouts begun at each of the T steps, for each update; a multiple of `members`
    shortest: int = 1  # steps of a rollout until `grows[0]` real episodes
    longest: int = 5  # steps of a rollout from `grows[1]` real episodes on; in between it grows evenly
    grows: tuple[int, int] = (20, 100)  # real episodes
    ppo: PPOSettings = field(default_factory=lambda: PPOSettings(learning_rate=2e-3, entropy=0.003))


def mbpo(
    stage: Stage,
    learned: Learned,
    settings: MBPOSettings,
    episodes: int,
    seed: int,
    progress: Progress,
    after: Callable[[int], None] | None = None,
) -> None:
    """Improve `learned`, a new policy of `mechanism.baselines.ppo.new_policy`, in place on at most `episodes` real
    episodes; `after` is told after each batch how many were played so far. The first batch, of the untrained policy,
    sets what observations are normalised by and teaches the model only.

    ValueError where rules are not options or are not taken in every step, where the policy sees something else than
    `OptionObserver` shows without a world model, for branches that cannot be shared out among the members, for fewer
    episodes than a batch, and for a welfare that depends on hidden things.
    """
    _check(stage, learned, settings, episodes)
    loop = _begin(stage, learned, settings, seed)
    rounds = episodes // settings.worlds
    for i in range(rounds):
        for group in loop.optimizer.param_groups:
            group["lr"] = settings.ppo.learning_rate * max(0.05, 1 - i / rounds)
        real = loop.play(i) if i else None
        loss = loop.fit()
        for j in range(settings.updates):
            loop.update(real if j == 0 else None, i * settings.updates + j)
        progress("improving the policy by MBPO", i + 1, rounds, loss)
        if after is not None:
            after((i + 1) * settings.worlds)


def rollout_length(settings: MBPOSettings, episodes: int) -> int:
    """Steps of a rollout after so many real episodes (appendix C of the paper, with episodes for epochs)."""
    first, last = settings.grows
    done = min(1.0, max(0.0, (episodes - first) / max(1, last - first)))
    return int(settings.shortest + done * (settings.longest - settings.shortest))


def _check(stage: Stage, learned: Learned, settings: MBPOSettings, episodes: int) -> None:
    name = stage.society.name
    options(stage.society)
    if not isinstance(learned.observer, OptionObserver) or learned.observer.model is not None:
        raise ValueError(f"{name}: MBPO's model reads what its policy sees, without beliefs: start from new_policy")
    if settings.branches < 1 or settings.branches % settings.members:
        raise ValueError(
            f"{name}: {settings.branches} rollouts cannot be shared out among {settings.members} networks; "
            "make branches a multiple of members"
        )
    if episodes < settings.worlds:
        raise ValueError(f"{name}: {episodes} episodes are too few for one batch of {settings.worlds}")


@dataclass(frozen=True)
class _Recorded(Lived):
    """Real episodes as rewards, every one of them kept."""

    kept: list[Episode] = field(default_factory=list[Episode])

    def play(self, principal: Principal, start: int, worlds: int) -> Episode:
        self.kept.append(self.stage.play(principal, start, worlds))
        return self.kept[-1]


@dataclass(frozen=True)
class _Loop:
    """What goes on from batch to batch."""

    learned: Learned
    settings: MBPOSettings
    seed: int
    lived: _Recorded
    scale: tuple[float, float]  # mean and spread of a real step's reward
    model: Answers
    data: list[Questions]  # of every batch
    optimizer: torch.optim.Optimizer  # of the policy
    fitter: torch.optim.Optimizer  # of the model
    generator: torch.Generator

    def play(self, i: int) -> Batch:
        """The next real batch."""
        few = self._improving()
        batch, _ = ppo_round(self.learned, self.lived, self.scale, few, (self.seed, i * few.worlds))
        self.data.append(questions(self.learned.society, self.lived.kept[-1]))
        return batch

    def fit(self) -> float:
        """Go on fitting to all real data; the last loss."""
        return fit_answers(self.model, self.fitter, together(self.data), self.settings.fit, self.generator)

    def update(self, real: Batch | None, number: int) -> None:
        """One update of the policy on new rollouts, and on a batch that it has just played."""
        with torch.no_grad():
            batch = self._imagined(number)
        batch = batch if real is None else batch.joined(real)
        ppo_update(self.learned.policy, self.optimizer, batch, self.settings.ppo, self.generator)

    def _imagined(self, number: int) -> Batch:
        """Rollouts from every step: from the first in towns of fresh rosters, from later ones in episodes drawn at
        random among all.
        """
        society, branches = self.learned.society, self.settings.branches
        episodes = joined(self.lived.kept)
        length = rollout_length(self.settings, len(episodes.ids))
        imagination, batches = Imagination(self.learned, self.model, episodes.soft), list[Batch]()
        for step in range(society.steps):
            first = (number * society.steps + step) * branches
            place = self._lived(episodes, step) if step else self._fresh(first)
            lots = draws(child_seed(self.seed, "imagined"), first, branches)
            made = imagination.branch(place, length, lots)
            batches.append(for_ppo(self.learned, made, self.scale, self._improving()))
        return reduce(Batch.joined, batches)

    def _lived(self, episodes: Episode, step: int) -> Place:
        """Before a later step of episodes drawn at random."""
        rows = torch.randint(len(episodes.ids), (self.settings.branches,), generator=self.generator)
        return replay(self.learned, picked(episodes, rows), step)

    def _fresh(self, first: int) -> Place:
        """Before the first step of rosters that nobody has asked anything: the census is public."""
        towns = replace(self.lived.stage, seed=child_seed(self.seed, "imagined towns"))
        census = towns.census(first, self.settings.branches)
        return Place(self.learned.observer.start(len(census)), PublicStep(0, census, None, None, None, None))

    def _improving(self) -> ImproveSettings:
        return ImproveSettings(worlds=self.settings.worlds, ppo=self.settings.ppo)


def _begin(stage: Stage, learned: Learned, settings: MBPOSettings, seed: int) -> _Loop:
    """Play the first batch, and set up the model by it. ValueError where not every step takes an option."""
    lived, generator = _Recorded(stage), torch.Generator().manual_seed(child_seed(seed, "mbpo"))
    scale = prepare(learned, lived, seed, settings.worlds)
    if not bool((lived.kept[0].mechanism.sum(-1) == 1).all()):
        raise ValueError(f"{stage.society.name}: MBPO needs an option to be taken in every step")
    first = questions(stage.society, lived.kept[0])
    sizes = (first.prospects.shape[-1], first.known.shape[-1], settings.hidden)
    model = Answers(settings.members, *sizes, generator)
    model.read(first)
    optimizer = torch.optim.Adam(learned.policy.parameters(), settings.ppo.learning_rate, eps=1e-5, fused=True)
    fitter = torch.optim.AdamW(
        model.parameters(), settings.fit.learning_rate, weight_decay=settings.fit.weight_decay, fused=True
    )
    return _Loop(learned, settings, seed, lived, scale, model, [first], optimizer, fitter, generator)
