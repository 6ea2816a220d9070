"""What the embedded model is taught is what societies tell and what the teacher answers."""

import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from agents.embedded.engine import EmbeddedEngine
from agents.embedded.taught import read_taught
from agents.embedded.vocabulary import MODEL_FOLDER
from experiments import train_embedded
from experiments.embedded_lessons import PAIRS, SINGLES, Lessons, chunk, sampler
from experiments.embedded_schedules import TRAINING, UNSEEN, schedules
from experiments.embedded_situations import play_communities
from experiments.embedded_teams import team_chunk
from experiments.embedded_towns import BATCHES, inhabitants, lived, told, town_chunk, towns
from experiments.embedded_trainer import Settings, Trainer, tokenize
from experiments.muon import orthogonal
from experiments.train_embedded import train
from learning.draws import draws
from personas.traits import midpoints
from societies.base import State
from societies.library.income_tax import IncomeTax
from societies.taxes import US_RATES

SOCIETY = IncomeTax()
KNOWN = IncomeTax.traits_used


@cache
def lessons(number: int = 0) -> Lessons:
    return chunk(SOCIETY, 5, number, 4)


def test_a_situation_out_of_its_town_keeps_its_facts_and_its_answer() -> None:
    d = draws(3, 0, 2)
    paths = schedules(d, SOCIETY.steps, SOCIETY.warm_up, TRAINING)
    played = play_communities(SOCIETY, sampler("communities", "train"), d, paths)
    people, rates = played.people, paths[:, 0]
    state = SOCIETY.reset(people)
    first = torch.arange(2 * people.agents) * played.years
    traits = torch.stack([people.trait(name) for name in KNOWN], -1).flatten(0, 1)
    alone = played.situations.take(first)
    assert torch.equal(alone.views(SOCIETY), SOCIETY.look(state, rates).flatten(0, 1))
    assert torch.allclose(
        alone.teacher(SOCIETY, traits, KNOWN).exp(), SOCIETY.teacher(state, rates).exp().flatten(0, 1), atol=1e-4
    )


def test_pairs_differ_in_one_trait_sentence_and_share_their_news() -> None:
    found = lessons()
    assert len(found.questions) == 2 * PAIRS + SINGLES
    for i in range(0, 2 * PAIRS, 2):
        a, b = found.questions[i], found.questions[i + 1]
        assert [q.user for q in a] == [q.user for q in b]
        one, two = (re.split(r"(?<=\.) ", q[0].system) for q in (a, b))
        assert len(one) == len(two)
        assert sum(x != y for x, y in zip(one, two, strict=True)) == 1


def test_answers_are_distributions_and_pairs_mostly_matter() -> None:
    answers = lessons().answers
    assert torch.allclose(answers.sum(-1), torch.ones(answers.shape[:2]), atol=1e-4)
    means = answers @ torch.arange(0, 101, 5.0)
    moved = (means[1 : 2 * PAIRS : 2] - means[: 2 * PAIRS : 2]).abs()
    assert float((moved >= 1).float().mean()) > 0.5


def test_the_taught_answer_is_the_teachers_on_grade_midpoints() -> None:
    """Read back from the words alone: the usual week is told as a number, so the midpoint can be recomputed."""
    d = draws(4, 0, 1)
    people = sampler("communities", "train").people(d)
    middle = midpoints(people.traits, people.trait_names)
    state = SOCIETY.reset(people.with_traits(middle))
    again = SOCIETY.teacher(
        State(0, state.features, people.with_traits(midpoints(middle, people.trait_names))), torch.tensor([US_RATES])
    )
    assert torch.equal(SOCIETY.teacher(state, torch.tensor([US_RATES])), again)


def test_the_same_number_is_the_same_chunk() -> None:
    again = chunk(SOCIETY, 5, 0, 4)
    assert again.questions == lessons().questions
    assert torch.equal(again.answers, lessons().answers)


def test_schedules_start_with_us_rates_and_stay_between_nothing_and_all() -> None:
    paths = schedules(draws(1, 0, 64), 12, 2, (*TRAINING, *UNSEEN))
    assert torch.equal(paths[:, :2], torch.tensor(US_RATES).expand(64, 2, -1))
    assert float(paths.min()) >= 0.0
    assert float(paths.max()) <= 1.0
    assert paths[:, 2:].std(0).min() > 0.05


def test_muon_makes_matrices_nearly_orthogonal() -> None:
    matrices = torch.randn(2, 16, 40, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonal(matrices))
    assert float(values.min()) > 0.4
    assert float(values.max()) < 1.4


def test_training_stopped_and_taken_up_again_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_embedded, "chunk", lambda society, seed, number, several: lessons(number))
    monkeypatch.setattr(train_embedded, "_town_chunk", lambda seed, number, people, several: visits())
    monkeypatch.setattr(train_embedded, "_team_chunk", lambda seed, number, people, several: rounds())
    first = Settings(steps=2, people=4, situations=4, save_every=2)
    second = replace(first, steps=4, visitors=2, gatherers=2)
    said = list[str]()
    train((first, second), tmp_path / "whole", tmp_path / "a", said.append)
    shutil.copytree(tmp_path / "whole/stage-1", tmp_path / "halves/stage-1")
    half = begun_trainer(second, tmp_path / "halves")
    for step in train_embedded.steps_left(half):
        half.learn(step)
        if half.step == 2:
            break
    half.save()
    train((first, second), tmp_path / "halves", tmp_path / "b", said.append)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert "step 4 of 4" in said[-1]
    assert [society.name for society in read_taught(tmp_path / "b")] == [s.name for s in train_embedded.all_taught()]
    with pytest.raises(ValueError, match="other settings"):
        begun_trainer(replace(second, steps=5), tmp_path / "halves").resume()


def begun_trainer(settings: Settings, folder: Path) -> Trainer:
    """Of the second stage."""
    vocabulary, taught = train_embedded.vocabulary(), train_embedded.all_taught()
    return Trainer(settings, folder / "at-2", vocabulary, taught, folder / "stage-1")


@cache
def visits() -> list[Lessons]:
    return town_chunk(5, 0, 2, 4)


@cache
def rounds() -> list[Lessons]:
    return team_chunk(5, 0, 2, 4)


def test_the_second_stage_begins_with_the_firsts_answers(tmp_path: Path) -> None:
    """New words leave the old ones' probabilities in proportion; the shipped model stands in for the first stage's."""
    tokenizer = train_embedded.vocabulary()
    trainer = Trainer(Settings(), tmp_path, tokenizer, (), MODEL_FOLDER)
    shipped = EmbeddedEngine()
    questions = [row[0] for row in lessons().questions[:4]]
    with torch.no_grad():
        t = tokenize(tokenizer, Lessons([[q] for q in questions], lessons().answers[:4, :1], 0))
        network = trainer.student.network()
        logits = network.follow(network.prefix(t.prefix, t.lengths), t.news)[:, 0, 0]
    assert torch.allclose(logits[:, t.choices].softmax(-1), torch.stack(shipped.scores(questions)).exp(), atol=1e-4)


def test_all_news_of_a_batch_are_equally_long_and_its_answers_are_distributions() -> None:
    tokenizer = train_embedded.vocabulary()
    for batches in (visits(), rounds()):
        assert len(batches) == BATCHES
        assert len({tokenize(tokenizer, batch).news.shape[-1] for batch in batches}) > 3
        for batch in batches:
            assert torch.allclose(batch.answers.sum(-1), torch.ones(batch.answers.shape[:2]), atol=1e-4)


def test_visitors_are_taught_what_the_teacher_answers_as_the_words_tell_them() -> None:
    ends = told(torch.tensor([0.0, 0.1, 0.5, 0.95, 1.0]))
    assert ends.tolist() == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
    society = towns()[0]
    d = draws(3, 0, 2)
    people = inhabitants(society, d)
    first = lived(society, people, d)[0]
    rows = torch.arange(2 * society.agents)
    found = first.teacher(society, rows, people.trait("roaming").flatten())
    state = society.reset(people)
    built = first.mechanism.unflatten(0, (2, -1))[:, 0]
    assert torch.allclose(found, society.teacher(state, built).exp().flatten(0, 1))


def test_towns_of_other_tastes_are_told_in_other_words() -> None:
    assert len({town.rules for town in towns()}) == len(towns())
