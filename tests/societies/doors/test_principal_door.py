"""The principal's door: what comes through it is what `play` plays, in one world and in many."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from agents.base import Decisions, Fallback, Round
from agents.llm.journal import Journal
from agents.llm.mind import Mind
from agents.llm.mindful import MindfulPopulation
from agents.llm.mock import ALL_WAYS, MockEngine
from agents.llm.population import LanguagePopulation
from agents.llm.wording import wording
from agents.scripted import ScriptedPopulation
from learning.draws import Draws, draws
from mechanism.explore import VariedRules
from mechanism.policy import untrained
from societies import catalog, doors
from societies.base import Episode, Options, Society
from societies.doors.principal import PrincipalEnv
from societies.doors.spaces import to_actions, to_rules
from societies.mechanisms import size
from societies.play import Fixed, play
from societies.stage import Stage
from tests.towns import crowd, rosters, some_rules

SEED, EPISODE, WORLDS = 3, 2, 3


def opened(society: Society, tells_choices: bool = False, agents: int | None = None) -> PrincipalEnv:
    home = rosters(society, agents or crowd(society))
    return doors.principal_env(society, ScriptedPopulation(), home, SEED, tells_choices)


def played(society: Society) -> Episode:
    lots = draws(SEED, EPISODE, 1)
    people = rosters(society, crowd(society)).people(lots)
    return play(society, ScriptedPopulation(), people, VariedRules(society, lots), lots).episode


def actions_of(society: Society, mechanism: Tensor) -> list[Any]:
    """[T] the actions that stand for the rules [T, B, M] as they were in force."""
    return [to_actions(society, rules) for rules in mechanism]


@pytest.mark.parametrize("name", catalog.library())
def test_an_episode_is_the_one_that_play_gives(name: str) -> None:
    society = catalog.load(name)
    e, env = played(society), opened(society, tells_choices=True)
    seen, _ = env.reset(options={"episode": EPISODE})
    returned, before = 0.0, society.default_mechanism()
    for t, action in enumerate(actions_of(society, e.mechanism.transpose(0, 1))):
        assert env.observation_space.contains(seen)
        may_set = torch.tensor(seen["may_set"]) > 0
        assert torch.equal(may_set, society.decides(t, e.features[:, t])[0])
        torch.testing.assert_close(torch.tensor(seen["features"]), e.features[0, t], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.tensor(seen["rules"]), before, rtol=1e-5, atol=1e-5)
        assert float(seen["time"][0]) == pytest.approx(t / society.steps)
        seen, reward, over, cut, info = env.step(action[0])
        counted = float(e.welfare[0, t]) if society.counts(t) else 0.0
        assert reward == pytest.approx(counted, rel=1e-4, abs=1e-5)
        assert info["welfare"] == pytest.approx(float(e.welfare[0, t]), rel=1e-4, abs=1e-5)
        assert all(
            info[f"account_{a}"] == pytest.approx(float(x[0, t]), rel=1e-4, abs=1e-4) for a, x in e.accounts.items()
        )
        torch.testing.assert_close(torch.tensor(seen["response"]), e.response[0, t], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.tensor(seen["choice"]), e.choice[0, t], rtol=1e-3, atol=1e-4)
        assert (over, cut) == (t == society.steps - 1, False)
        returned, before = returned + reward, e.mechanism[0, t]
    assert returned / float(e.counted.sum()) == pytest.approx(float(e.returns()[0]), rel=1e-4, abs=1e-5)


def test_people_with_a_memory_of_their_own_are_asked_as_in_play(tmp_path: Path) -> None:
    town, home = catalog.load("income_tax", talk="town_hall"), rosters(catalog.load("income_tax"), 3)
    rules = Fixed(town.default_mechanism())
    engine = MockEngine(lambda request: "Work!" if request.way == "words" else 3, ways=ALL_WAYS)
    with Journal(tmp_path / "journal.sqlite") as journal, torch.no_grad():
        asked = LanguagePopulation(engine, journal, way="sample")
        people = MindfulPopulation(asked, Mind(last=2), wording(None))
        e = Stage(town, people, home, SEED).play(rules, 0, 1)
        env = doors.principal_env(town, people, home, SEED)
        env.reset()
        for _ in range(town.steps):
            seen, *_ = env.step(env.action_of(rules.mechanism))
    assert len(engine.batches) > 0
    assert any(e.messages)
    torch.testing.assert_close(torch.tensor(seen["features"]), e.features[0, -1])


@pytest.mark.parametrize("name", ["income_tax", "facility8", "one_step"])
def test_many_worlds_are_the_episodes_of_one(name: str) -> None:
    society = catalog.load(name)
    env, home = opened(society), rosters(society, crowd(society))
    worlds = doors.principal_vector_env(society, ScriptedPopulation(), home, WORLDS, SEED)
    worlds.action_space.seed(1)
    seen, infos = worlds.reset(seed=SEED)
    taken = [worlds.action_space.sample() for _ in range(2 * society.steps)]
    told = [(seen, None, infos)]
    for action in taken:
        seen, reward, over, _, infos = worlds.step(action)
        told.append((seen, reward, infos))
        assert over.tolist() == [len(told) % society.steps == 1 or society.steps == 1] * WORLDS
    for episode in range(2 * WORLDS):
        world, first = episode % WORLDS, society.steps * (episode // WORLDS)
        (one, info), paid = env.reset(options={"episode": episode}), 0.0
        for t in range(society.steps + 1):
            many, reward, infos = told[first + t]
            last = t == society.steps
            of_many = infos["final_obs"][world] if last else {k: v[world] for k, v in many.items()}
            for key, value in one.items():
                np.testing.assert_allclose(value, of_many[key], rtol=1e-4, atol=1e-5)
            if t and reward is not None:
                assert reward[world] == pytest.approx(paid, rel=1e-4, abs=1e-5)
            if "action_mask" in info and not last:
                assert info["action_mask"].tolist() == infos["action_mask"][world].tolist()
            if not last:
                one, paid, _, _, info = env.step(taken[first + t][world])


def test_worlds_that_do_not_reset_by_themselves() -> None:
    society = catalog.load("facility8")
    home, people = rosters(society), ScriptedPopulation()
    worlds = doors.principal_vector_env(society, people, home, 2, autoreset_mode=AutoresetMode.DISABLED)
    worlds.reset()
    for _ in range(society.steps):
        _, _, over, _, infos = worlds.step(worlds.action_space.sample())
    assert over.all()
    assert "final_obs" not in infos
    with pytest.raises(ValueError, match="the episode is over; call reset"):
        worlds.step(worlds.action_space.sample())
    with pytest.raises(ValueError, match="reset_mask must be all True"):
        worlds.reset(options={"reset_mask": np.array([True, False])})
    worlds.reset(options={"reset_mask": np.array([True, True])})
    with pytest.raises(ValueError, match=r"use AutoresetMode\.SAME_STEP"):
        doors.principal_vector_env(society, people, home, 2, autoreset_mode=AutoresetMode.NEXT_STEP)


@pytest.mark.parametrize("name", ["income_tax", "facility8", "congestion_game"])
def test_a_principal_of_ours_behind_the_door_is_the_one_that_plays(name: str) -> None:
    society = catalog.load(name)
    learned = untrained(society, None, seed=4)
    with torch.no_grad():
        for weights in learned.policy.parameters():
            weights.add_(0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1)))
    home, people = rosters(society), ScriptedPopulation()
    with torch.no_grad():
        e = Stage(society, people, home, SEED).play(learned, EPISODE, WORLDS)
    env = doors.principal_vector_env(society, people, home, WORLDS, SEED, tells_choices=True)
    seen, _ = env.reset(options={"episode": EPISODE})
    agent, memory, returned = doors.PrincipalAgent(society, learned), None, np.zeros(WORLDS)
    for _ in range(society.steps):
        action, memory = agent.predict(seen, memory)
        seen, reward, *_ = env.step(action)
        returned += reward
    np.testing.assert_allclose(returned / float(e.counted.sum()), e.returns(), rtol=1e-4, atol=1e-5)
    late, alone = doors.PrincipalAgent(society, learned), opened(society, tells_choices=True, agents=society.agents)
    seen, _ = alone.reset()
    seen, *_ = alone.step(late.predict(seen)[0])
    with pytest.raises(ValueError, match="step 1: hand in the state"):
        late.predict(seen)
    seen, _ = opened(society, agents=society.agents).reset()
    with pytest.raises(ValueError, match="tells_choices=True"):
        late.predict(seen)


@pytest.mark.parametrize("name", catalog.library())
def test_rules_and_actions_go_back_and_forth(name: str) -> None:
    society = catalog.load(name)
    rules = some_rules(society, 4)
    torch.testing.assert_close(to_rules(society, to_actions(society, rules)), rules)
    if isinstance(society.mechanism, Options):
        assert to_actions(society, torch.zeros(1, size(society))).tolist() == [size(society)]
    else:
        ends = to_rules(society, np.stack([-np.ones(size(society)), np.ones(size(society))]))
        assert torch.equal(ends, torch.tensor(np.stack([society.mechanism.low, society.mechanism.high])))
    action = opened(society).action_of(rules[0])
    assert opened(society).action_space.contains(action)


def test_options_that_are_shut_come_to_nothing() -> None:
    env = opened(catalog.load("facility8"))
    _, info = env.reset()
    assert info["action_mask"].tolist() == [1] * 65
    seen, *_, info = env.step(10)
    assert info["action_mask"].tolist() == [1] * 10 + [0] + [1] * 54
    assert env.action_masks().tolist() == [bool(x) for x in info["action_mask"]]
    assert seen["rules"].argmax() == 10
    seen, *_ = env.step(10)
    assert not seen["rules"].any()
    seen, *_ = env.step(64)  # none
    assert not seen["rules"].any()


def test_mistakes_are_told() -> None:
    town_of_8 = catalog.load("facility8")
    tax, town = opened(catalog.load("income_tax")), opened(town_of_8)
    with pytest.raises(ValueError, match="call reset"):
        tax.step(np.zeros(7))
    tax.reset()
    town.reset()
    with pytest.raises(ValueError, match=r"number 2 of the action is 1\.5; it must lie within -1 and 1"):
        tax.step(np.array([0, 1.5, 0, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match="number 1 of the action is nan"):
        tax.step(np.full(7, np.nan))
    with pytest.raises(ValueError, match=r"an action of shape \(3,\); need \(7,\)"):
        tax.step(np.zeros(3))
    with pytest.raises(ValueError, match="option 65 was taken of 64; they are numbered 0 to 63, and 64 takes none"):
        town.step(65)
    with pytest.raises(ValueError, match=r"option 2\.7 was taken of 64"):
        town.step(2.7)
    with pytest.raises(ValueError, match="the episode -1 was asked for"):
        tax.reset(options={"episode": -1})
    with pytest.raises(ValueError, match="0 worlds"):
        doors.principal_vector_env(town_of_8, ScriptedPopulation(), rosters(town_of_8, 8), worlds=0)
    with pytest.raises(ValueError, match="its rules are numbers"):
        tax.action_masks()


def test_nothing_private_is_told() -> None:
    society = catalog.load("facility8")
    home = rosters(society, 7)
    env = opened(society, tells_choices=True)
    seen, _ = env.reset(options={"episode": 0})

    class Turned:
        """The same people with their traits turned round, who behave as before all the same."""

        def people(self, lots: Draws):
            there = home.people(lots)
            return there.with_traits(1 - there.traits)

    class AsBefore:
        def start(self, people: Any) -> None:
            return None

        def decide(self, memory: None, round: Round, lots: Draws) -> tuple[None, Decisions]:
            return None, Decisions(torch.zeros(1, 7, dtype=torch.int64), None)

    one, other = (doors.principal_env(society, AsBefore(), r, SEED, tells_choices=True) for r in (home, Turned()))
    for mine, theirs in zip(
        [one.reset(), *(one.step(a) for a in range(5))],
        [other.reset(), *(other.step(a) for a in range(5))],
        strict=True,
    ):
        assert all(np.array_equal(mine[0][key], theirs[0][key]) for key in seen)
        assert str(mine[1:]) == str(theirs[1:])


def test_fallbacks_are_counted() -> None:
    class Unreadable(ScriptedPopulation):
        def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
            made = super().decide(memory, round, draws)[1]
            return None, Decisions(made.action, made.log_probs, (Fallback(1, 0, "uniform", "unreadable"),) * 2)

    society = catalog.load("income_tax")
    worlds = doors.principal_vector_env(society, Unreadable(), rosters(society, 3), 3)
    worlds.reset()
    *_, infos = worlds.step(worlds.action_space.sample())
    assert infos["fallbacks"].tolist() == [0, 2, 0]


def test_without_sb3_the_fix_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    society = catalog.load("income_tax")
    loaded = [name for name in sys.modules if name.startswith(("societies.doors.sb3", "stable_baselines3"))]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs Stable-Baselines3, which is not installed; run: pip install"):
        doors.sb3_env(society, ScriptedPopulation(), rosters(society, 3), 2)
