"""Trains the embedded model: `solon train-embedded`. One thread, under an hour, the same weights each time.

The loss is the cross-entropy of the answer's number to the teacher's exact distribution, over the whole vocabulary,
and for pairs (one person, one trait changed) also the error of the difference in mean hours. Every tenth step the
rest of the answer, `}` and the end mark, is taught too, so that plain generation writes valid JSON.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from agents.embedded.student import Student, model_config
from agents.embedded.tokenizer import (
    CLOSING,
    END,
    PAD,
    START,
    build_tokenizer,
    encode,
    news_text,
    opening,
    prefix_text,
    token_ids,
)
from experiments.embedded_card import write_card
from experiments.embedded_lessons import Lessons, chunk, village
from experiments.errors import ROOT
from experiments.files import write_atomic, write_json
from experiments.muon import Muon
from learning.draws import child_seed
from personas.lives import life_words
from personas.words import closed_vocabulary_words, render
from societies.library.income_tax import LEVELS, IncomeTax
from societies.library.income_tax_words import RULES

PHRASES = (RULES, "Last year:", "hours, net", "Now: net")  # one token each
NEWS_WORDS = "last year hours net equality now kept"
KEY = "hours"
WORKPLACE = ROOT / "runs" / "train-embedded"


def _silent(line: str) -> None:
    """No progress lines."""


@dataclass(frozen=True)
class Settings:
    """How to train. The defaults made the model that ships."""

    seed: int = 2
    steps: int = 3000
    people: int = 8  # a step, half of them in pairs
    situations: int = 12  # for each of them
    rate: float = 1e-3  # of AdamW (embeddings and scales), at its highest
    matrix_rate: float = 0.005  # of Muon (the matrices inside the layers), at its highest
    warm_up: int = 60  # steps
    decay_from: float = 0.25  # share of the steps after which the rate falls, linearly to 2%
    pair_weight: float = 1.0  # of the error in the difference that a trait makes
    save_every: int = 100  # steps


def vocabulary() -> PreTrainedTokenizerFast:
    """The tokenizer: the renderer's words, the training part of sampled lives, the village, the words of the news."""
    words = [*closed_vocabulary_words(), life_words("train"), NEWS_WORDS, *(render(p) for p in village())]
    return build_tokenizer(words, PHRASES, (KEY,))


@dataclass(frozen=True)
class Tokens:
    """Lessons as the model reads them."""

    prefix: Tensor  # [P, L] padded on the right
    lengths: Tensor  # [P]
    news: Tensor  # [P, S, U]
    answers: Tensor  # [P, S, K]
    pairs: int


def tokenize(tokenizer: PreTrainedTokenizerFast, lessons: Lessons) -> Tokens:
    """Lessons through the tokenizer, split where the engine splits prompts."""

    who = [torch.tensor(i) for i in encode(tokenizer, [prefix_text(row[0].system) for row in lessons.questions])]
    news = torch.tensor(encode(tokenizer, [news_text(q.user, q.key) for row in lessons.questions for q in row]))
    padded = torch.nn.utils.rnn.pad_sequence(who, batch_first=True)
    lengths = torch.tensor([len(i) for i in who])
    return Tokens(padded, lengths, news.unflatten(0, (len(who), -1)), lessons.answers, lessons.pairs)


class Trainer:
    """A student with its optimiser and place in the course; all of it can be saved and taken up again."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.society = IncomeTax()
        self.tokenizer = vocabulary()
        self.numbers = torch.tensor(token_ids(self.tokenizer, [str(level) for level in LEVELS]))  # [K]
        self.levels = torch.tensor(LEVELS, dtype=torch.float32)
        mark = token_ids(self.tokenizer, [opening(KEY), CLOSING, END, PAD, START])
        self.opening, self.closing, self.end = mark[:3]
        config = model_config(len(self.tokenizer), pad=mark[3], start=mark[4], end=mark[2])
        start = torch.Generator().manual_seed(child_seed(settings.seed, "start"))
        self.student = Student(config, self.tokenizer, start)
        self.weights = list(self.student.parameters())
        inside = [p for n, p in self.student.named_parameters() if p.dim() == 2 and ".layers." in n]
        rest = [p for p in self.weights if not any(p is q for q in inside)]
        self.optimizers: tuple[torch.optim.Optimizer, ...] = (
            Muon(inside, lr=settings.matrix_rate),
            torch.optim.AdamW(rest, lr=settings.rate, betas=(0.9, 0.98), weight_decay=0.0),
        )
        self.highest = (settings.matrix_rate, settings.rate)
        self.step = 0
        self.seconds = 0.0  # of processor time, over all sittings

    def loss(self, t: Tokens, rows: Tensor, pairs: int) -> tuple[Tensor, Tensor]:
        """The loss, and the mean divergence from the teacher in nats. The first 2 * pairs of `rows` are pairs."""
        lengths, answers = t.lengths[rows], t.answers[rows]
        network = self.student.network()
        prefix = network.prefix(t.prefix[rows, : int(lengths.max())], lengths)
        logits = network.follow(prefix, t.news[rows])[:, :, 0]  # [P, S, V]
        log_probs = logits.log_softmax(-1)[..., self.numbers]  # [P, S, K]
        cross = -(answers * log_probs).sum(-1).mean()
        surprise = cross + torch.special.xlogy(answers, answers).sum(-1).mean()
        total = cross + self.settings.pair_weight * self._contrast(log_probs, answers, 2 * pairs)
        if self.step % 10 == 0:
            total = total + 0.1 * self._rest(network, t, rows)
        return total, surprise.detach()

    def _contrast(self, log_probs: Tensor, answers: Tensor, rows: int) -> Tensor:
        """Error of the difference in mean hours within pairs, in steps of five hours."""
        mean = log_probs[:rows].softmax(-1) @ self.levels / 5  # [2 pairs, S]
        true = answers[:rows] @ self.levels / 5
        return F.huber_loss(mean[1::2] - mean[::2], true[1::2] - true[::2])

    def _rest(self, network: Any, t: Tokens, rows: Tensor) -> Tensor:
        """Cross-entropy of the opening before the number, and of what follows it."""
        some = rows[:2]
        best = self.numbers[t.answers[some].argmax(-1)]  # [2, S]
        tail = torch.stack([best, torch.full_like(best, self.closing)], -1)
        prefix = network.prefix(t.prefix[some, : int(t.lengths[some].max())], t.lengths[some])
        logits = network.follow(prefix, torch.cat([t.news[some], tail], -1), asked=4)[:, :, [0, 2, 3]]
        wanted = torch.tensor([self.opening, self.closing, self.end]).expand(logits.shape[:3])
        return F.cross_entropy(logits.flatten(0, 2), wanted.flatten())

    def _pace(self) -> float:
        """The share of the highest rate at this step."""
        s = self.settings
        left = (s.steps - self.step) / ((1 - s.decay_from) * s.steps)
        return min(1.0, (self.step + 1) / s.warm_up) * min(1.0, 0.02 + 0.98 * left)

    def learn(self, t: Tokens, rows: Tensor, pairs: int) -> float:
        """One step; returns the divergence from the teacher in nats."""
        loss, surprise = self.loss(t, rows, pairs)
        self.student.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        for optimizer, highest in zip(self.optimizers, self.highest, strict=True):
            optimizer.param_groups[0]["lr"] = highest * self._pace()
            optimizer.step()
        self.step += 1
        return float(surprise)

    def save(self) -> None:
        """Weights, optimiser and place, in one file that is either whole or the one before."""
        tensors = {f"weight {i}": p.detach() for i, p in enumerate(self.weights)}
        for i, p in enumerate(self.weights):
            for optimizer in self.optimizers:
                tensors |= {f"state {i} {name}": v for name, v in optimizer.state.get(p, {}).items()}
        place = {"settings": json.dumps(asdict(self.settings)), "step": str(self.step), "seconds": str(self.seconds)}
        write_atomic(self.folder / "checkpoint.safetensors", lambda file: save_file(tensors, file, metadata=place))

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one. ValueError if it was made with other settings."""
        file = self.folder / "checkpoint.safetensors"
        if not file.exists():
            return
        with safe_open(file, "pt") as opened:
            place = opened.metadata()
        if json.loads(place["settings"]) != asdict(self.settings):
            raise ValueError(f"{file} was made with other settings ({place['settings']}); remove it or use them")
        self._restore(load_file(file))
        self.step, self.seconds = int(place["step"]), float(place["seconds"])

    @torch.no_grad()
    def _restore(self, tensors: dict[str, Tensor]) -> None:
        for i, p in enumerate(self.weights):
            p.copy_(tensors[f"weight {i}"])
            for optimizer in self.optimizers:
                if any(p is q for q in optimizer.param_groups[0]["params"]):
                    start = f"state {i} "
                    optimizer.state[p] = {n.removeprefix(start): v for n, v in tensors.items() if n.startswith(start)}

    def write(self, folder: Path) -> None:
        """The model as it stands, in Hugging Face format."""
        folder.mkdir(parents=True, exist_ok=True)
        self.student.finished().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        s = self.settings
        made = {
            "settings": asdict(s),
            "step": self.step,
            "decisions": self.step * s.people * s.situations,
            "processor_minutes": round(self.seconds / 60, 1),
            "weights": self.student.model.num_parameters(),
        }
        write_json(folder / "training.json", made)
        write_card(folder)


def train(
    settings: Settings, folder: Path = WORKPLACE, target: Path | None = None, progress: Callable[[str], None] = _silent
) -> Path:
    """Train (or go on training) in `folder` and write the model to `target`, by default `folder`/final.

    Every `save_every` steps a checkpoint is written, and the model so far to `folder`/model. ValueError if the
    folder's checkpoint was made with other settings.
    """
    target = target or folder / "final"
    torch.set_num_threads(1)
    disable_progress_bar()  # of writing the model, a moment's work
    trainer = Trainer(settings, folder)
    trainer.resume()
    surprises = list[float]()
    while trainer.step < settings.steps:
        began = time.process_time()
        for rows, tokens, pairs in steps_left(trainer):
            surprises.append(trainer.learn(tokens, rows, pairs))
            if trainer.step % settings.save_every == 0 or trainer.step >= settings.steps:
                trainer.seconds, began = trainer.seconds + time.process_time() - began, time.process_time()
                trainer.save()
                trainer.write(folder / "model")
                progress(_line(trainer, surprises[-settings.save_every :]))
            if trainer.step >= settings.steps:
                break
        trainer.seconds += time.process_time() - began
    trainer.write(target)
    return target


def steps_left(trainer: Trainer) -> Any:
    """The steps that are left of the chunk in which the trainer stands."""
    s = trainer.settings
    quarter = s.people // 4
    lessons = 512 // s.people  # steps in a chunk
    number, done = divmod(trainer.step, lessons)
    tokens = tokenize(trainer.tokenizer, chunk(trainer.society, child_seed(s.seed, "lessons"), number, s.situations))
    order = torch.Generator().manual_seed(child_seed(s.seed, f"order {number}"))
    pairs = torch.randperm(tokens.pairs, generator=order)
    alone = torch.randperm(len(tokens.lengths) - 2 * tokens.pairs, generator=order) + 2 * tokens.pairs
    for i in range(done, lessons):
        two = 2 * pairs[i * quarter : (i + 1) * quarter]
        rows = torch.cat([torch.stack([two, two + 1], 1).flatten(), alone[2 * i * quarter : 2 * (i + 1) * quarter]])
        yield rows, tokens, quarter


def _line(trainer: Trainer, surprises: list[float]) -> str:
    mean = sum(surprises) / max(1, len(surprises))
    return (
        f"step {trainer.step:,} of {trainer.settings.steps:,}: {mean:.4f} nats from the teacher, "
        f"{trainer.seconds / 60:.1f} processor minutes"
    )
