"""Neither the world model nor the principal can tell people apart who differ in hidden things only."""

import ast
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from agents.base import Decisions, Round
from learning.draws import Draws
from mechanism.baselines.ppo import model_free_ppo, new_policy
from mechanism.dreams import Dreams
from mechanism.improve import ImproveSettings
from mechanism.search import SearchSettings
from mechanism.swm_ap import SWMSettings, swm_ap
from personas.people import People
from societies.base import State, Transition
from societies.play import Fixed
from societies.stage import Stage
from tests.world_model.island import Island, Islanders, OtherTraits
from world_model.fit import FitSettings, quiet
from world_model.model import ModelSettings, WorldModel

ROOT = Path(__file__).parent.parent.parent
# Where hidden things can be had from: the sealed record, the people themselves, and what reads their traits.
HIDDEN = {"play_sealed", "sealed", "payoff", "people", "persona", "personas", "teacher", "utilities", "look"}
HIDDEN |= {"step_with", "traits_used", "trait_names", "trait", "with_traits", "reset", "attribute"}


class Deaf:
    """People who answer by the same odds whoever they are: hidden traits reach nothing public at all."""

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        log_probs = torch.tensor([0.1, 0.2, 0.3, 0.25, 0.15]).log().expand(round.choices.shape)
        return None, Decisions(draws.choice("decision", round.step, log_probs), log_probs)


class OtherPayoffs(Island):
    """The same society with private payoffs of another size."""

    def step(self, state: State, mechanism: torch.Tensor, action: torch.Tensor) -> Transition:
        step = super().step(state, mechanism, action)
        return replace(step, payoff=step.payoff * 100 + 7)


@dataclass(frozen=True)
class Pair:
    """Two stages alike in all that is public."""

    ours: Stage
    theirs: Stage


def pair() -> Pair:
    ours = Stage(Island("revenue", steps=3), Deaf(), Islanders(), 0)
    society = OtherPayoffs("revenue", steps=3)
    return Pair(ours, Stage(society, Deaf(), OtherTraits(Islanders(), 0.05), 0))


def test_the_two_stages_differ_in_hidden_things_and_in_nothing_else():
    ours, theirs = (s.play_sealed(Fixed(torch.tensor([0.3])), 0, 5) for s in (pair().ours, pair().theirs))
    assert not torch.equal(ours.sealed.traits, theirs.sealed.traits)
    assert not torch.equal(ours.sealed.payoff, theirs.sealed.payoff)
    for name, value in vars(ours.episode).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, getattr(theirs.episode, name)), name


def test_the_whole_loop_ends_the_same():
    settings = SWMSettings(
        first_episodes=3,
        later_episodes=2,
        check_episodes=1,
        rounds=2,
        gap=-1.0,
        base_worlds=4,
        base_search=SearchSettings(generations=1, candidates=4),
        tracker_worlds=4,
        model=ModelSettings(members=2, traits=1, community=1, hidden=4, tracker_hidden=4),
        fit=FitSettings(steps=3, batch=2, tracker_steps=2),
        improve=ImproveSettings(iterations=1, worlds=4),
    )
    ours, theirs = (swm_ap(stage, settings, 0, quiet) for stage in (pair().ours, pair().theirs))
    for a, b in ((ours.model, theirs.model), (ours.learned.policy, theirs.learned.policy)):
        for name, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[name]), name
    assert ours.checks == theirs.checks


def test_model_free_learning_ends_the_same():
    learned = [new_policy(stage, 0) for stage in (pair().ours, pair().theirs)]
    for principal, stage in zip(learned, (pair().ours, pair().theirs), strict=True):
        model_free_ppo(stage, principal, ImproveSettings(iterations=1, worlds=4), 0, quiet)
    ours, theirs = (principal.policy.state_dict() for principal in learned)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_dreams_are_the_same():
    dreams = [Dreams(s, WorldModel(s.society, ModelSettings(members=2), 0), 1, True) for s in vars(pair()).values()]
    with torch.no_grad():
        ours, theirs = (d.dream(Fixed(torch.tensor([0.3])), 0, 4) for d in dreams)
    assert torch.equal(ours.z, theirs.z)
    assert torch.equal(ours.episode.features, theirs.episode.features)


SOURCES = sorted([*(ROOT / "world_model").rglob("*.py"), *(ROOT / "mechanism").rglob("*.py")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_reaches_for_hidden_things(path: Path):
    """Import rules cannot see `stage.play_sealed(...)` or `state.people`; this does."""
    reached = {n.attr for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)}
    assert not reached & HIDDEN


def test_there_are_sources_to_read():
    assert len(SOURCES) > 15
