"""The shuffle test's policy sees another world's whole public record, and nothing of its own."""

from dataclasses import fields

import torch
from torch import Tensor

from experiments.strangers import Misled
from societies.base import PublicStep


class Watcher:
    """Takes the place of a learned policy and keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: PublicStep | None = None

    def start(self, worlds: int) -> int:
        return worlds

    def propose(self, memory: int, seen: PublicStep) -> tuple[int, Tensor]:
        self.seen = seen
        return memory, torch.zeros(3, 2)


def test_every_world_is_shown_the_record_of_the_next() -> None:
    watcher = Watcher()
    own = torch.arange(3.0)[:, None, None].expand(3, 4, 5)
    step = PublicStep(6, own, own + 10, own[:, 0, :2] + 20, own[..., :1] + 30, own + 40)
    Misled(watcher).propose(3, step)  # type: ignore[arg-type]
    assert watcher.seen is not None
    for name in (f.name for f in fields(PublicStep) if f.name != "step"):
        theirs, shown = getattr(step, name), getattr(watcher.seen, name)
        assert torch.equal(shown, theirs[torch.tensor([2, 0, 1])]), name
    assert watcher.seen.step == 6


def test_before_the_first_decision_there_is_nothing_else_to_shuffle() -> None:
    watcher = Watcher()
    Misled(watcher).propose(3, PublicStep(0, torch.arange(3.0)[:, None, None], None, None, None, None))  # type: ignore[arg-type]
    assert watcher.seen is not None
    assert watcher.seen.last_features is None
