"""A principal of Stable-Baselines3 trains through the door, and is paid what `play` would pay it."""

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from societies import catalog, doors
from societies.base import PublicStep, Society
from societies.doors.sb3 import SB3Worlds
from societies.doors.spaces import to_rules
from societies.play import Fixed, play
from tests.towns import rosters

TAX, PEOPLE, TOWNS = catalog.load("income_tax"), ScriptedPopulation(), 100


def worlds(society: Society, count: int, seed: int, tells_choices: bool = False) -> SB3Worlds:
    return doors.sb3_env(society, PEOPLE, rosters(society, 6), count, seed, tells_choices)


def returns(model: Any, tells_choices: bool = False) -> Tensor:
    """[TOWNS] mean welfare of the counted years, by SB3's own evaluation."""
    there = worlds(TAX, TOWNS, 9, tells_choices)
    there.seed(9)
    found, _ = evaluate_policy(model, there, TOWNS, return_episode_rewards=True)
    return torch.tensor(found) / 10


class Trained:
    """The same model as a principal of ours: an oracle that goes round the door."""

    def __init__(self, model: PPO) -> None:
        self.model = model

    def start(self, worlds: int) -> None:
        return None

    def propose(self, memory: None, seen: PublicStep) -> tuple[None, Tensor]:
        count, default = len(seen.features), TAX.default_mechanism()
        told = {
            "features": seen.features,
            "response": torch.zeros(count, 6, 1) if seen.last_response is None else seen.last_response,
            "rules": default.expand(count, -1) if seen.last_mechanism is None else seen.last_mechanism,
            "may_set": TAX.decides(seen.step, seen.features).float(),
            "time": torch.full((count, 1), seen.step / TAX.steps),
        }
        action, _ = self.model.predict({key: value.numpy() for key, value in told.items()}, deterministic=True)
        return None, to_rules(TAX, action)


def test_ppo_learns_and_is_paid_what_play_pays() -> None:
    model = PPO(
        "MultiInputPolicy",
        worlds(TAX, 64, 1),
        n_steps=12,
        batch_size=384,
        n_epochs=4,
        learning_rate=1e-3,
        gamma=0.5,
        seed=0,
    )
    before = returns(model)
    model.learn(6_000)
    after = returns(model)
    gain = after - before
    assert float(gain.mean()) > 3 * float(gain.std()) / TOWNS**0.5  # the same towns
    assert float(gain.mean()) > 0.01
    lots = draws(9, 0, TOWNS)
    e = play(TAX, PEOPLE, rosters(TAX, 6).people(lots), Trained(model), lots).episode
    torch.testing.assert_close(after.float(), e.returns(), rtol=1e-4, atol=1e-4)


def test_our_rules_are_paid_the_same_by_sb3() -> None:
    found = returns(doors.PrincipalAgent(TAX, Fixed(TAX.default_mechanism())), tells_choices=True)
    lots = draws(9, 0, TOWNS)
    e = play(TAX, PEOPLE, rosters(TAX, 6).people(lots), Fixed(TAX.default_mechanism()), lots).episode
    torch.testing.assert_close(found.float(), e.returns(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["income_tax", "facility8"])
@pytest.mark.filterwarnings("ignore:.*not an usual.*:UserWarning", "ignore:.*unconventional shape.*:UserWarning")
def test_sb3_accepts_one_world(name: str) -> None:
    society = catalog.load(name)
    check_env(doors.principal_env(society, PEOPLE, rosters(society, 6)))


def test_worlds_tell_sb3_of_their_ends_and_of_what_is_open() -> None:
    town = catalog.load("facility8")
    there = worlds(town, 2, 4)
    seen, paid = there.reset(), np.zeros(2)
    assert seen["features"].shape == (2, 6, len(town.feature_names))
    for step in range(town.steps):
        seen, reward, over, infos = there.step(np.array([step, 10 + step]))
        paid += reward
        if step < town.steps - 1:
            masks = np.stack(there.env_method("action_masks"))
            assert (~masks).sum(1).tolist() == [step + 1, step + 1]
            assert not masks[0, step]
    assert over.all()
    assert [info["episode"]["r"] for info in infos] == pytest.approx(paid.tolist())
    assert infos[0]["terminal_observation"]["time"].tolist() == [1.0]
    assert seen["time"].tolist() == [[0.0], [0.0]]
    assert there.env_method("action_masks", indices=1)[0].all()
    with pytest.raises(ValueError, match="no method 'render' each"):
        there.env_method("render")
