"""Every society can be played by every kind of people: scripted, language models, and RL agents."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agents.base import Population
from agents.embedded.engine import EmbeddedEngine
from agents.embedded.taught import read_taught
from agents.embedded.vocabulary import MODEL_FOLDER
from agents.llm.engine import Engine
from agents.llm.journal import Journal
from agents.llm.mock import mock
from agents.llm.population import LanguagePopulation
from agents.rl import RLPopulation
from agents.scripted import ScriptedPopulation
from learning.draws import Draws, draws
from mechanism.explore import VariedRules
from societies import catalog
from societies.base import Society
from societies.best_response import train
from societies.people_ppo import BestResponseSettings
from societies.play import Played, play
from tests.towns import crowd, rosters, societies_to_check, town
from world_model.fit import quiet

WORLDS = 2
KNOWS = tuple(society.name for society in read_taught(MODEL_FOLDER))  # societies that the embedded model was taught
Opened = Callable[[Society, Path], Iterator[Population]]


def scripted(society: Society, folder: Path) -> Iterator[Population]:
    yield ScriptedPopulation()


def rl(society: Society, folder: Path) -> Iterator[Population]:
    def rules(draws: Draws) -> VariedRules:
        return VariedRules(society, draws)

    tiny = BestResponseSettings(iterations=1, decisions=50, hidden=8)
    yield RLPopulation(train(society, rosters(society, crowd(society)), rules, tiny, 0, quiet))


def mocked(society: Society, folder: Path) -> Iterator[Population]:
    yield from asked(mock("uniform"), folder)


def embedded(society: Society, folder: Path) -> Iterator[Population]:
    yield from asked(EmbeddedEngine(), folder)


def asked(engine: Engine, folder: Path) -> Iterator[Population]:
    with Journal(folder / "journal.sqlite") as journal:
        yield LanguagePopulation(engine, journal)


KINDS: dict[str, Opened] = {"scripted": scripted, "mock": mocked, "embedded": embedded, "rl": rl}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"name", "kind"} <= set(metafunc.fixturenames):
        cases = [(s, k) for s in societies_to_check() for k in KINDS if k != "embedded" or s in KNOWS]
        metafunc.parametrize(("name", "kind"), cases)


@contextmanager
def opened(kind: str, society: Society, folder: Path) -> Iterator[Population]:
    yield from KINDS[kind](society, folder)


def played(society: Society, people: Population, start: int, worlds: int) -> Played:
    d = draws(5, start, worlds)
    with torch.no_grad():
        return play(society, people, town(society, start, worlds, crowd(society)), VariedRules(society, d), d)


def open_choices(society: Society, episode_features: Tensor, mechanism: Tensor) -> Tensor:
    """[B, T, N, K] who could choose what."""
    steps = range(society.steps)
    return torch.stack([society.choices(t, episode_features[:, t], mechanism[:, t]) for t in steps], 1)


def test_people_of_every_kind_play_by_the_rules(name: str, kind: str, tmp_path: Path) -> None:
    society = catalog.load(name)
    with opened(kind, society, tmp_path) as people:
        e = (whole := played(society, people, 0, WORLDS)).episode
        part = played(society, people, 1, 1).episode
    open_ = open_choices(society, e.features, e.mechanism)
    assert e.action.shape == (WORLDS, society.steps, crowd(society))
    assert torch.equal(e.action >= 0, open_.any(-1))  # whoever is asked decides, and nobody else
    assert bool(open_.gather(-1, e.action.clamp_min(0)[..., None])[..., 0][e.action >= 0].all())
    assert not e.fallbacks
    assert float((e.choice * ~open_).max()) < 1e-12
    torch.testing.assert_close(e.choice.sum(-1), open_.any(-1).float(), rtol=0, atol=1e-5)
    assert bool(whole.sealed.payoff.isfinite().all())
    assert torch.equal(part.action, e.action[1:])  # the same people in another batch do the same


def test_rl_people_know_themselves_and_nobody_else(tmp_path: Path) -> None:
    society = catalog.load("income_tax")
    with opened("rl", society, tmp_path) as people:
        here = town(society, 0, 1, crowd(society))
        traits = here.traits.clone()
        traits[:, 0] = 1 - traits[:, 0]
        state, other = society.reset(here), society.reset(here.with_traits(traits))
        rules = society.default_mechanism()[None]
        assert isinstance(people, RLPopulation)
        with torch.no_grad():
            mine, theirs = (people.policy.read(society.look(s, rules), s.people, 0) for s in (state, other))
    changed = (mine != theirs).any(-1)[0]
    assert changed.tolist() == [True] + [False] * (crowd(society) - 1)
