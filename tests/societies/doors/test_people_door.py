"""The agents' door: what comes through it is what `play` plays."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.base import Population
from agents.rl import Policy, RLPopulation, load_policy, save_policy
from agents.scripted import ScriptedPopulation
from learning.draws import Draws, draws
from mechanism.explore import VariedRules
from societies import catalog, doors
from societies.base import Society
from societies.best_response import BestResponseSettings, train
from societies.doors.people import PeopleEnv
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, Played, play
from tests.towns import crowd, rosters
from world_model.fit import quiet

SEED, EPISODE = 3, 2


def opened(society: Society, **options: bool) -> PeopleEnv:
    return doors.people_env(society, rosters(society, crowd(society)), rules_of(society), SEED, **options)


def rules_of(society: Society) -> Callable[[Draws], VariedRules]:
    return lambda lots: VariedRules(society, lots)


def played(society: Society, people: Population, episode: int = EPISODE) -> Played:
    lots = draws(SEED, episode, 1)
    there = rosters(society, crowd(society)).people(lots)
    with torch.no_grad():
        return play(society, people, there, VariedRules(society, lots), lots)


def acted(env: PeopleEnv, actions: Tensor) -> tuple[Tensor, list[Tensor]]:
    """[T, N] the rewards of an episode in which the actions [T, N] are taken, and the masks [N, K] of each step."""
    seen, _ = env.reset(options={"episode": EPISODE})
    rewards, masks = list[list[float]](), list[Tensor]()
    for now in actions:
        masks.append(torch.tensor(np.stack([seen[agent]["action_mask"] for agent in env.agents])))
        seen, reward, ended, cut, _ = env.step(dict(zip(env.agents, now.tolist(), strict=True)))
        rewards.append([reward[agent] for agent in env.possible_agents])
        assert not any(cut.values())
        assert all(one == (len(rewards) == len(actions)) for one in ended.values())
    assert env.agents == []
    return torch.tensor(rewards), masks


@pytest.mark.parametrize("name", catalog.library())
def test_an_episode_is_the_one_that_play_gives(name: str) -> None:
    society = catalog.load(name)
    whole = played(society, ScriptedPopulation())
    e, env = whole.episode, opened(society, strict=True)
    rewards, masks = acted(env, e.action[0])
    torch.testing.assert_close(rewards, whole.sealed.payoff[0], rtol=1e-5, atol=1e-6)
    assert torch.equal(env.moment.state.features, e.features[:, -1])
    for t, mask in enumerate(masks):
        assert torch.equal(mask > 0, society.choices(t, e.features[:, t], e.mechanism[:, t])[0])
    public = torch.tensor(env.state())
    assert env.state_space.contains(env.state())
    assert torch.equal(public, torch.cat([e.features[0, -1].flatten(), society.default_mechanism()]))


def test_agents_see_what_they_are_shown_and_themselves_and_nobody_else() -> None:
    society = catalog.load("income_tax")
    env, plain = opened(society), opened(society, knows_itself=False)
    seen, _ = env.reset(seed=5)
    hidden, _ = plain.reset(seed=5)
    people, state = rosters(society, 7).people(draws(5, 0, 1)), env.moment.state
    view = society.look(state, env.mechanism)[0]
    for n, agent in enumerate(env.agents):
        own = torch.cat([view[n], people.attribute("wage")[0, n, None], people.traits[0, n], torch.zeros(1)])
        assert society.traits_used == people.trait_names
        assert torch.equal(torch.tensor(seen[agent]["observation"]), own)
        assert torch.equal(torch.tensor(hidden[agent]["observation"]), torch.cat([view[n], torch.zeros(1)]))


def test_rl_people_behind_the_door_are_those_that_play(tmp_path: Path) -> None:
    society = catalog.load("facility8")
    tiny = BestResponseSettings(iterations=1, decisions=50, hidden=8)
    trained = train(society, rosters(society, crowd(society)), rules_of(society), tiny, 0, quiet)
    save_policy(trained, tmp_path / "rl-people.safetensors")
    policy = load_policy(tmp_path / "rl-people.safetensors")
    e, env = played(society, RLPopulation(policy)).episode, opened(society, strict=True)
    agents = doors.RLAgents(env, policy)
    seen, _ = env.reset(options={"episode": EPISODE})
    for now in e.action[0].tolist():
        chosen = agents(seen)
        assert list(chosen.values()) == now
        assert agents({"agent_3": seen["agent_3"]}) == {"agent_3": now[3]}  # one of them alone does the same
        seen, *_ = env.step(chosen)
    assert torch.equal(env.moment.state.features, e.features[:, -1])
    with pytest.raises(ValueError, match=r"need to know their own home_x, home_y, roaming; open the door with"):
        doors.RLAgents(opened(society, knows_itself=False), policy)
    longer = replace(policy.sizes, steps=society.steps + 1)
    with pytest.raises(ValueError, match="learned facility8 in 6 steps"):
        doors.RLAgents(opened(society), Policy(longer, 0))
    with pytest.raises(ValueError, match=r"trained in facility8 on views of 16 numbers, and this is income_tax"):
        doors.RLAgents(opened(catalog.load("income_tax")), policy)


def test_seeds_and_episodes_are_those_of_the_draws() -> None:
    env = opened(catalog.load("congestion_game"))

    def first(**given: object) -> list[float]:
        seen, _ = env.reset(**given)  # pyright: ignore[reportArgumentType]
        return seen["agent_0"]["observation"].tolist()

    a, b, c = first(), first(), first()
    assert a != b != c != a
    assert first(options={"episode": 1}) == b
    assert first() == c
    assert first(seed=SEED) == a
    assert first(seed=SEED + 1) != a


@pytest.mark.parametrize(("strict", "wrong"), [(False, 1), (True, 5)])
def test_a_choice_that_is_not_open(strict: bool, wrong: int) -> None:
    env = opened(catalog.load("facility8"), strict=strict)
    seen, _ = env.reset()
    assert seen["agent_0"]["action_mask"].tolist()[-1] == 0  # nothing stands there yet
    actions = dict.fromkeys(env.agents, 0) | {"agent_2": 5}
    if strict:
        with pytest.raises(ValueError, match=r"choice 5 is not open to agent_2; heed"):
            env.step(actions)
        return
    *_, infos = env.step(actions)
    assert [agent for agent, told in infos.items() if told["replaced"]] == ["agent_2"]
    assert env.moment.last is not None
    assert env.moment.last.decisions.action.tolist() == [[0] * 7]  # at home: the first that is open


class HalfAsleep(IncomeTax):
    """Every second agent is asked, by turns."""

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        awake = torch.arange(features.shape[1]) % 2 == step % 2
        return super().choices(step, features, mechanism) & awake[:, None]


def test_who_is_not_asked_need_not_answer() -> None:
    env = doors.people_env(HalfAsleep(), rosters(HalfAsleep(), 4), Fixed(torch.full((7,), 0.5)))
    seen, infos = env.reset()
    assert [infos[agent]["asked"] for agent in env.agents] == [True, False, True, False]
    assert seen["agent_1"]["action_mask"].tolist() == [1] + [0] * 20
    with pytest.raises(ValueError, match=r"no action of agent_2; whoever is asked"):
        env.step({"agent_0": 8, "agent_1": 20})
    *_, infos = env.step({"agent_0": 8, "agent_1": 20, "agent_2": 9})
    assert env.moment.last is not None
    assert env.moment.last.decisions.action.tolist() == [[8, -1, 9, -1]]
    assert [infos[agent]["asked"] for agent in env.agents] == [False, True, False, True]


def test_mistakes_are_told() -> None:
    env = opened(catalog.load("income_tax"))
    with pytest.raises(ValueError, match="nobody is there; call reset"):
        env.step({})
    env.reset()
    with pytest.raises(ValueError, match="agent_1 chose number 21; choices are 0 to 20"):
        env.step(dict.fromkeys(env.agents, 0) | {"agent_1": 21})
    for strange in (2.7, "1", True):
        with pytest.raises(ValueError, match="agent_1 chose number"):
            env.step({**dict.fromkeys(env.agents, 0), "agent_1": strange})  # pyright: ignore[reportArgumentType]
    for episode in (-1, 2.7, 2**70):
        with pytest.raises(ValueError, match="they are numbered 0 to"):
            env.reset(options={"episode": episode})
    env.reset()  # nothing of it is left


def test_without_pettingzoo_the_fix_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "societies.doors.people")
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"needs PettingZoo, which is not installed; run: pip install .*interop"
    ):
        opened(catalog.load("income_tax"))


@dataclass(frozen=True)
class Learning:
    """A principal that computes with gradients."""

    weight: Tensor

    def start(self, worlds: int) -> None:
        return None

    def propose(self, memory: None, seen: object) -> tuple[None, Tensor]:
        return None, self.weight.sigmoid().expand(1, -1)


def test_a_principal_that_learns_may_rule() -> None:
    society = catalog.load("income_tax")
    env = doors.people_env(society, rosters(society, 3), Learning(torch.zeros(7, requires_grad=True)))
    env.reset()
    _, rewards, *_ = env.step(dict.fromkeys(env.agents, 8))
    assert not env.mechanism.requires_grad
    assert all(np.isfinite(list(rewards.values())))
