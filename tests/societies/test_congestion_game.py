"""Roads and tolls: minutes and money by hand, the equilibria that are known, and what tolls are good for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from personas.people import People, Persona, gather
from societies import catalog
from societies.base import State
from societies.play import Fixed, play
from societies.roads import SHARES, TEMPERATURE, CongestionGame
from tests.towns import three_drivers, town

GAME = CongestionGame("game", 3, (10.0, 20.0), (40.0, 20.0))
NO_TOLL = torch.zeros(1, 2)


def drivers(patience: float, agents: int, worlds: int = 1) -> People:
    """All alike."""
    row = [Persona(f"p{i}", f"P {i}", "", {}, frozenset(), {"patience": patience}) for i in range(agents)]
    return gather([row] * worlds, (), ("patience",))


def settled_shares(game: CongestionGame, people: People, tolls: Tensor) -> Tensor:
    """[B, K] the shares at which those who reckon with them choose them: the logit equilibrium."""
    state = game.reset(people)
    for _ in range(300):
        usual = state.features[..., SHARES:]
        usual += 0.2 * (game.teacher(state, tolls).exp().mean(1)[:, None] - usual)
    return state.features[:, 0, SHARES:]


def test_a_day_by_hand() -> None:
    tolls = torch.tensor([[3.0, 0.5]])
    state = GAME.reset(three_drivers())
    after = GAME.step(state, tolls, torch.tensor([[0, 0, 1]]))
    minutes = torch.tensor([10 + 40 * 2 / 3, 10 + 40 * 2 / 3, 20 + 20 / 3])
    worth = torch.tensor([10**-0.1, 10**-0.9, 10**-0.5])
    torch.testing.assert_close(after.state.features[0, :, 1], minutes / 60)
    torch.testing.assert_close(after.accounts["minutes"][0], minutes.mean())
    torch.testing.assert_close(after.accounts["tolls"][0], torch.tensor(6.5 / 3))
    torch.testing.assert_close(after.welfare[0], -(worth * minutes).mean())
    torch.testing.assert_close(after.payoff[0], 6.5 / 3 - torch.tensor([3.0, 3.0, 0.5]) - worth * minutes)
    usual = torch.tensor([0.5 + (2 / 3 - 0.5) / 3, 0.5 - (2 / 3 - 0.5) / 3])
    torch.testing.assert_close(after.state.features[0, 1, SHARES:], usual)
    torch.testing.assert_close(after.state.features[0, :, 2], torch.tensor([0.3, 0.3, 0.05]))
    torch.testing.assert_close(after.state.features[0, :, 3], torch.full((3,), 0.65 / 3))


def test_people_are_told_how_it_went() -> None:
    state = GAME.reset(three_drivers())
    assert GAME.went(GAME.look(state, NO_TOLL)).isnan().all()
    after = GAME.step(state, torch.tensor([[3.0, 0.5]]), torch.tensor([[0, 0, 1]]))
    view = GAME.look(after.state, torch.tensor([[1.25, 0.0]]))
    torch.testing.assert_close(GAME.went(view), after.payoff, atol=0.3, rtol=0)  # told in whole minutes
    told = GAME.tell(view[0, 2], state.people.persona(0, 2))
    assert told.user == (
        "A minute is worth 32 to you. Tolls: 125 0. Usual minutes: 32 29. Yesterday you drove for 27 minutes, paid 50 "
        "and got back 217."
    )


def test_all_tolls_come_back() -> None:
    game = catalog.load("congestion_game")
    people, lots = town(game, 0, 5), draws(0, 0, 5)
    none, same = (
        play(game, ScriptedPopulation(), people, Fixed(torch.full((3,), t)), lots).sealed.payoff for t in (0.0, 5.0)
    )
    torch.testing.assert_close(none, same)  # the same toll on all roads changes nothing


@given(st.floats(0, 1), st.lists(st.floats(0, 10), min_size=3, max_size=3))
@settings(max_examples=30)
def test_people_alike_come_to_the_logit_equilibrium(patience: float, tolls: list[float]) -> None:
    """Fisk (1980): log s_j / s_k is the difference of what the roads cost, over the temperature."""
    game, told = CongestionGame("three", 4, (10.0, 20.0, 35.0), (40.0, 20.0, 5.0)), torch.tensor([tolls])
    shares = settled_shares(game, drivers(patience, 4), told)
    cost = 10**-patience * game.minutes(shares) + told
    ratio = shares.log() + cost / TEMPERATURE
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), atol=2e-3, rtol=0)


def test_the_toll_of_pigou() -> None:
    """One road that fills up, and one that never does: what the last driver costs the others is the best toll."""
    game = CongestionGame("pigou", 4, (0.0, 30.0), (30.0, 0.0))
    people = drivers(0.0, 4)  # a coin a minute

    def minutes(toll: float) -> float:
        shares = settled_shares(game, people, torch.tensor([[toll, 0.0]]))
        return float((shares * game.minutes(shares)).sum())

    by_toll = {toll: minutes(toll) for toll in (0.0, 3.0, 6.0, 9.0, 10.0)}
    assert by_toll[0.0] > by_toll[3.0] > by_toll[6.0] > by_toll[9.0]
    half = torch.tensor([[0.5, 0.5]])
    optimum = float((half * game.minutes(half)).sum())
    assert optimum == 22.5
    assert optimum < by_toll[10.0] < by_toll[0.0] - 2


@given(st.integers(0, 2), st.lists(st.floats(0, 9), min_size=3, max_size=3), st.floats(0.1, 1))
@settings(max_examples=30)
def test_a_higher_toll_sends_nobody_onto_a_road(road: int, tolls: list[float], more: float) -> None:
    game = catalog.load("congestion_game")
    state = game.reset(town(game, 0, 2))
    before = torch.tensor([tolls]).expand(2, -1)
    after = before + more * torch.eye(3)[road]
    change = game.teacher(state, after).exp() - game.teacher(state, before).exp()
    assert float(change[..., road].max()) <= 1e-6


def test_whoever_is_in_a_hurry_pays_to_be_there_sooner() -> None:
    game = catalog.load("congestion_game")
    people = drivers(0.9, 2), drivers(0.1, 2)
    tolls = torch.tensor([[6.0, 2.0, 0.0]])
    slow, fast = (game.teacher(game.reset(p), tolls).exp()[0, 0] for p in people)
    assert float(fast[0]) > float(slow[0]) + 0.2
    assert float(fast[2]) < float(slow[2])


def test_tolls_help_where_none_is_the_default() -> None:
    for objective in ("time_cost", "minutes"):
        game = catalog.load("congestion_game", objective)
        people, lots = town(game, 0, 60), draws(7, 0, 60)
        none, some = (
            play(game, ScriptedPopulation(), people, Fixed(torch.tensor(t)), lots).episode.returns()
            for t in ([0.0, 0.0, 0.0], [4.0, 2.0, 0.0])
        )
        gain = some - none
        assert float(gain.mean()) > 3 * float(gain.std()) / 60**0.5 > 0


def test_who_is_patient_stays_hidden() -> None:
    game = catalog.load("congestion_game")
    assert not game.welfare_is_public
    with pytest.raises(ValueError, match="who is patient, which is hidden"):
        game.public_welfare({"minutes": torch.zeros(1)})
    assert catalog.load("congestion_game", "minutes").welfare_is_public


@pytest.mark.parametrize(
    ("agents", "free", "slope", "message"),
    [
        (1, (1.0, 2.0), (1.0, 2.0), "game: 1 drivers; there must be at least 2"),
        (4, (1.0,), (1.0,), "game: 1 roads; there must be at least 2"),
        (4, (1.0, 2.0), (1.0,), "each needs its own two finite numbers"),
        (4, (1.0, 2.0), (1.0, -2.0), "none below 0"),
        (4, (1.0, 2.0), (1.0, float("nan")), "two finite numbers"),
    ],
)
def test_roads_that_cannot_be_are_refused(
    agents: int, free: tuple[float, ...], slope: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        CongestionGame("game", agents, free, slope)


def test_a_road_that_is_not_there_is_refused() -> None:
    state: State = GAME.reset(three_drivers())
    with pytest.raises(ValueError, match="choice number 2 is not open to agent 1 of world 1"):
        GAME.step(state, NO_TOLL, torch.tensor([[2, 0, 0]]))
