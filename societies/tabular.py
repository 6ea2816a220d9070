"""Q-learning for people with a table (Watkins & Dayan 1992), all of them at once.

Every batch of episodes is played with some choices at random, and then each cell that was visited goes a share of the
way to the mean of what was found there: the payoffs until it is one's turn again, and the worth of the best choice
then, each discounted by the steps that lie between (a semi-Markov process: Bradtke & Duff 1994). After the last step
there is nothing more.
Shapes: B worlds, T steps, N agents, S situations, K choices.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.base import Decisions, Round
from agents.tabular import Form, Table, TabularPopulation
from learning.draws import Draws, draws
from societies.base import Society, Tabular
from societies.matrix import payoffs_of
from societies.people_ppo import Progress, Rules
from societies.play import play
from societies.stage import Rosters


@dataclass(frozen=True)
class QSettings:
    """How long people with a table learn, and how."""

    iterations: int = 200  # batches of episodes
    worlds: int = 32  # B of a batch
    discount: float = 0.0  # of payoffs, per step: 0 = people who do not look ahead
    learning_rate: float = 0.3  # at first, then falling evenly to none
    own_table: bool = False  # has each seat its own? Then people who are alike can come to do different things
    parts: int = 16  # of the range of a trait, that are told apart
    explore: float = 0.5  # share of choices that are made at random, at first, then falling evenly to none


class _Trying(TabularPopulation):
    """The same people, who try things out and write down where they were and what they did."""

    def __init__(self, table: Table, explore: float) -> None:
        super().__init__(table, False)
        self.explore = explore
        self.rows, self.actions, self.open_ = list[Tensor](), list[Tensor](), list[Tensor]()

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        _, decisions = super().decide(memory, round, draws)
        tries = draws.uniform("explores", round.step, decisions.action.shape[1]) < self.explore
        other = draws.choice("tries", round.step, round.choices.float().log())
        action = torch.where(tries & (decisions.action >= 0), other, decisions.action)
        self.rows.append(self.table.row(round))
        self.actions.append(action)
        self.open_.append(round.choices)
        return None, Decisions(action, None)


def train_table(
    society: Society, rosters: Rosters, rules: Rules, settings: QSettings, seed: int, progress: Progress
) -> Table:
    """Tables for everyone in `society`. ValueError for settings that make no sense, or a society that is not small."""
    check_table(settings)
    form = form_of(society, settings.own_table, settings.parts)
    table = Table(form, torch.zeros(form.seats, form.rows, form.choices))
    for i in range(settings.iterations):
        left = 1 - i / settings.iterations
        d = draws(seed, i * settings.worlds, settings.worlds)
        trying = _Trying(table, settings.explore * left)
        payoff = play(society, trying, rosters.people(d), rules(d), d).sealed.payoff  # [B, T, N]
        table = Table(form, _learned(trying, payoff, settings.discount, settings.learning_rate * left))
        progress("training people with a table", i + 1, settings.iterations, float(payoff.mean()))
    return table


def form_of(society: Society, own_table: bool, parts: int) -> Form:
    """What tables of people of `society` are made for. ValueError where it is not small."""
    if not isinstance(society, Tabular):
        raise ValueError(f"{society.name} has too many situations for a table; train a network instead")
    sizes = society.agents if own_table else 1, society.steps, society.situations, len(society.choice_names)
    return Form(society.name, *sizes, society.traits_used, parts, payoffs_of(society))


def _learned(tried: _Trying, payoff: Tensor, discount: float, rate: float) -> Tensor:
    """[N, S, K] the tables after a batch: decisions in which it was not one's turn teach nothing."""
    row, action, open_ = (torch.stack(t, 1) for t in (tried.rows, tried.actions, tried.open_))  # [B, T, N], ..., K
    worth = tried.table.worth.flatten(0, 1)  # [N S, K]
    best = worth[row].masked_fill(~open_, -torch.inf).amax(-1)  # [B, T, N]
    turn = action >= 0
    cell = (row * worth.shape[-1] + action)[turn]
    error = _brought(payoff, best, turn, discount)[turn] - worth.flatten()[cell]
    times = torch.bincount(cell, minlength=worth.numel()).clamp_min(1)
    change = torch.zeros(worth.numel()).index_add(0, cell, error) / times
    return (worth + rate * change.view_as(worth)).view_as(tried.table.worth)


def _brought(payoff: Tensor, best: Tensor, turn: Tensor, discount: float) -> Tensor:
    """[B, T, N] what was found in each step: its payoff, and what lies ahead, which is what is `best` where it is one's
    turn, and what is found there where it is not.
    """
    found, ahead = list[Tensor](), torch.zeros_like(payoff[:, 0])
    for t in reversed(range(payoff.shape[1])):
        found.insert(0, payoff[:, t] + discount * ahead)
        ahead = torch.where(turn[:, t], best[:, t], found[0])
    return torch.stack(found, 1)


def check_table(settings: QSettings) -> None:
    """ValueError naming a setting that is out of its range."""
    for name in ("iterations", "worlds", "parts"):
        if getattr(settings, name) < 1:
            raise ValueError(f"people with a table: {name} is {getattr(settings, name)}; it must be at least 1")
    for name in ("discount", "learning_rate", "explore"):
        if not 0 <= getattr(settings, name) <= 1:
            raise ValueError(f"people with a table: {name} is {getattr(settings, name):g}; it must be 0 to 1")
