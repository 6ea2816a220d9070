"""One world of three people, played through every society and written down for people to read.

A change of a society shows as a change of these files: `pytest tests/golden --regold` rewrites them, and the diff is
what a reviewer reads.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from societies import catalog
from societies.base import PublicStep, Society, State
from societies.play import Played, play
from tests.towns import three_people

HERE = Path(__file__).parent


class _Stairs:
    """Rules that differ between steps and between their numbers."""

    def __init__(self, society: Society) -> None:
        self.size = len(society.default_mechanism())
        self.low, self.high = torch.as_tensor(society.mechanism.low), torch.as_tensor(society.mechanism.high)

    def start(self, worlds: int) -> int:
        return worlds

    def propose(self, memory: int, seen: PublicStep) -> tuple[int, Tensor]:
        share = (0.1 * (seen.step % 5) + 0.15 * torch.arange(self.size)) % 1.0
        return memory, (self.low + share * (self.high - self.low)).expand(memory, -1)


def _numbers(values: Tensor, places: int) -> str:
    return " ".join(f"{v:.{places}f}" for v in values.tolist())


def _playthrough(society: Society) -> str:
    people = three_people()
    played = play(society, ScriptedPopulation(), people, _Stairs(society), draws(11, 0, 1))
    first = society.tell(_views(society, played, 0)[0], people.persona(0, 0))
    lines = [f"{society.name}: {', '.join(society.feature_names)}", "", *first.system.splitlines()]
    for t in range(society.steps):
        lines += ["", *_step(society, played, t)]
    lines += ["", f"return {played.episode.returns().item():.3f}"]
    return "\n".join(lines) + "\n"


def _views(society: Society, played: Played, t: int) -> Tensor:
    state = State(t, played.episode.features[:, t], three_people())
    return society.look(state, played.episode.mechanism[:, t])[0]


def _step(society: Society, played: Played, t: int) -> list[str]:
    e, people = played.episode, three_people()
    counted = "" if e.counted[t] else " (not counted)"
    lines = [f"step {t}{counted}: rules {_numbers(e.mechanism[0, t], 2)}"]
    for n, view in enumerate(_views(society, played, t)):
        persona = people.persona(0, n)
        best = e.choice[0, t, n].topk(3)
        likely = ", ".join(
            f"{society.choice_names[k]} {p:.2f}" for k, p in zip(best.indices, best.values, strict=True) if p > 0.005
        )
        lines.append(f"  {persona.name} is told: {society.tell(view, persona).user}")
        chosen = society.choice_names[int(e.action[0, t, n])]
        lines.append(f"    chooses {chosen} of {likely}; payoff {played.sealed.payoff[0, t, n]:.2f}")
        lines.append(f"    now {_numbers(e.features[0, t + 1, n], 2)}")
    accounts = ", ".join(f"{name} {value[0, t]:.2f}" for name, value in e.accounts.items())
    return [*lines, f"  {accounts}; welfare {e.welfare[0, t]:.3f}"]


@pytest.mark.parametrize("name", catalog.names())
def test_playthrough(name: str, regold: bool) -> None:
    path, now = HERE / f"{name}.txt", _playthrough(catalog.load(name))
    if regold:
        path.write_text(now, encoding="utf-8")
    assert path.exists(), f"there is no {path.name} yet: run pytest tests/golden --regold and read it"
    assert now == path.read_text(encoding="utf-8"), f"{name} plays differently; if it should, run with --regold"


def test_no_golden_file_without_its_society() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(catalog.names())
