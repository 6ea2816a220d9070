"""Best responses that are known: no plan that is tried is better, and shares count from chance to the best."""

import torch

from agents.base import Decisions, Round
from experiments import known_responses as known
from learning.draws import Draws, draws
from personas.people import People
from societies.library.congestion_game import society as congestion_game
from societies.library.income_tax import LEVELS, IncomeTax
from societies.people_ppo import deviators
from societies.play import play
from societies.tabular import QSettings
from tests.towns import town


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
    society.agents = known.WORKERS
    people = town(society, 0, 6, known.WORKERS)
    mine, rules = deviators(d, people), known.Stays(society, d)
    plans = [torch.full((12,), level) for level in range(2, 16)]
    plans += list(torch.randint(4, 12, (6, 12), generator=torch.Generator().manual_seed(0)))
    played = [play(society, _Plan(plan), people, rules, d) for plan in plans]
    paid = [p.sealed.payoff.transpose(1, 2)[mine].mean(1) for p in played]  # [B] each
    best, random = (
        known._by_hours(society, people, played[0].episode.mechanism, mine, over)  # pyright: ignore[reportPrivateUsage]
        for over in (known._most, known._mean)  # pyright: ignore[reportPrivateUsage]
    )
    found = float(torch.stack(paid).amax(0).mean())  # everyone's best of the plans
    assert found <= best + 1e-5
    assert best - found < 0.05  # some constant hours are nearly as good
    assert random < min(float(p.mean()) for p in paid)


def test_a_share_counts_from_chance_to_the_best() -> None:
    assert known.Gained(1.0, 2.5, 3.0).share == 0.75


def test_mirror_descent_finds_what_was_published() -> None:
    assert known.mirror_descent() < 1e-3


def test_a_town_that_stays_is_the_same_held_out() -> None:
    town = known._OneTown(known._rosters(congestion_game(), "drivers"), 5)  # pyright: ignore[reportPrivateUsage]
    seen, later = (town.people(draws(seed, start, 2)).traits for seed, start in ((1, 0), (2, 7)))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen, later)


def test_a_table_gains_at_most_what_it_can_tell_apart() -> None:
    few = QSettings(30, 8, parts=2)
    found = dict(known.games(known.by_table(few), 5, 40))
    assert len(found) == 2 * len(known.GAMES)
    for name in known.GAMES:
        learned, most = found[name], found[f"{name}{known.AT_MOST}"]
        assert (learned.random, learned.best) == (most.random, most.best)
        assert learned.learned <= most.learned + 1e-6
        assert most.share <= 1 + 1e-6
    assert found[f"prisoners_dilemma{known.AT_MOST}"].share < 0.95  # two kinds of altruism are too few
