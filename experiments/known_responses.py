"""Best responses that are known, and how near to them people come who learned. See `experiments.agents_learn`.

Shapes: B worlds, T steps, N agents, K choices, M mechanism parameters.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.base import Population
from agents.rl import RLPopulation
from agents.scripted import ScriptedPopulation
from agents.tabular import Table, TabularPopulation
from experiments.errors import ROOT
from learning.draws import Draws, child_seed, draws
from learning.mirror_descent import quantal_equilibrium
from personas.people import People
from personas.rosters import Sampler, Village, open_rosters
from societies.base import Episode, Principal, PublicStep, Society, State
from societies.best_response import Exploitability, exploitability, train
from societies.library.congestion_game import society as congestion_game
from societies.library.matrix_game import society as matrix_game
from societies.matrix import MatrixGame
from societies.mechanisms import bounds
from societies.people_ppo import BestResponseSettings, Deviating, School, Trainer, deviators
from societies.play import Fixed, play
from societies.roads import CongestionGame
from societies.rounds import round_of
from societies.stage import Rosters
from societies.tabular import QSettings, train_table
from world_model.fit import quiet

GAMES = ("prisoners_dilemma", "stag_hunt", "chicken", "battle_of_the_sexes", "coordination")
CLOSE = 1e-6  # share of the gain that counts as none
AT_MOST = ", at most"  # told beside
ROCK = torch.tensor([[0.0, -3.0, 3.0], [3.0, 0.0, -1.0], [-3.0, 1.0, 0.0]])  # perturbed rock, paper, scissors
PUBLISHED = {  # temperature -> the equilibrium of ROCK scaled to [0, 1] (Sokota et al. 2023)
    0.5: (0.2981, 0.4138, 0.2880),
    0.2: (0.2236, 0.4780, 0.2984),
    0.1: (0.1735, 0.4863, 0.3402),
    0.05: (0.1517, 0.4680, 0.3803),
}

Learner = Callable[[Society, Rosters, Principal, int], Population]
"""(society, rosters, rules, seed) -> people who learned under those rules"""


@dataclass(frozen=True)
class Gained:
    """Mean payoff of a decision: by chance, by the one choice that is best for all alike, as learned, and at best."""

    random: float
    alike: float
    learned: float
    best: float

    @property
    def share(self) -> float:
        """Of what there is to gain."""
        return (self.learned - self.random) / (self.best - self.random)

    @property
    def beyond(self) -> float:
        """Of what there is to gain by minding who one is, what the rules are and what others do; negative = worse than
        if all did the same, NaN = it is best that all do the same.
        """
        to_gain = self.best - self.alike
        return (self.learned - self.alike) / to_gain if to_gain > CLOSE * (self.best - self.random) else math.nan


@dataclass(frozen=True)
class Stays:
    """Rules drawn evenly from what is allowed, anew for each world, that stay for an episode."""

    society: Society
    draws: Draws

    def start(self, worlds: int) -> Tensor:
        """[B, M]"""
        low, high = bounds(self.society)
        return low + (high - low) * self.draws.uniform("rules that stay", 0, len(low))

    def propose(self, memory: Tensor, seen: PublicStep) -> tuple[Tensor, Tensor]:
        return memory, memory


def games(learn: Learner, seed: int, worlds: int) -> Iterator[tuple[str, Gained]]:
    """The 2x2 games, without rewards."""
    for name in GAMES:
        game = matrix_game(payoffs=name)
        rosters, rules, d = rosters_of(game, "players"), Fixed(game.default_mechanism()), held_out(seed, worlds)
        people = rosters.people(d)
        learned = learn(game, rosters, rules, seed)
        e = play(game, learned, people, rules, d).episode
        worth = torch.stack([_against_the_mean(game, e, people, t) for t in range(game.steps)], 1)
        yield name, gained_by(worth, e.choice)
        if isinstance(learned, TabularPopulation):
            yield f"{name}{AT_MOST}", gained_by(worth, _best_by_row(game, learned.table, e, people, worth, d))


def by_ppo(settings: BestResponseSettings, shared: bool) -> Learner:
    """One network for all, or one for each seat."""
    return lambda society, rosters, rules, seed: RLPopulation(
        train(society, rosters, lambda d: rules, settings, seed, quiet, shared)
    )


def by_table(settings: QSettings) -> Learner:
    """One table for all."""
    return lambda society, rosters, rules, seed: TabularPopulation(
        train_table(society, rosters, lambda d: rules, settings, seed, quiet)
    )


def _best_by_row(game: MatrixGame, table: Table, e: Episode, people: People, worth: Tensor, d: Draws) -> Tensor:
    """[B, T, N, K] what is best on the mean among those whom a table cannot tell apart: no table does better."""
    rounds = (round_of(game, State(t, e.features[:, t], people), e.mechanism[:, t], (), d) for t in range(game.steps))
    row = torch.stack([table.row(each) for each in rounds], 1)  # [B, T, N]
    total = torch.zeros(int(row.max()) + 1, game.size).index_add(0, row.flatten(), worth.flatten(0, 2))
    return torch.nn.functional.one_hot(total.argmax(-1), game.size)[row]


def _against_the_mean(game: MatrixGame, e: Episode, people: People, step: int) -> Tensor:
    """[B, N, K] what each choice is worth against what the other groups do on the mean in that step."""
    features, groups = e.features[:, step].clone(), e.features[:, step, :, : game.groups]
    shares = groups.transpose(1, 2) @ e.choice[:, step] / groups.sum(1)[..., None]  # [B, n, K]
    features[..., -game.groups * game.size :] = shares.flatten(1)[:, None]
    return game.utilities(State(step, features, people), e.mechanism[:, step])


def roads(settings: BestResponseSettings, seed: int, worlds: int) -> Gained:
    """One driver among the scripted ones of a town that stays, under tolls that stay.

    What the others do is known on the mean from the scripted people's own chances, and minutes are linear in it.
    """
    game, others = congestion_game(), ScriptedPopulation()
    rosters, tolls = _OneTown(rosters_of(game, "drivers"), seed), Fixed(Stays(game, draws(seed, 0, 1)).start(1)[0])

    def rules(d: Draws) -> Principal:
        return tolls

    policy = Trainer(School(game, rosters, settings, seed, others), rules).taught(rules, quiet)
    d = held_out(seed, worlds)
    people = rosters.people(d)
    mine = deviators(d, people)
    e = play(game, Deviating(policy, others), people, rules(d), d).episode
    worth = torch.stack([_on_each_road(game, e, people, mine, t) for t in range(game.steps)], 1)  # [B, T, K]
    taken = torch.nn.functional.one_hot(e.action.transpose(1, 2)[mine], worth.shape[-1])  # [B, T, K]
    return gained_by(worth, taken)


def _on_each_road(game: CongestionGame, e: Episode, people: People, mine: Tensor, step: int) -> Tensor:
    """[B, K] what each road is worth to the one driver of each world, who gets a share of its own toll back."""
    tolls = e.mechanism[:, step]
    chances = game.teacher(State(step, e.features[:, step], people), tolls).exp()  # [B, N, K]
    others = (chances * ~mine[..., None]).sum(1)  # [B, K] drivers
    minutes = game.minutes((others + 1) / game.agents)
    return -game.worth(people)[mine][:, None] * minutes - tolls * (1 - 1 / game.agents)


@dataclass(frozen=True)
class _OneTown:
    """The same roster in all worlds, in training and held out."""

    rosters: Sampler | Village
    seed: int

    def people(self, draws: Draws) -> People:
        return self.rosters.people(Draws(self.seed, torch.zeros_like(draws.episodes)))


def pennies(settings: BestResponseSettings, seed: int) -> Exploitability:
    """What one person could gain among those who learned matching pennies, in points of a decision."""
    game = matrix_game(payoffs="matching_pennies")
    rosters, rules = rosters_of(game, "players"), Fixed(game.default_mechanism())
    policy = train(game, rosters, lambda d: rules, settings, seed, quiet)
    return exploitability(game, RLPopulation(policy), rosters, lambda d: rules, settings, seed + 1, quiet)


def mirror_descent() -> float:
    """The largest distance of a probability from the published equilibria."""
    scaled = (ROCK - ROCK.min()) / (ROCK.max() - ROCK.min())
    found = {heat: quantal_equilibrium([scaled, 1 - scaled], heat).policies for heat in PUBLISHED}
    known = {heat: torch.tensor(policy, dtype=torch.float64) for heat, policy in PUBLISHED.items()}
    return max(float((policy - known[heat]).abs().max()) for heat in PUBLISHED for policy in found[heat])


def gained_by(worth: Tensor, chances: Tensor) -> Gained:
    """From what each choice is worth and how likely it is, [..., K] each."""
    alike = worth.flatten(0, -2).mean(0).max()
    learned, best = (worth * chances).sum(-1).mean(), worth.amax(-1).mean()
    return Gained(float(worth.mean()), float(alike), float(learned), float(best))


def rosters_of(society: Society, home: str) -> Sampler | Village:
    """Everybody of a population file."""
    path = ROOT / "personas" / "populations" / f"{home}.yaml"
    return open_rosters(path, society.agents, "all", society.attributes_used, society.traits_used)


def held_out(seed: int, worlds: int) -> Draws:
    """Of worlds in which nobody learned."""
    return draws(child_seed(seed, "held out"), 0, worlds)
