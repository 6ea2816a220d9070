"""The shuffle test's policy is told what another world's people did; wages, last rules and the year stay its own."""

import torch
from torch import Tensor

from experiments.strangers import Misled
from societies.base import PublicStep
from societies.catalog import load

SOCIETY = load("income_tax")


class Watcher:
    """Takes the place of a learned policy and keeps what it was shown."""

    society = SOCIETY

    def __init__(self) -> None:
        self.seen: PublicStep | None = None

    def start(self, worlds: int) -> int:
        return worlds

    def propose(self, memory: int, seen: PublicStep) -> tuple[int, Tensor]:
        self.seen = seen
        return memory, torch.zeros(3, 7)


def test_every_world_is_told_of_the_people_of_the_next() -> None:
    watcher, own = Watcher(), [name in SOCIETY.personal for name in SOCIETY.feature_names]
    each = torch.arange(3.0)[:, None, None].expand(3, 4, len(own))
    step = PublicStep(6, each, each + 10, each[:, 0] + 20, each[..., :1] + 30, each + 40)
    Misled(watcher).propose(3, step)  # type: ignore[arg-type]
    seen = watcher.seen
    assert seen is not None
    assert any(own)
    assert not all(own)
    for before, shown in ((each, seen.features), (each + 10, seen.last_features)):
        assert shown is not None
        assert torch.equal(shown[..., own], before[..., own])
        assert torch.equal(shown[..., [not o for o in own]], before[[2, 0, 1]][..., [not o for o in own]])
    assert torch.equal(seen.last_mechanism, step.last_mechanism)  # type: ignore[arg-type]
    assert seen.step == 6
    for before, shown in ((step.last_response, seen.last_response), (step.last_choice, seen.last_choice)):
        assert torch.equal(shown, before[[2, 0, 1]])  # type: ignore[arg-type,index]


def test_before_the_first_decision_there_is_nothing_to_shuffle() -> None:
    watcher = Watcher()
    features = torch.zeros(3, 1, len(SOCIETY.feature_names))
    Misled(watcher).propose(3, PublicStep(0, features, None, None, None, None))  # type: ignore[arg-type]
    assert watcher.seen is not None
    assert watcher.seen.last_features is None
