"""How large the run of `imagination_saves_calls` is, and the settings that both learners are tuned over.

The trials are a fixed list of draws. The first trial of each learner was chosen beforehand on tuning communities: PPO's
among three settings, SWM-AP's among about a dozen. In a first full run the winner of PPO's draws had the largest
entropy bonus of its list, so PPO, the rival, was given more trials around it, chosen by hand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from learning.draws import child_seed, draws
from learning.ppo import PPOSettings
from mechanism.improve import ImproveSettings
from mechanism.search import SearchSettings
from mechanism.swm_ap import SWMSettings
from world_model.fit import FitSettings

T = TypeVar("T")

SEED = 20_261_123  # of the list of trials
TUNING_SEED = 900_002  # of the communities that trials are judged on


@dataclass(frozen=True)
class Options:
    """What trials are drawn from: the first three for both learners, then PPO's own, then SWM-AP's."""

    rates: tuple[float, ...] = (1e-3, 3e-3, 6e-3)  # learning rate of PPO, on real or on imagined episodes
    epochs: tuple[int, ...] = (4, 8, 16)  # passes over a batch
    entropies: tuple[float, ...] = (0.0, 1e-3, 1e-2)  # coefficient of the entropy bonus
    worlds: tuple[int, ...] = (25, 50, 100, 200)  # real episodes an iteration: the batch
    penalties: tuple[float, ...] = (0.0, 0.1, 0.3)  # welfare off per unit of disagreement
    soft_weights: tuple[float, ...] = (4.0, 8.0, 16.0)  # observed choices that a told distribution counts as
    fit_steps: tuple[int, ...] = (400, 800)
    iterations: tuple[int, ...] = (100, 150)  # in imagination


def _around_the_winner() -> tuple[ImproveSettings, ...]:
    """More trials of PPO, in which its advantages look less far ahead and it explores for longer."""
    ppo = PPOSettings(learning_rate=3e-3, entropy=0.03, lam=0.8)
    of = ImproveSettings(worlds=50, copies=1, ppo=ppo)
    return (
        replace(of, ppo=replace(ppo, entropy=0.01)),
        of,
        replace(of, ppo=replace(ppo, entropy=0.1)),
        replace(of, ppo=replace(ppo, lam=0.6)),
        replace(of, worlds=25),
        replace(of, worlds=100, ppo=replace(ppo, learning_rate=6e-3)),
        replace(of, ppo=replace(ppo, epochs=8)),
    )


@dataclass(frozen=True)
class Scale:
    """How large the run is. Episodes are real ones."""

    seeds: int = 10
    held_out: int = 200  # communities
    budgets: tuple[int, ...] = (5, 10, 20, 50, 100)  # episodes
    beyond: tuple[int, ...] = (200, 400, 800)  # for seeds that have not reached PPO's point with the budgets above
    ablation: int = 50  # episodes of the ablations; one of `budgets`
    ablation_seeds: int = 3  # the first ones
    trials: int = 6  # of each learner
    more_ppo: tuple[ImproveSettings, ...] = field(default_factory=_around_the_winner)  # trials of the rival alone
    tuning_seeds: int = 2  # of each PPO trial
    swm_tuning_seeds: int = 1  # of each SWM-AP trial: the rival is tuned with more care, not with less
    tuning_budget: int = 20  # episodes of an SWM-AP trial; one of PPO has those of its first long curve
    horizons: tuple[int, ...] = (20_000, 26_000, 34_000, 45_000, 60_000)  # each about 30% longer
    sooner: tuple[int, ...] = (10_000, 14_000)  # shorter ones, which may reach the point sooner
    every: int = 1000  # episodes between the checkpoints of a long curve
    embedded_seeds: int = 1
    embedded_held_out: int = 50
    options: Options = field(default_factory=Options)
    cma: SearchSettings = field(default_factory=lambda: SearchSettings(generations=85))
    swm: SWMSettings = field(default_factory=SWMSettings)
    ppo: ImproveSettings = field(
        default_factory=lambda: ImproveSettings(worlds=50, copies=1, ppo=PPOSettings(learning_rate=3e-3))
    )


def small() -> Scale:
    """Seconds instead of hours; proves nothing."""
    swm = SWMSettings(
        tracker_worlds=4,
        base_worlds=4,
        base_search=SearchSettings(generations=1, candidates=3),
        fit=FitSettings(steps=3, tracker_steps=2),
        improve=ImproveSettings(iterations=1, worlds=8),
    )
    return Scale(
        seeds=2,
        held_out=4,
        budgets=(4,),
        beyond=(6,),
        ablation=4,
        ablation_seeds=1,
        trials=2,
        more_ppo=(),
        tuning_seeds=1,
        swm_tuning_seeds=1,
        tuning_budget=4,
        horizons=(12, 16),
        sooner=(8,),
        every=4,
        embedded_seeds=1,
        embedded_held_out=1,
        options=Options(worlds=(2, 4), fit_steps=(3,), iterations=(1,)),
        cma=SearchSettings(generations=2, candidates=3),
        swm=replace(swm, model=replace(swm.model, members=2)),
        ppo=ImproveSettings(worlds=4, ppo=PPOSettings(epochs=1)),
    )


def ppo_trials(scale: Scale) -> list[ImproveSettings]:
    """The settings as they are, then draws of learning rate, entropy, batch and epochs, then around the winner."""
    return [scale.ppo, *[_ppo_trial(scale, number) for number in range(1, scale.trials)], *scale.more_ppo]


def swm_trials(scale: Scale) -> list[SWMSettings]:
    """The settings as they are, then draws of learning rate, epochs, penalty, weight of evidence, fit, imagination."""
    return [scale.swm, *[_swm_trial(scale, number) for number in range(1, scale.trials)]]


def _ppo_trial(scale: Scale, number: int) -> ImproveSettings:
    pick, options = _picker("PPO", number), scale.options
    ppo = replace(
        scale.ppo.ppo,
        learning_rate=pick("learning rate", options.rates),
        epochs=pick("epochs", options.epochs),
        entropy=pick("entropy", options.entropies),
    )
    return replace(scale.ppo, worlds=pick("worlds", options.worlds), ppo=ppo)


def _swm_trial(scale: Scale, number: int) -> SWMSettings:
    pick, options, swm = _picker("SWM-AP", number), scale.options, scale.swm
    ppo = replace(
        swm.improve.ppo,
        learning_rate=pick("learning rate", options.rates),
        epochs=pick("epochs", options.epochs),
        entropy=pick("entropy", options.entropies),
    )
    fit = replace(
        swm.fit, steps=pick("fit steps", options.fit_steps), soft_weight=pick("soft weight", options.soft_weights)
    )
    improve = replace(swm.improve, iterations=pick("iterations", options.iterations), ppo=ppo)
    return replace(swm, penalty=pick("penalty", options.penalties), fit=fit, improve=improve)


def _picker(learner: str, trial: int) -> Callable[[str, Sequence[T]], T]:
    """(name, values) -> one of the values, always the same for this learner and trial."""
    draw = draws(child_seed(SEED, learner), trial, 1)

    def pick(name: str, values: Sequence[T]) -> T:
        return values[int(float(draw.uniform(name, 0, 1)) * len(values))]

    return pick


def swm_budget(settings: SWMSettings, episodes: int) -> SWMSettings:
    """One round that costs exactly `episodes`: about a tenth of them check the gains (in pairs), half as many join
    PPO's last batch, the rest explore.
    """
    few = episodes // 20
    mixed = few if settings.optimizer == "ppo" else 0
    return replace(
        settings, rounds=1, first_episodes=episodes - 2 * few - mixed, mixed_episodes=mixed, check_episodes=few
    )


def ppo_horizon(settings: ImproveSettings, episodes: int) -> ImproveSettings:
    """As many iterations as cost at most `episodes`, those that the observations are first normalised by included.

    ValueError where not even one fits.
    """
    iterations = episodes // settings.worlds - 1
    if iterations < 1:
        raise ValueError(f"{episodes} episodes are too few for a batch of {settings.worlds} and one to normalise by")
    return replace(settings, iterations=iterations)


def ppo_budget(settings: ImproveSettings, episodes: int) -> ImproveSettings:
    """A batch small enough for about ten iterations, though of 2 episodes at least, with at most `episodes` in all."""
    worlds = max(2, min(settings.worlds, episodes // 10))
    return ppo_horizon(replace(settings, worlds=worlds), episodes)


def gradient_steps(settings: SWMSettings) -> int:
    """How many PPO takes in imagination."""
    return settings.improve.iterations * settings.improve.ppo.epochs * settings.improve.ppo.minibatches
