"""Trains the embedded model: `solon train-embedded`. One thread, two stages, the same weights each time.

First it is taught the income tax alone, from nothing; then, from there on, every society with few choices at once. The
facility line is left out: it asks for one of 101 marks, which is no small set, and its answers follow from a dozen
numbers and from what a lie would bring.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from agents.embedded.taught import Taught
from agents.embedded.tokenizer import build_tokenizer
from experiments.embedded_card import write_card
from experiments.embedded_lessons import ELSEWHERE, chunk, village
from experiments.embedded_teams import team_chunk
from experiments.embedded_towns import BATCHES, town_chunk, towns
from experiments.embedded_trainer import Settings, Step, Tokens, Trainer, tokenize
from experiments.errors import ROOT
from experiments.files import read_json, write_atomic, write_json
from learning.draws import child_seed
from personas.lives import life_words
from personas.words import closed_vocabulary_words, render
from societies.library.income_tax import IncomeTax
from societies.library.income_tax_words import RULES
from societies.library.team_formation import TeamFormation
from societies.team_words import RULES as TEAM_RULES

TAX_PHRASES = (RULES, "Last year:", "hours, net", "Now: net")  # one token each
TAX_WORDS = "last year hours net equality now kept"
TOWN_PHRASES = (
    "Last week:",
    "Open:",
    *(f"{site + 1} at" for site in range(5)),
    "blocks, new",
    "blocks,",
    "in the crowd",
)
TEAM_PHRASES = (
    "You are number",
    ", in row",
    ", column",
    "You gather good",
    "and keep good",
    "Wanted of you: good",
    "Nothing is wanted of you. Left in the corners:",
    "Left in the corners:",
    "Your team holds:",
    "In your team:",
    "You are alone.",
)
NEWS_WORDS = "open nothing at blocks new in the crowd week round up down left right stay"
WORKPLACE = ROOT / "runs" / "train-embedded"
FIRST = Settings()
SECOND = Settings(steps=2800, people=4, visitors=8, gatherers=2)


def _silent(line: str) -> None:
    """No progress lines."""


def tax_taught() -> Taught:
    """The income tax."""
    society = IncomeTax()
    return Taught("income_tax", RULES, "hours", society.choice_names)


def all_taught() -> tuple[Taught, ...]:
    """Every society of the second stage."""
    found = [Taught(town.name, town.rules, "site", town.choice_names) for town in towns()]
    return (tax_taught(), *found, Taught("team_formation", TEAM_RULES, "move", TeamFormation.choice_names))


def tax_vocabulary() -> PreTrainedTokenizerFast:
    """The first stage's words: the renderer's, the training part of sampled lives, the village, the tax's news."""
    words = [*closed_vocabulary_words(ELSEWHERE), life_words("train"), TAX_WORDS, *(render(p) for p in village())]
    return build_tokenizer(words, TAX_PHRASES, ("hours",))


def vocabulary() -> PreTrainedTokenizerFast:
    """All words: those of the first stage, of every trait, and of the other societies' news."""
    lives = [life_words("train"), *(render(p) for p in village())]
    words = [*closed_vocabulary_words(), *lives, TAX_WORDS, NEWS_WORDS]
    rules = [society.rules for society in all_taught()[1:]]
    return build_tokenizer(words, (*TAX_PHRASES, *rules, *TOWN_PHRASES, *TEAM_PHRASES), ("hours", "site"), ("move",))


def train(
    stages: Sequence[Settings] = (FIRST, SECOND),
    folder: Path = WORKPLACE,
    target: Path | None = None,
    progress: Callable[[str], None] = _silent,
) -> Path:
    """Train (or go on training) in `folder` and write the model to `target`, by default `folder`/final.

    A stage that is finished is in `folder`/stage-1 or -2; the second begins from the first. Every `save_every` steps a
    checkpoint is written. ValueError if a checkpoint was made with other settings.
    """
    torch.set_num_threads(1)
    disable_progress_bar()  # of reading and writing the model, a moment's work
    begin: Path | None = None
    for number, settings in enumerate(stages, 1):
        place, written = folder / f"at-{number}", folder / f"stage-{number}"
        if not (written / "training.json").exists():
            _train(_trainer(settings, place, begin), written, progress)
        begin = written
    assert begin is not None
    return _published(begin, [folder / f"stage-{n}" for n in range(1, len(stages) + 1)], target or folder / "final")


def _trainer(settings: Settings, folder: Path, begin: Path | None) -> Trainer:
    """Of the first stage where there is nothing to begin from."""
    if begin is None:
        return Trainer(settings, folder, tax_vocabulary(), (tax_taught(),))
    return Trainer(settings, folder, vocabulary(), all_taught(), begin)


def _train(trainer: Trainer, target: Path, progress: Callable[[str], None]) -> None:
    """One stage, from its checkpoint if there is one."""
    settings, surprises = trainer.settings, list[list[float]]()
    trainer.resume()
    while trainer.step < settings.steps:
        began = time.process_time()
        for step in steps_left(trainer):
            surprises.append(trainer.learn(step))
            if trainer.step % settings.save_every == 0 or trainer.step >= settings.steps:
                trainer.seconds, began = trainer.seconds + time.process_time() - began, time.process_time()
                trainer.save()
                progress(_line(trainer, surprises[-settings.save_every :]))
            if trainer.step >= settings.steps:
                break
        trainer.seconds += time.process_time() - began
    trainer.write(target)


def steps_left(trainer: Trainer) -> Iterator[Step]:
    """The steps that are left of the chunk of tax lessons in which the trainer stands."""
    s = trainer.settings
    for i, taxes in _tax_steps(trainer):
        yield [taxes, *_others(trainer, i)] if s.visitors or s.gatherers else [taxes]


def _tax_steps(trainer: Trainer) -> Iterator[tuple[int, Tokens]]:
    """The number of a step, and its people under the tax: a quarter of them low, a quarter high in one trait."""
    s = trainer.settings
    quarter = s.people // 4
    lessons = 512 // s.people  # steps in a chunk
    number, done = divmod(trainer.step, lessons)
    tokens = tokenize(trainer.tokenizer, chunk(IncomeTax(), child_seed(s.seed, "lessons"), number, s.situations))
    order = torch.Generator().manual_seed(child_seed(s.seed, f"order {number}"))
    pairs = torch.randperm(tokens.pairs, generator=order)
    alone = torch.randperm(len(tokens.lengths) - 2 * tokens.pairs, generator=order) + 2 * tokens.pairs
    for i in range(done, lessons):
        two = 2 * pairs[i * quarter : (i + 1) * quarter]
        rows = torch.cat([torch.stack([two, two + 1], 1).flatten(), alone[2 * i * quarter : 2 * (i + 1) * quarter]])
        yield number * lessons + i, tokens.take(rows, quarter)


def _others(trainer: Trainer, step: int) -> list[Tokens]:
    """The visitors and the gatherers of a step."""
    s, (number, place) = trainer.settings, divmod(step, BATCHES)
    seed = child_seed(s.seed, "lessons")
    visitors = _town_chunk(seed, number, s.visitors, s.situations)[place]
    gatherers = _team_chunk(seed, number, s.gatherers, s.situations)[place]
    return [tokenize(trainer.tokenizer, lessons) for lessons in (visitors, gatherers)]


_town_chunk = lru_cache(maxsize=1)(town_chunk)  # asked for at every step of a chunk
_team_chunk = lru_cache(maxsize=1)(team_chunk)


def _published(final: Path, stages: Sequence[Path], target: Path) -> Path:
    """The files of the last stage in `target`, with what is to be known of every stage."""
    target.mkdir(parents=True, exist_ok=True)
    for file in final.iterdir():
        if file.name not in ("README.md", "training.json"):
            write_atomic(target / file.name, lambda part, file=file: part.write_bytes(file.read_bytes()))
    made = [read_json(stage / "training.json") for stage in stages]
    write_json(target / "training.json", {"stages": made, "weights": made[-1]["weights"]})
    write_card(target)
    return target


def _line(trainer: Trainer, surprises: list[list[float]]) -> str:
    means = [sum(part) / max(1, len(part)) for part in zip(*surprises, strict=True)]
    return (
        f"step {trainer.step:,} of {trainer.settings.steps:,}: {', '.join(f'{mean:.4f}' for mean in means)} nats "
        f"from the teacher, {trainer.seconds / 60:.1f} processor minutes"
    )
