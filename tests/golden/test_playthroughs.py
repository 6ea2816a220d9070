"""One world of three or four people, played through every society and written down for people to read.

A change of a society shows as a change of these files: `pytest tests/golden --regold` rewrites them, and the diff is
what a reviewer reads.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from personas.people import People
from societies import catalog
from societies.base import Options, PublicStep, Society, State
from societies.mechanisms import bounds, size
from societies.play import Played, play
from tests.towns import four_gatherers, four_players, three_drivers, three_neighbours, three_people, three_visitors

HERE = Path(__file__).parent


class _Stairs:
    """Rules that differ between steps and between their numbers; of options, every seventh."""

    def __init__(self, society: Society) -> None:
        self.society, self.size = society, size(society)

    def start(self, worlds: int) -> int:
        return worlds

    def propose(self, memory: int, seen: PublicStep) -> tuple[int, Tensor]:
        if isinstance(self.society.mechanism, Options):
            return memory, torch.eye(self.size)[[(5 + 7 * seen.step) % self.size]].expand(memory, -1)
        low, high = bounds(self.society)
        share = (0.1 * (seen.step % 5) + 0.15 * torch.arange(self.size)) % 1.0
        return memory, (low + share * (high - low)).expand(memory, -1)


def _people(society: Society) -> People:
    if "position" in society.traits_used:
        return three_neighbours()
    if "patience" in society.traits_used:
        return three_drivers()
    if "altruism" in society.traits_used:
        return four_players()
    if "arrival" in society.attributes_used:
        return four_gatherers()
    return three_visitors() if "home_x" in society.attributes_used else three_people()


def _rules(society: Society, rules: Tensor) -> str:
    if isinstance(society.mechanism, Options):
        return "nothing" if not rules.any() else society.mechanism.names[int(rules.argmax())]
    return _numbers(rules, 2)


def _numbers(values: Tensor, places: int) -> str:
    return " ".join(f"{v:.{places}f}" for v in values.tolist())


def _playthrough(society: Society) -> str:
    people = _people(society)
    played = play(society, ScriptedPopulation(), people, _Stairs(society), draws(11, 0, 1))
    first = society.tell(_views(society, played, 0)[0], people.persona(0, 0))
    lines = [f"{society.name}: {', '.join(society.feature_names)}", "", *first.system.splitlines()]
    for t in range(society.steps):
        lines += ["", *_step(society, played, t)]
    lines += ["", f"return {played.episode.returns().item():.3f}"]
    return "\n".join(lines) + "\n"


def _views(society: Society, played: Played, t: int) -> Tensor:
    state = State(t, played.episode.features[:, t], _people(society))
    return society.look(state, played.episode.mechanism[:, t])[0]


def _step(society: Society, played: Played, t: int) -> list[str]:
    e, people = played.episode, _people(society)
    counted = "" if e.counted[t] else " (not counted)"
    lines = [f"step {t}{counted}: rules {_rules(society, e.mechanism[0, t])}"]
    for n, view in enumerate(_views(society, played, t)):
        persona = people.persona(0, n)
        best = e.choice[0, t, n].topk(min(3, len(society.choice_names)))
        likely = ", ".join(
            f"{society.choice_names[k]} {p:.2f}" for k, p in zip(best.indices, best.values, strict=True) if p > 0.005
        )
        lines.append(f"  {persona.name} is told: {society.tell(view, persona).user}")
        chosen = society.choice_names[int(e.action[0, t, n])]
        lines.append(f"    chooses {chosen} of {likely}; payoff {played.sealed.payoff[0, t, n]:.2f}")
        lines.append(f"    now {_numbers(e.features[0, t + 1, n], 2)}")
    accounts = ", ".join(f"{name} {value[0, t]:.2f}" for name, value in e.accounts.items())
    return [*lines, f"  {accounts}; welfare {e.welfare[0, t]:.3f}"]


@pytest.mark.parametrize("name", catalog.library())
def test_playthrough(name: str, regold: bool) -> None:
    path, now = HERE / f"{name}.txt", _playthrough(catalog.load(name))
    if regold:
        path.write_text(now, encoding="utf-8")
    assert path.exists(), f"there is no {path.name} yet: run pytest tests/golden --regold and read it"
    assert now == path.read_text(encoding="utf-8"), f"{name} plays differently; if it should, run with --regold"


def test_no_golden_file_without_its_society() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(catalog.library())
