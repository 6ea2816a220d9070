"""Town halls: what is said in one year is heard by some of the others in the next, and kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agents.base import Decisions, Message, Round
from learning.draws import Draws, draws
from personas.people import People
from personas.rosters import open_rosters
from societies.catalog import load
from societies.labour import NET
from societies.library.income_tax import IncomeTax
from societies.play import Fixed, play
from societies.stage import joined
from societies.store import load_episodes, save_episode

PEOPLE = Path(__file__).parents[2] / "personas/populations/communities.yaml"


@dataclass
class Speakers:
    """People who work 40 hours, say who they are, and write down what they hear."""

    speaks: Callable[[int, int], bool] = lambda step, agent: True
    heard: dict[tuple[int, int, int], tuple[str, ...]] = field(
        default_factory=dict[tuple[int, int, int], tuple[str, ...]]
    )

    longest: dict[int, int] = field(default_factory=dict[int, int])  # step -> characters

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        action = torch.full(round.choices.shape[:2], 8)
        if round.talk is None:
            return None, Decisions(action, None)
        who = [(w, n) for w in range(action.shape[0]) for n in range(action.shape[1])]
        self.heard |= {(round.step, w, n): round.talk.heard(w, n) for w, n in who}
        self.longest[round.step] = round.talk.longest
        said = [Message(w, n, f"{round.step} {w} {n}") for w, n in who if self.speaks(round.step, n)]
        return None, Decisions(action, None, messages=tuple(said))


def played(speakers: Speakers, society: IncomeTax, start: int = 0, worlds: int = 2):
    lots = draws(3, start, worlds)
    return play(society, speakers, open_rosters(PEOPLE).people(lots), Fixed(society.default_mechanism()), lots).episode


def test_everyone_hears_five_others_of_their_own_town_from_the_year_before():
    speakers = Speakers()
    played(speakers, IncomeTax(talk="town_hall"))
    assert all(heard == () for (step, _, _), heard in speakers.heard.items() if step == 0)
    for (step, w, n), heard in speakers.heard.items():
        if step > 0:
            assert len(set(heard)) == 5
            assert all(text.startswith(f"{step - 1} {w} ") for text in heard)
            assert f"{step - 1} {w} {n}" not in heard
    assert speakers.longest == {**dict.fromkeys(range(11), 200), 11: 0}  # nobody would hear the last ones
    listeners = [speakers.heard[1, 0, n] for n in range(32)]
    assert len({text for heard in listeners for text in heard}) > 20  # not always the same few speak up
    assert speakers.heard[1, 0, 0] != tuple(text.replace("2 ", "1 ", 1) for text in speakers.heard[3, 0, 0])


def test_who_is_silent_is_not_heard_and_few_speakers_are_heard_by_all():
    speakers = Speakers(speaks=lambda step, agent: agent in {3, 7})
    played(speakers, IncomeTax(talk="town_hall"))
    assert set(speakers.heard[4, 1, 0]) == {"3 1 3", "3 1 7"}
    assert set(speakers.heard[4, 1, 3]) == {"3 1 7"}


def test_who_hears_whom_does_not_depend_on_the_batch():
    both, alone = Speakers(), Speakers()
    society = IncomeTax(talk="town_hall")
    played(both, society)
    played(alone, society, start=1, worlds=1)
    renumbered = [tuple(text.replace(" 0 ", " 1 ", 1) for text in alone.heard[2, 0, n]) for n in range(32)]
    assert renumbered == [both.heard[2, 1, n] for n in range(32)]


def test_messages_are_kept_with_the_episode_and_joined_by_world(tmp_path: Path):
    episode = played(Speakers(speaks=lambda step, agent: agent == step), IncomeTax(talk="town_hall"))
    save_episode(tmp_path, 0, episode)
    (again,) = load_episodes(tmp_path)
    assert again.messages == episode.messages
    assert episode.messages[2] == (Message(0, 2, "2 0 2"), Message(1, 2, "2 1 2"))
    quiet = played(Speakers(), IncomeTax())
    assert quiet.messages == ()
    both = joined([quiet, episode])
    assert both.messages[2] == (Message(2, 2, "2 0 2"), Message(3, 2, "2 1 2"))
    assert joined([quiet, quiet]).messages == ()


def test_without_a_town_hall_nobody_talks_and_the_words_are_the_old_ones():
    speakers = Speakers()
    played(speakers, IncomeTax())
    assert speakers.heard == {}
    view = torch.ones(16)
    person = open_rosters(PEOPLE).people(draws(0, 0, 1)).persona(0, 0)
    quiet, talking = (load("income_tax", talk=talk).tell(view, person).system for talk in ("off", "town_hall"))
    assert quiet == IncomeTax().tell(view, person).system
    assert "town hall" in talking
    assert "town hall" not in quiet
    assert 'Answer with JSON only, in the form {"hours":40}.' in talking


def test_a_talk_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"income_tax: .*talk.*market.*off.*town_hall"):
        load("income_tax", talk="market")
    with pytest.raises(ValueError, match="facility8: nobody can talk there"):
        load("facility8", talk="town_hall")


def test_people_are_told_how_last_year_went():
    society = IncomeTax()
    view = torch.arange(16.0).expand(1, 2, 16)
    assert society.went(view).tolist() == [[1.0, 1.0]]
    economist = load("llm_economist_v1")
    assert economist.went(torch.tensor([[[9.0, 40.0, 100.0, 30.0, 5.0]]])).tolist() == [[75.0]]  # pyright: ignore
    views: list[Tensor] = []

    class Watching(Speakers):
        def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
            assert round.went is not None
            assert round.went.what.startswith("net income")
            views.append(round.went.values())
            return super().decide(memory, round, draws)

    episode = played(Watching(), society)
    assert torch.equal(views[3], (episode.features[:, 3, :, NET] * 100).round().clamp(0, 999))
