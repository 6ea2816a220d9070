"""Best responses that are known: no plan that is tried is better, and shares count from chance to the best."""

import math

import torch

from agents.base import Decisions, Round
from agents.scripted import ScriptedPopulation
from experiments import known_hours
from experiments import known_responses as known
from learning.draws import Draws, draws
from personas.people import People
from societies.library.congestion_game import society as congestion_game
from societies.library.income_tax import LEVELS, IncomeTax
from societies.library.llm_economist_v1 import LLMEconomist
from societies.library.matrix_game import society as matrix_game
from societies.people_ppo import deviators
from societies.play import Fixed, play
from societies.tabular import QSettings
from tests.towns import rosters, town


class _Plan:
    """One worker of each world works the hours of a plan, all others 40."""

    def __init__(self, levels: torch.Tensor) -> None:
        self.levels = levels  # [T]

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        mine = deviators(draws, round.people)
        return None, Decisions(torch.where(mine, self.levels[round.step], LEVELS.index(40)), None)


def test_no_plan_of_hours_beats_dynamic_programming() -> None:
    society, d = IncomeTax(), draws(3, 0, 6)
    society.agents = known_hours.WORKERS
    people = town(society, 0, 6, known_hours.WORKERS)
    mine, rules = deviators(d, people), known.Stays(society, d)
    plans = [torch.full((12,), level) for level in range(2, 16)]
    plans += list(torch.randint(4, 12, (6, 12), generator=torch.Generator().manual_seed(0)))
    played = [play(society, _Plan(plan), people, rules, d) for plan in plans]
    paid = [p.sealed.payoff.transpose(1, 2)[mine].mean(1) for p in played]  # [B] each
    alike = known_hours._constant_hours(society, people, rules, mine, d)  # pyright: ignore[reportPrivateUsage]
    assert alike == max(float(p.mean()) for p in paid[:14])  # of constant hours from 10 to 75
    best, random = (
        known_hours._by_hours(society, people, played[0].episode.mechanism, mine, over)  # pyright: ignore[reportPrivateUsage]
        for over in (known_hours._most, known_hours._mean)  # pyright: ignore[reportPrivateUsage]
    )
    found = float(torch.stack(paid).amax(0).mean())  # everyone's best of the plans
    assert found <= best + 1e-5
    assert best - found < 0.05  # some constant hours are nearly as good
    assert random < min(float(p.mean()) for p in paid)


def test_a_share_counts_from_chance_to_the_best() -> None:
    gained = known.Gained(1.0, 2.0, 2.5, 3.0)
    assert (gained.share, gained.beyond) == (0.75, 0.5)
    assert math.isnan(known.Gained(1.0, 3.0, 2.5, 3.0).beyond)


def test_mirror_descent_finds_what_was_published() -> None:
    assert known.mirror_descent() < 1e-3


def test_a_town_that_stays_is_the_same_held_out() -> None:
    town = known._OneTown(known.rosters_of(congestion_game(), "drivers"), 5)  # pyright: ignore[reportPrivateUsage]
    seen, later = (town.people(draws(seed, start, 2)).traits for seed, start in ((1, 0), (2, 7)))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen, later)


def test_a_table_gains_at_most_what_it_can_tell_apart() -> None:
    few = QSettings(30, 8, parts=2)
    found = dict(known.games(known.by_table(few), 5, 40))
    assert len(found) == 2 * len(known.GAMES)
    for name in known.GAMES:
        learned, most = found[name], found[f"{name}{known.AT_MOST}"]
        assert (learned.random, learned.alike, learned.best) == (most.random, most.alike, most.best)
        assert learned.learned <= most.learned + 1e-6
        assert most.share <= 1 + 1e-6
    assert found[f"prisoners_dilemma{known.AT_MOST}"].share < 0.95  # two kinds of altruism are too few


class _Goes:
    """One driver of each world takes a road, the others do as scripted."""

    def __init__(self, road: int) -> None:
        self.road, self.others = road, ScriptedPopulation()

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        _, theirs = self.others.decide(None, round, draws)
        return None, Decisions(torch.where(deviators(draws, round.people), self.road, theirs.action), None)


def test_what_a_road_is_worth_is_what_is_paid_there_on_the_mean() -> None:
    game, d = congestion_game(), draws(2, 0, 3000)
    people = town(game, 0, 3000)
    mine, tolls = deviators(d, people), Fixed(torch.full((len(game.default_mechanism()),), 1.0))
    paid, worth = list[float](), list[float]()
    for road in range(len(game.choice_names)):
        played = play(game, _Goes(road), people, tolls, d)
        paid.append(float(played.sealed.payoff[:, 0][mine].mean()))
        worth.append(float(known._on_each_road(game, played.episode, people, mine, 0)[:, road].mean()))  # pyright: ignore[reportPrivateUsage]
    off = torch.tensor(paid) - torch.tensor(worth)
    assert float((off - off.mean()).abs().max()) < 0.05  # what is the same on every road does not matter


def test_what_hours_are_worth_is_what_is_paid_but_for_the_lump_sum() -> None:
    economy, d = LLMEconomist(), draws(4, 0, 3)
    people = town(economy, 0, 3)
    played = play(economy, ScriptedPopulation(), people, known.Stays(economy, d), d)
    worth = known_hours._own_worth(economy, played.episode)  # pyright: ignore[reportPrivateUsage]
    taken = worth.gather(-1, played.episode.action[..., None])[..., 0]  # [B, T, N]
    lump = played.sealed.payoff - taken
    assert float(lump.std(-1).max()) < 1e-3 * float(taken.std())


def test_what_a_choice_is_worth_is_what_is_paid_where_nobody_is_in_doubt() -> None:
    game, d = matrix_game(payoffs="chicken"), draws(4, 0, 20)
    people, rules = town(game, 0, 20), Fixed(game.default_mechanism())
    learned = known.by_table(QSettings(20, 8))(game, rosters(game), rules, 3)
    played = play(game, learned, people, rules, d)
    e = played.episode
    worth = torch.stack([known._against_the_mean(game, e, people, t) for t in range(game.steps)], 1)  # pyright: ignore[reportPrivateUsage]
    assert e.action.unique().tolist() == [0, 1]
    torch.testing.assert_close(worth.gather(-1, e.action[..., None])[..., 0], played.sealed.payoff)
