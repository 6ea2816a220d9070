"""The SWM-AP loop: play a little, model the people, learn the rules in imagination, check on the real people.

After "Social World Model-Augmented Mechanism Design Policy Learning" (arXiv 2510.19270, Algorithm 1), with per-agent
beliefs instead of joint trait classes, a bootstrap ensemble, a disagreement penalty, settled accounts, a base
mechanism with learned deviations, and a gate that compares gains in dream and in life.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from learning.draws import child_seed, draws
from learning.ppo import PPOSettings
from mechanism.baselines.fixed import average_rules
from mechanism.baselines.planning import planning
from mechanism.beliefs import Beliefs
from mechanism.distil import DistilSettings, distil
from mechanism.dreams import Dreams
from mechanism.explore import RandomRules
from mechanism.improve import ImproveSettings, Lived, Real, improve_by_backprop, improve_by_ppo
from mechanism.planning import Counted
from mechanism.policy import Learned, Policy, to_logits, to_mechanism, untrained
from mechanism.search import SearchSettings, search
from societies.base import Episode, Options
from societies.mechanisms import bounds
from societies.play import Fixed
from societies.stage import Stage, joined
from world_model.fit import FitSettings, Labelled, Progress, fit, fit_tracker, posterior_labels
from world_model.fit_accounting import by_posterior, fit_accounting
from world_model.fit_joint import fit_joint
from world_model.fit_kinds import by_kinds, fit_kinds
from world_model.model import ModelSettings, WorldModel, check_learnable
from world_model.records import Records, records


@dataclass(frozen=True)
class SWMSettings:
    """Everything that can be set about the loop. Real decisions = episodes x steps x agents."""

    first_episodes: int = 12  # real episodes under random rules
    later_episodes: int = 4  # real episodes under the exploring policy, each later round
    mixed_episodes: int = 2  # real ones that join PPO's last imagined batch, each round; none where it is not PPO
    check_episodes: int = 2  # pairs (policy, its average rules) of real episodes after each round
    rounds: int = 1  # at most; an early round whose gains agree ends the loop
    gap: float = 0.01  # welfare: how far dreamt and real gain may part before another round
    optimizer: Literal["ppo", "backprop"] = "ppo"
    penalty: float = 0.1
    beliefs: Beliefs = "posterior"  # what the policy is told of them; the others are ablations
    use_forecast: bool = True  # does the policy see what each option promises? Where rules are options
    base_worlds: int = 50  # imagined worlds a candidate base is judged in
    base_search: SearchSettings = field(default_factory=lambda: SearchSettings(generations=0))  # after the flat ones
    tracker_worlds: int = 300  # dreams that the tracker is trained on
    model: ModelSettings = field(default_factory=ModelSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    distil: DistilSettings = field(default_factory=DistilSettings)  # where rules are options; off by default
    improve: ImproveSettings = field(
        default_factory=lambda: ImproveSettings(
            iterations=150, copies=4, ppo=PPOSettings(learning_rate=3e-3, entropy=0.01)
        )
    )


@dataclass(frozen=True)
class Check:
    """What adapting gains over the policy's own average rules, in dream and in life, after one round."""

    real_episodes: int  # so far, checks included
    dreamt_gain: float
    real_gain: float
    dreamt_level: float
    real_level: float


@dataclass(frozen=True)
class Outcome:
    """What the loop learned, and what it cost."""

    learned: Learned
    model: WorldModel
    episodes: Episode  # every real episode it saw
    checks: tuple[Check, ...]
    real_episodes: int  # `episodes`, and those that only PPO saw
    imagined_episodes: int


Keep = Callable[[str, Callable[[], Mapping[str, Tensor]]], Mapping[str, Tensor]]
"""(name, make) -> the weights that make() returns, or those it returned when this run was last at that point."""


def made_now(name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """Keeps nothing: for runs that need no resuming."""
    return make()


def swm_ap(
    stage: Stage,
    settings: SWMSettings,
    seed: int,
    progress: Progress,
    keep: Keep = made_now,
    known: Mapping[str, Tensor] | None = None,
) -> Outcome:
    """Learn a principal from `stage`, spending only the real episodes that `settings` allows.

    known: weights of a world model of other people, from which the fit sets out instead of from nothing.
    ValueError, before anybody is asked, for settings whose imagined worlds cannot be shared out evenly, and for a
    society that no world model can learn.
    """
    share_out(settings)
    check_learnable(stage.society)
    society = stage.society
    explorer = RandomRules(society, draws(stage.seed, 0, settings.first_episodes))
    seen = [stage.play(explorer, 0, settings.first_episodes)]
    checks, dreamt, used = list[Check](), 0, settings.first_episodes
    while True:
        round_seed = child_seed(seed, f"round {len(checks)}")
        model = WorldModel(society, settings.model, child_seed(round_seed, "model"))
        if known is not None:
            model.set_out_from(known)
        dreams = Dreams(stage, model, child_seed(round_seed, "dreams"), seen[0].soft, settings.penalty)
        model.load_state_dict(
            keep(f"people-{len(checks)}", partial(learn_people, dreams, joined(seen), settings, round_seed, progress))
        )
        model.requires_grad_(False)
        learned = new_learner(dreams, settings, round_seed)
        imagined = imagined_episodes(settings, isinstance(society.mechanism, Options))
        learned.policy.load_state_dict(
            keep(f"rules-{len(checks)}", partial(learn_rules, learned, dreams, settings, round_seed, used, progress))
        )
        dreamt, used = dreamt + imagined, used + mixed_episodes(settings)
        if settings.check_episodes == 0:
            return Outcome(learned, model, joined(seen), (), used, dreamt)
        real, check = _check(stage, dreams, learned, settings, used)
        used += 2 * settings.check_episodes
        seen.append(real)
        checks.append(check)
        agreed = abs(check.dreamt_gain - check.real_gain) <= settings.gap
        if agreed or len(checks) == settings.rounds:
            return Outcome(learned, model, joined(seen), tuple(checks), used, dreamt)
        again = Learned(society, learned.observer, learned.policy, draws(seed, used, settings.later_episodes))
        with torch.no_grad():
            seen.append(stage.play(again, used, settings.later_episodes))
        used += settings.later_episodes


def learn_people(
    dreams: Dreams, real: Episode, settings: SWMSettings, seed: int, progress: Progress
) -> Mapping[str, Tensor]:
    """Fit `dreams.model` to real episodes, then its online tracker to dreams and to the posterior. Its weights."""
    model, data = dreams.model, records(dreams.stage.society, real)
    if settings.model.latent == "joint":
        fit_joint(model, data, settings.fit, child_seed(seed, "fit"), progress)
        return model.state_dict()
    if settings.model.latent == "kinds":
        fit_kinds(model, data, settings.fit, child_seed(seed, "fit"), progress)
        fit_accounting(model, by_kinds(model, data), data, settings.fit, child_seed(seed, "accounting"), progress)
        return model.state_dict()
    posterior = fit(model, data, real.soft, settings.fit, child_seed(seed, "fit"), progress)
    who = by_posterior(model, posterior, data)
    fit_accounting(model, who, data, settings.fit, child_seed(seed, "accounting"), progress)
    generator = torch.Generator().manual_seed(child_seed(seed, "labels"))
    labelled = [_dreamt_labels(dreams, settings), posterior_labels(model, posterior, data, generator)]
    fit_tracker(model, labelled, settings.fit, child_seed(seed, "tracker"), progress)
    return model.state_dict()


def _dreamt_labels(dreams: Dreams, settings: SWMSettings) -> Labelled:
    """Dreams under random rules, with the z that was drawn for them."""
    start, worlds = 10**6, _tracker_worlds(settings)
    rules = RandomRules(dreams.stage.society, draws(dreams.seed, start, worlds))
    with torch.no_grad():
        dream = dreams.dream(rules, start, worlds)
        data: Records = records(dreams.stage.society, dream.episode)
        evidence = dreams.model.evidence(data.prospects, data.features, data.choice, data.open)
    return Labelled(evidence, data.covariates, dream.z[None])


def new_learner(dreams: Dreams, settings: SWMSettings, seed: int) -> Learned:
    """An untrained policy that starts from the default mechanism."""
    society, policy_seed = dreams.stage.society, child_seed(seed, "policy")
    return untrained(society, dreams.model, policy_seed, settings.use_forecast, settings.beliefs)


def learn_rules(
    learned: Learned, dreams: Dreams, settings: SWMSettings, seed: int, used: int, progress: Progress
) -> Mapping[str, Tensor]:
    """Improve the policy, first its base, or from planning where rules are options; then all of it: in imagination, and
    PPO in the end on real episodes from number `used` on as well. Its weights.
    """
    policy, society = learned.policy, dreams.stage.society
    if isinstance(policy, Policy):
        with torch.no_grad():
            policy.base.copy_(best_base(dreams, policy.base.detach(), settings, child_seed(seed, "base"), progress))
    elif settings.distil.planned_episodes and isinstance(society, Counted):
        planner = planning(society, dreams.model, settings.beliefs, settings.distil.ahead)
        distil(learned, planner, dreams, settings.distil, child_seed(seed, "distil"), progress)
    seed = child_seed(seed, "improve")
    if settings.optimizer == "backprop":
        improve_by_backprop(learned, dreams.rewards, settings.improve, seed, progress)
    else:
        real = Real(Lived(dreams.stage), used, settings.mixed_episodes) if settings.mixed_episodes else None
        improve_by_ppo(learned, dreams.rewards, settings.improve, seed, progress, real)
    return policy.state_dict()


def mixed_episodes(settings: SWMSettings) -> int:
    """Real episodes of one round that only PPO sees."""
    return settings.mixed_episodes if settings.optimizer == "ppo" else 0


def share_out(settings: SWMSettings) -> None:
    """ValueError unless every member of the ensemble gets equally many imagined worlds, and every world its copies."""
    members, copies = settings.model.members, settings.improve.copies
    shared = (
        ("base_worlds", settings.base_worlds, members),
        ("improve.worlds", settings.improve.worlds, members * copies),
    )
    for name, worlds, parts in shared:
        if worlds < 1 or worlds % parts:
            raise ValueError(
                f"{name} is {worlds}; make it a multiple of {parts} "
                f"(model.members {members}, improve.copies {copies}), so that worlds can be shared out evenly"
            )


def most_episodes(settings: SWMSettings) -> int:
    """Real episodes if every round is needed."""
    checks = settings.rounds * (2 * settings.check_episodes + mixed_episodes(settings))
    return settings.first_episodes + checks + (settings.rounds - 1) * settings.later_episodes


def imagined_episodes(settings: SWMSettings, options: bool = False) -> int:
    """Imagined episodes of one round: the tracker's, the base search's or those that are planned where there are
    options, the policy's, and those of the check.
    """
    tried = settings.base_search.generations * settings.base_search.candidates + 10  # and ten to start from
    judged = settings.distil.planned_episodes if options else tried * settings.base_worlds
    tracked = _tracker_worlds(settings) if settings.model.latent == "gaussian" else 0
    checked = 2 * _checked_worlds(settings) if settings.check_episodes else 0
    return tracked + judged + settings.improve.worlds * (settings.improve.iterations + 1) + checked


def _tracker_worlds(settings: SWMSettings) -> int:
    """As many as asked for, or a few more, so that every member gets equally many."""
    return -(-settings.tracker_worlds // settings.model.members) * settings.model.members


def _checked_worlds(settings: SWMSettings) -> int:
    """On which a check compares two sets of rules in imagination."""
    return 40 * settings.model.members


def best_base(dreams: Dreams, start: Tensor, settings: SWMSettings, seed: int, progress: Progress) -> Tensor:
    """[M] logits of the best fixed mechanism in imagination: a flat one or `start`, and CMA-ES from there if asked."""
    society, worlds = dreams.stage.society, settings.base_worlds
    low, high = bounds(society)

    scores = list[float]()

    def score(logits: Tensor, generation: int) -> float:
        with torch.no_grad():  # every candidate of a generation meets the same worlds
            reward = dreams.rewards(Fixed(to_mechanism(society, logits)), generation * worlds, worlds)
        scores.append(reward.mean().item())
        return scores[-1]

    def after(done: int, _: Tensor) -> None:
        best, of = max(scores[-settings.base_search.candidates :]), settings.base_search.generations
        progress("searching the base mechanism in imagination", done, of, best)

    flats = [to_logits(society, low + (high - low) * share / 10) for share in range(1, 10)]
    best = max([start, *flats], key=lambda logits: score(logits, settings.base_search.generations))
    return search(score, best, settings.base_search, seed, after)


def _check(stage: Stage, dreams: Dreams, learned: Learned, settings: SWMSettings, used: int) -> tuple[Episode, Check]:
    """The policy and its own average rules on the same real rosters, and on the same dreamt ones."""
    first, worlds = 2 * 10**6, _checked_worlds(settings)
    with torch.no_grad():
        adapting = dreams.dream(learned, first, worlds).episode
        average = average_rules(stage.society, adapting)
        dreamt = [e.returns().mean() for e in (adapting, dreams.dream(average, first, worlds).episode)]
        pairs = ((stage, learned), (stage.again, average))
        real = [place.play(principal, used, settings.check_episodes) for place, principal in pairs]
    lived = [episode.returns().mean() for episode in real]
    return joined(real), Check(
        real_episodes=used + 2 * settings.check_episodes,
        dreamt_gain=float(dreamt[0] - dreamt[1]),
        real_gain=float(lived[0] - lived[1]),
        dreamt_level=float(dreamt[0]),
        real_level=float(lived[0]),
    )
