"""RL people: trait-conditioned best responders, trained by PPO on their own private payoffs in the real society.

Everyone learns independently with one shared network (independent PPO with shared parameters: de Witt et al. 2020,
arXiv 2011.09533), or with one for each seat. `train` draws the rules anew for every episode, and `look` shows them; so
a trained network answers whatever rule is in force, and one that was never tried by analogy. `best_response` is for
rules that stay, and goes on until nobody gets better at it. `exploitability` says what one person alone could still
gain: in a Nash equilibrium nothing.
"""

from dataclasses import dataclass

from torch import Tensor

from agents.base import Population
from agents.rl import Policy, RLPopulation
from learning.draws import child_seed, draws
from societies.base import Society
from societies.people_ppo import BestResponseSettings, Deviating, Progress, Rules, School, Trainer, deviators
from societies.play import play
from societies.stage import Rosters

HELD_OUT = 200  # worlds in which payoffs are measured
NOTICED = 0.01  # of what was gained so far: less is no improvement


def train(
    society: Society,
    rosters: Rosters,
    rules: Rules,
    settings: BestResponseSettings,
    seed: int,
    progress: Progress,
    shared: bool = True,
) -> Policy:
    """A policy for everyone in `society`: see the module. shared: one network for all, or one for each seat.

    ValueError for settings that make no sense.
    """
    return Trainer(School(society, rosters, settings, seed, shared=shared), rules).taught(rules, progress)


@dataclass(frozen=True)
class Response:
    """Whom learning under rules that stay came to."""

    policy: Policy
    payoff: tuple[float, ...]  # mean payoff of a decision in held-out worlds, before and after each round of learning
    settled: bool  # did the last round no longer improve it?


def best_response(
    society: Society,
    rosters: Rosters,
    rules: Rules,
    settings: BestResponseSettings,
    seed: int,
    progress: Progress,
    rounds: int = 10,
) -> Response:
    """People who learn in rounds of `settings.iterations` until a round brings them less than a hundredth of what all
    rounds did. ValueError for settings that make no sense.
    """
    trainer = Trainer(School(society, rosters, settings, seed), rules)
    held_out = child_seed(seed, "held out")
    payoff = [_paid(society, RLPopulation(trainer.policy), rosters, rules, held_out)]
    while len(payoff) <= rounds:
        policy = trainer.taught(rules, progress)
        payoff.append(_paid(society, RLPopulation(policy), rosters, rules, held_out))
        if payoff[-1] - max(payoff[:-1]) < NOTICED * abs(payoff[-1] - payoff[0]):
            return Response(policy, tuple(payoff), True)
    return Response(trainer.policy, tuple(payoff), False)


@dataclass(frozen=True)
class Exploitability:
    """What one person gains by doing otherwise, in payoff of a decision: mean over held-out worlds, standard error."""

    gain: float
    error: float


def exploitability(
    society: Society,
    population: Population,
    rosters: Rosters,
    rules: Rules,
    settings: BestResponseSettings,
    seed: int,
    progress: Progress,
) -> Exploitability:
    """What a best responder gains in one seat, drawn anew for each world, while all others are `population`.

    Measured on worlds in which it did not learn, against the same seat of the same worlds left to the population; so a
    deviator that learned badly shows as a loss, and the figure is a lower bound. ValueError as for `train`.
    """
    policy = Trainer(School(society, rosters, settings, seed, population), rules).taught(rules, progress)
    d = draws(child_seed(seed, "held out"), 0, HELD_OUT)
    people = rosters.people(d)
    mine = deviators(d, people)  # [B, N]

    def paid(who: Population) -> Tensor:
        """[B] of a decision of the seat"""
        return play(society, who, people, rules(d), d).sealed.payoff.mean(1)[mine]

    gain = paid(Deviating(policy, population)) - paid(population)
    return Exploitability(float(gain.mean()), float(gain.std() / HELD_OUT**0.5))


def _paid(society: Society, population: Population, rosters: Rosters, rules: Rules, seed: int) -> float:
    """Mean payoff of a decision in the held-out worlds of that seed."""
    d = draws(seed, 0, HELD_OUT)
    return float(play(society, population, rosters.people(d), rules(d), d).sealed.payoff.mean())
