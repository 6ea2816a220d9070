"""People and principal learn at once: how far its rules reach, and that both come to something by them."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agents.rl import RLPopulation
from agents.scripted import ScriptedPopulation
from experiments.errors import ROOT
from experiments.two_level import TwoLevelSettings, Within, reach_of, two_level
from learning.draws import draws
from mechanism.evaluate import welfare
from personas.rosters import Sampler, Village, open_rosters
from societies.base import PublicStep, Society
from societies.catalog import load
from societies.mechanisms import bounds
from societies.people_ppo import Rules, Trainer
from societies.play import Fixed, play
from societies.roads import CongestionGame
from societies.stage import Stage
from world_model.fit import quiet

FEW = TwoLevelSettings(iterations=60, decisions=800, hidden=16, alone=20, lag=1, worlds=20, principal_rate=0.03)


def roads() -> CongestionGame:
    return CongestionGame("two_roads", 8, (10.0, 20.0), (40.0, 20.0))


def drivers(society: Society) -> Sampler | Village:
    path = ROOT / "personas" / "populations" / "drivers.yaml"
    return open_rosters(path, society.agents, "all", society.attributes_used, society.traits_used)


def proposed(society: Society, rules: Tensor, reach: float) -> Tensor:
    within = Within(Fixed(rules), society, reach)
    features = torch.zeros(1, society.agents, len(society.feature_names))
    return within.propose(within.start(1), PublicStep(0, features, None, None, None, None))[1][0]


def test_rules_reach_only_so_far_from_the_default():
    society = load("income_tax")
    default, (_, high) = society.default_mechanism(), bounds(society)
    assert torch.equal(proposed(society, high, 0.0), default)
    assert torch.allclose(proposed(society, high, 1.0), high)
    assert torch.allclose(proposed(society, high, 0.25), default + 0.25 * (high - default))


def test_reach_grows_to_all_that_is_allowed():
    settings = TwoLevelSettings(iterations=100, alone=20, lag=2, reach=0.2, annealed=0.5)
    grown = [reach_of(settings, i) for i in range(settings.rounds)]
    assert settings.rounds == 40
    assert grown[0] == pytest.approx(0.2)
    assert grown == sorted(grown)
    assert grown[20:] == [1.0] * 20
    assert reach_of(replace(settings, annealed=0.0), 0) == pytest.approx(0.2)


@pytest.mark.slow
def test_tolls_and_drivers_learn_together():
    """Both roads cost the same at first, which moves nobody; the tolls that are learned are worth having. One training
    may end anywhere: without a world model this is a hard way to learn.
    """
    society, settings = roads(), replace(FEW, iterations=120, worlds=60)
    gained = list[float]()
    for seed in range(5):
        found = two_level(society, drivers(society), settings, seed, quiet)
        assert len(found.welfare) == 100
        there = Stage(society, RLPopulation(found.people), drivers(society), 99)
        ours, none = (welfare(there, rules, 50) for rules in (found.principal, Fixed(society.default_mechanism())))
        gained.append(float((ours - none).mean()))
    assert sum(gained) > 0


def test_people_learn_under_the_principals_rules_once_they_are_not_alone(monkeypatch: pytest.MonkeyPatch):
    """First the default tolls, then what the principal tries, as far as its rules reach: others in every batch."""
    society, settings = roads(), replace(FEW, iterations=5, alone=2, reach=0.5, annealed=1.0)
    met, learn = list[Tensor](), Trainer.learn

    def noted(self: Trainer, rules: Rules, left: float = 1.0) -> float:
        lots = draws(0, 0, 3)
        played = play(society, ScriptedPopulation(), drivers(society).people(lots), rules(lots), lots)
        met.append(played.episode.mechanism.detach())
        return learn(self, rules, left)

    monkeypatch.setattr(Trainer, "learn", noted)
    two_level(society, drivers(society), settings, 3, quiet)
    default, (low, high) = society.default_mechanism(), bounds(society)
    alone, together = met[:2], met[2:]
    assert all(torch.equal(rules, default.expand_as(rules)) for rules in alone)
    assert len(together) == 3
    for i, rules in enumerate(together):
        assert float((rules - default).abs().amin(-1).max()) > 0
        assert bool(((rules - default).abs() <= reach_of(settings, i) * (high - low) + 1e-4).all())
        assert not torch.equal(rules[0], rules[1])  # it tries other rules in each
    assert not torch.equal(together[0], together[1])


def test_the_same_seed_gives_the_same_people_and_rules():
    society, short = roads(), replace(FEW, iterations=4, alone=1)
    one, two = (two_level(society, drivers(society), short, 3, quiet) for _ in range(2))
    assert one.welfare == two.welfare
    for a, b in ((one.people, two.people), (one.principal.policy, two.principal.policy)):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"iterations": 50}, "leaves none"),
        ({"lag": 0}, "lag is 0"),
        ({"reach": 1.5}, "reach is 1.5"),
        ({"worlds": 1}, "worlds is 1"),
        ({"hidden": 0}, "hidden is 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(told: dict[str, float], said: str):
    society = roads()
    with pytest.raises(ValueError, match=said):
        two_level(society, drivers(society), TwoLevelSettings(**told), 0, quiet)  # pyright: ignore
