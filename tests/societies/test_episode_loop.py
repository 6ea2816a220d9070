"""The episode loop: who sees what and when, what is recorded, and real episodes as learning gets them."""

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from agents.base import Decisions, Fallback, Round
from agents.scripted import ScriptedPopulation
from learning.draws import Draws, draws
from personas.people import People
from personas.rosters import open_rosters
from societies import catalog
from societies.base import PublicStep
from societies.library.income_tax import IncomeTax
from societies.mechanisms import in_force
from societies.play import Fixed, play
from societies.stage import Stage
from tests.towns import POPULATIONS, town

SOCIETY = IncomeTax()


class _Watcher:
    """A principal that keeps all it was shown, and proposes a rate that tells the step."""

    def __init__(self) -> None:
        self.seen = list[PublicStep]()

    def start(self, worlds: int) -> str:
        return "memory"

    def propose(self, memory: str, seen: PublicStep) -> tuple[str, Tensor]:
        assert memory == "memory" + "." * len(self.seen)
        self.seen.append(seen)
        return memory + ".", torch.full((len(seen.features), 7), 0.05 * seen.step)


class _Stubborn:
    """People of whom the second is never asked, the first always answers 40 hours, and one reply fails."""

    def start(self, people: People) -> int:
        return 0

    def decide(self, memory: int, round: Round, draws: Draws) -> tuple[int, Decisions]:
        assert memory == round.step
        action = torch.full(round.choices.shape[:2], 8)
        action[:, 1] = -1
        failed = (Fallback(0, 2, "repeat_last", "unreadable reply"),) if round.step == 3 else ()
        return memory + 1, Decisions(action, None, failed)


def test_the_principal_sees_the_public_past_and_nothing_else() -> None:
    watcher = _Watcher()
    e = play(SOCIETY, ScriptedPopulation(), town(SOCIETY, 0, 2, 5), watcher, draws(1, 0, 2)).episode
    assert [s.step for s in watcher.seen] == list(range(12))
    first, *later = watcher.seen
    assert torch.equal(first.features, e.features[:, 0])
    past = (first.last_features, first.last_mechanism, first.last_response, first.last_choice)
    assert all(x is None for x in past)
    for t, seen in enumerate(later):
        told = (seen.last_features, seen.last_mechanism, seen.last_response, seen.last_choice, seen.features)
        truth = (e.features[:, t], e.mechanism[:, t], e.response[:, t], e.choice[:, t], e.features[:, t + 1])
        for x, y in zip(told, truth, strict=True):
            assert x is not None
            assert torch.equal(x, y)
    assert {f.name for f in fields(PublicStep)} == {
        "step", "features", "last_features", "last_mechanism", "last_response", "last_choice",
    }  # fmt: skip
    # what is proposed in a step is in force in that very step
    torch.testing.assert_close(e.mechanism[0, 2:, 0], 0.05 * torch.arange(2.0, 12.0))


def test_one_schedule_is_for_all_worlds() -> None:
    class Same:
        def start(self, worlds: int) -> None: ...

        def propose(self, memory: None, seen: PublicStep) -> tuple[None, Tensor]:
            return None, torch.full((7,), 0.3)

    episode = play(SOCIETY, _Stubborn(), town(SOCIETY, 0, 3), Same(), draws(0, 0, 3)).episode
    assert episode.mechanism.shape == (3, SOCIETY.steps, 7)
    assert torch.equal(episode.mechanism[0], episode.mechanism[2])


def test_actions_replies_and_fallbacks_are_recorded_as_they_were() -> None:
    e = play(SOCIETY, _Stubborn(), town(SOCIETY, 0, 2, 5), Fixed(torch.zeros(7)), draws(1, 0, 2)).episode
    assert e.action[:, :, 0].unique().tolist() == [8]
    assert e.action[:, :, 1].unique().tolist() == [-1]
    assert not e.soft
    assert e.choice[:, :, 0].sum(-1).unique().tolist() == [1.0]
    assert e.choice[:, :, 0, 8].unique().tolist() == [1.0]
    assert not e.choice[0, 3, 2].any()  # a fallback is acted on, and is nobody's answer
    assert e.choice[:, :, 2].sum() == e.choice[:, :, 3].sum() - 1
    assert e.action[0, 3, 2] == 8
    assert not e.choice[:, :, 1].any()
    assert e.fallbacks == (Fallback(0, 2, "repeat_last", "unreadable reply"),)


def test_proposals_are_held_inside_what_is_allowed() -> None:
    proposed = torch.tensor([[-1.0, 0.3, 2.0, 0.0, 1.0, 0.5, 0.5]])
    features = torch.zeros(1, 3, len(SOCIETY.feature_names))
    assert in_force(SOCIETY, 2, features, proposed).tolist() == [[0.0, pytest.approx(0.3), 1.0, 0.0, 1.0, 0.5, 0.5]]
    assert torch.equal(in_force(SOCIETY, 0, features, proposed)[0], SOCIETY.default_mechanism())


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (torch.full((7,), torch.nan), "parameter 1 .* nan, which is no number"),
        (torch.tensor([0.1, 0.2, 0.3, -torch.inf, 0.3, 0.3, 0.3]), "parameter 4 .* -inf"),
        (torch.tensor([0.1]), r"need \[7\]"),
        (torch.ones(12, 8), "need"),
        (torch.tensor([0.1, 0.2, 0.3, 1.5, 0.3, 0.3, 0.3]), "income_tax, step 0: parameter 4 .* 1.5.* between 0 and 1"),
    ],
)
def test_rules_that_are_none_are_refused_before_anybody_is_asked(rules: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        play(SOCIETY, _Stubborn(), town(SOCIETY, 0, 1), Fixed(rules), draws(0, 0, 1))


def test_a_path_that_ends_too_soon_says_so() -> None:
    with pytest.raises(ValueError, match="rules for 2 steps; step 2"):
        play(SOCIETY, _Stubborn(), town(SOCIETY, 0, 1), Fixed(torch.ones(2, 7)), draws(0, 0, 1))


def test_a_fixed_path_is_played_step_by_step() -> None:
    path = torch.linspace(0, 1, 12)[:, None].expand(12, 7)
    e = play(SOCIETY, ScriptedPopulation(), town(SOCIETY, 0, 2, 5), Fixed(path), draws(1, 0, 2)).episode
    assert torch.equal(e.mechanism[1, 2:], path[2:])


def test_questions_are_only_rendered_when_asked_for() -> None:
    class Curious(_Stubborn):
        def decide(self, memory: int, round: Round, draws: Draws) -> tuple[int, Decisions]:
            told.append(round.question(1, 4).user)
            return super().decide(memory, round, draws)

    told = list[str]()
    people = town(SOCIETY, 0, 2, 5)
    play(SOCIETY, Curious(), people, Fixed(torch.zeros(7)), draws(1, 0, 2))
    assert told[0].startswith("Last year: 40 hours")
    assert told[3].endswith("kept 100 100 100 100 100 100 100 100 100 100 100 100.")  # no tax is in force by then


def _stage(seed: int = 1) -> Stage:
    rosters = open_rosters(POPULATIONS / "communities.yaml", 6, attributes=("wage",), traits=SOCIETY.traits_used)
    return Stage(SOCIETY, ScriptedPopulation(), rosters, seed)


def test_a_stage_plays_the_same_episode_under_the_same_number() -> None:
    rules = Fixed(torch.full((7,), 0.4))
    one, many = _stage().play(rules, 7, 1), _stage().play(rules, 5, 4)
    assert torch.equal(one.action[0], many.action[2])
    torch.testing.assert_close(one.welfare[0], many.welfare[2])
    other = _stage(2).play(rules, 7, 1)
    assert not torch.equal(one.features[:, 0], other.features[:, 0])  # another split has other people
    assert torch.equal(_stage().census(5, 4), many.features[:, 0])
    assert _stage().decisions_per_episode == 12 * 32


def test_catalog_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"'atlantis'; choose one of: .*income_tax"):
        catalog.load("atlantis")
    assert catalog.load("income_tax", "log").welfare_is_public is False


@pytest.mark.parametrize("name", ["facility8", "team_formation"])
def test_doing_nothing_is_always_open_where_it_is_a_choice(name: str) -> None:
    society, rounds = catalog.load(name), list[Round]()

    class Watched(ScriptedPopulation):
        def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
            rounds.append(round)
            return super().decide(memory, round, draws)

    play(society, Watched(), town(society, 0, 2), Fixed(society.default_mechanism()), draws(0, 0, 2))
    assert society.choice_names[rounds[0].idle or 0] in {"0", "stay"}
    for round_ in rounds:
        assert round_.idle is not None
        assert round_.choices[..., round_.idle][round_.choices.any(-1)].all()
