"""The step, the state and the files of a training of the embedded model.

The loss is the cross-entropy of the answer's token to the teacher's exact distribution, over the whole vocabulary,
and for pairs (one person, one trait changed) also the error of the difference in mean hours. Every tenth step the
rest of the answer, its closing and the end mark, is taught too, so that plain generation writes valid JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from agents.embedded.engine import load
from agents.embedded.network import Network
from agents.embedded.student import Student, model_config
from agents.embedded.taught import FILE, Taught, listed
from agents.embedded.tokenizer import END, PAD, START, begun, encode, ended, news_text, prefix_text, token_ids
from experiments.embedded_lessons import Lessons
from experiments.files import write_atomic, write_json, write_text
from experiments.muon import Muon
from learning.draws import child_seed
from societies.library.income_tax import LEVELS


@dataclass(frozen=True)
class Settings:
    """How to train in one stage. The defaults are those of the first, of the income tax alone."""

    seed: int = 2
    steps: int = 3000
    people: int = 8  # under the tax, a step, half of them in pairs
    situations: int = 12  # for each of them
    rate: float = 1e-3  # of AdamW (embeddings and scales), at its highest
    matrix_rate: float = 0.005  # of Muon (the matrices inside the layers), at its highest
    warm_up: int = 60  # steps
    decay_from: float = 0.25  # share of the steps after which the rate falls, linearly to 2%
    pair_weight: float = 1.0  # of the error in the difference that a trait makes
    save_every: int = 100  # steps
    visitors: int = 0  # people in facility towns, a step
    gatherers: int = 0  # people in teams, a step

    @property
    def asked(self) -> int:
        """People in a step."""
        return self.people + self.visitors + self.gatherers


@dataclass(frozen=True)
class Tokens:
    """Lessons of one kind as the model reads them. The first 2 * pairs rows are pairs."""

    prefix: Tensor  # [P, L] padded on the right
    lengths: Tensor  # [P]
    news: Tensor  # [P, S, U]
    answers: Tensor  # [P, S, K]
    pairs: int
    choices: Tensor  # [K] token ids
    opening: int
    closing: int

    def take(self, rows: Tensor, pairs: int) -> "Tokens":
        """These rows, of which the first 2 * pairs are pairs."""
        lengths = self.lengths[rows]
        prefix = self.prefix[rows, : int(lengths.max())]
        news, answers = self.news[rows], self.answers[rows]
        return Tokens(prefix, lengths, news, answers, pairs, self.choices, self.opening, self.closing)


Step = Sequence[Tokens]  # what is learned from at once


def tokenize(tokenizer: PreTrainedTokenizerFast, lessons: Lessons) -> Tokens:
    """Lessons through the tokenizer, split where the engine splits prompts. All news must be equally long."""
    who = [torch.tensor(i) for i in encode(tokenizer, [prefix_text(row[0].system) for row in lessons.questions])]
    news = torch.tensor(encode(tokenizer, [news_text(q) for row in lessons.questions for q in row]))
    padded = torch.nn.utils.rnn.pad_sequence(who, batch_first=True)
    lengths = torch.tensor([len(i) for i in who])
    one = lessons.questions[0][0]
    opens, closes, *choices = token_ids(tokenizer, [begun(one), ended(one), *one.choices])
    return Tokens(
        padded,
        lengths,
        news.unflatten(0, (len(who), -1)),
        lessons.answers,
        lessons.pairs,
        torch.tensor(choices),
        opens,
        closes,
    )


class Trainer:
    """A student with its optimiser and place in the course; all of it can be saved and taken up again.

    It begins from nothing, or from what the model in `begin` has learned. `taught`: the societies of the course.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        tokenizer: PreTrainedTokenizerFast,
        taught: Sequence[Taught],
        begin: Path | None = None,
    ) -> None:
        self.settings, self.folder, self.tokenizer, self.taught = settings, folder, tokenizer, tuple(taught)
        self.levels = torch.tensor(LEVELS, dtype=torch.float32)
        self.end, pad, first = token_ids(self.tokenizer, [END, PAD, START])
        config = model_config(len(self.tokenizer), pad=pad, start=first, end=self.end)
        start = torch.Generator().manual_seed(child_seed(settings.seed, "start"))
        self.student = Student(config, self.tokenizer, start)
        if begin is not None:
            known, model = load(begin)
            self.student.take_over(model, known.get_vocab(), self.tokenizer.get_vocab())
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

    def loss(self, step: Step) -> tuple[Tensor, list[float]]:
        """The loss, and the mean divergence from the teacher in nats, for each part of the step."""
        network = self.student.network()
        total, surprises = torch.zeros(()), list[float]()
        for t in step:
            log_probs = self._answers(network, t)  # [P, S, K]
            cross = -(t.answers * log_probs).sum(-1).mean()
            surprises.append(float((cross + torch.special.xlogy(t.answers, t.answers).sum(-1).mean()).detach()))
            total = total + cross
            if t.pairs:
                total = total + self.settings.pair_weight * self._contrast(log_probs, t.answers, 2 * t.pairs)
            if self.step % 10 == 0:
                total = total + 0.1 * self._rest(network, t)
        return total, surprises

    def _answers(self, network: Network, t: Tokens) -> Tensor:
        """Log-probabilities [P, S, K] of the choices, among all tokens."""
        prefix = network.prefix(t.prefix, t.lengths)
        return network.follow(prefix, t.news)[:, :, 0].log_softmax(-1)[..., t.choices]

    def _contrast(self, log_probs: Tensor, answers: Tensor, rows: int) -> Tensor:
        """Error of the difference in mean hours within pairs, in steps of five hours."""
        mean = log_probs[:rows].softmax(-1) @ self.levels / 5  # [2 pairs, S]
        true = answers[:rows] @ self.levels / 5
        return F.huber_loss(mean[1::2] - mean[::2], true[1::2] - true[::2])

    def _rest(self, network: Network, t: Tokens) -> Tensor:
        """Cross-entropy of the opening before the choice, and of what follows it."""
        best = t.choices[t.answers[:2].argmax(-1)]  # [2, S]
        tail = torch.stack([best, torch.full_like(best, t.closing)], -1)
        prefix = network.prefix(t.prefix[:2, : int(t.lengths[:2].max())], t.lengths[:2])
        logits = network.follow(prefix, torch.cat([t.news[:2], tail], -1), asked=4)[:, :, [0, 2, 3]]
        wanted = torch.tensor([t.opening, t.closing, self.end]).expand(logits.shape[:3])
        return F.cross_entropy(logits.flatten(0, 2), wanted.flatten())

    def _pace(self) -> float:
        """The share of the highest rate at this step."""
        s = self.settings
        left = (s.steps - self.step) / ((1 - s.decay_from) * s.steps)
        return min(1.0, (self.step + 1) / s.warm_up) * min(1.0, 0.02 + 0.98 * left)

    def learn(self, step: Step) -> list[float]:
        """One step; returns the divergence from the teacher in nats, for each part of it."""
        loss, surprises = self.loss(step)
        self.student.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        for optimizer, highest in zip(self.optimizers, self.highest, strict=True):
            optimizer.param_groups[0]["lr"] = highest * self._pace()
            optimizer.step()
        self.step += 1
        return surprises

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
        write_text(folder / FILE, listed(self.taught))
        made = {
            "settings": asdict(self.settings),
            "step": self.step,
            "decisions": self.step * self.settings.asked * self.settings.situations,
            "processor_minutes": round(self.seconds / 60, 1),
            "weights": self.student.model.num_parameters(),
        }
        write_json(folder / "training.json", made)
