"""Claim: what rules lose that were learned on one kind of people and are kept by another.

SWM-AP learns rules on language-model, RL and scripted people, and each set of rules governs people of every kind: as it
is, with what it infers of them as it goes; without any inference; and adapted with a few real episodes of the new
people, by a world model that sets out from the old one. Regret is the welfare of rules that were learned on the new
people themselves (with other seeds, on other communities than the diagonal's) less that, on the same held-out
communities. Beside it stands what as few episodes bring without anything to set out from.

The language model is the embedded one, which was trained on scripted people's choices: that it is near to them says
nothing of other models.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from agents.embedded.engine import STAND_IN
from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.provenance import embedded_weights
from experiments.saving_scale import Scale as TaxScale
from experiments.saving_scale import small as small_tax
from experiments.saving_work import Unit, cpus, do_all, done
from experiments.statistics import Floats, Interval, crossed_interval
from experiments.town_scale import TownScale, small
from experiments.town_table import paired, plain
from experiments.transferred import KINDS, Kind, Subject, work
from societies.people_ppo import BestResponseSettings

TRACKED = True
NAME = "transfer_matrix"
WORDS: dict[Kind, str] = {"llm": "language-model people", "rl": "RL people", "scripted": "scripted people"}


def _subjects() -> tuple[Subject, ...]:
    town = TownScale().swm
    town = replace(town, distil=replace(town.distil, planned_episodes=500))
    return (
        Subject("facility8", "visitors", 20, (1, 4), 100, town, BestResponseSettings()),
        Subject("income_tax", "communities", 14, (4,), 50, TaxScale().swm, BestResponseSettings()),
    )


def _small() -> tuple[Subject, ...]:
    """Seconds instead of hours; proves nothing."""
    learned = BestResponseSettings(1, 300)
    return (
        Subject("facility8", "visitors", 2, (1,), 2, small().swm, learned),
        Subject("income_tax", "communities", 2, (1,), 2, small_tax().swm, learned),
    )


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    seeds: int = 10
    subjects: tuple[Subject, ...] = field(default_factory=_subjects)


def claim(smoke: bool) -> Outcome:
    """All pairs of kinds, in both societies."""
    torch.set_num_threads(1)
    scale = Scale(2, _small()) if smoke else Scale()
    folder, journals = workplace(NAME, smoke, TRACKED), workplace(NAME, smoke) / "journals"
    same_settings(folder, {"scale": json.loads(json.dumps(asdict(scale))), "embedded_model": embedded_weights()})
    units = [
        Unit(f"{subject.name}-{seed}", partial(work, subject, seed, journals))
        for seed in range(scale.seeds)
        for subject in scale.subjects
    ]
    do_all(units, folder, 1 if smoke else cpus(), time.time())
    return _outcome([Matrix(folder, subject, scale.seeds) for subject in scale.subjects], smoke)


@dataclass(frozen=True)
class Matrix:
    """Reads the finished parts of one society. Levels are welfare, mean over the counted steps."""

    folder: Path
    subject: Subject
    seeds: int

    def own(self, kind: Kind, how: str = "welfare") -> Floats:
        """[S, C] by rules that were learned on people of that kind."""
        return self._levels(f"itself {kind}", how)

    def regret(self, learned: Kind, kept: Kind, how: str) -> Interval:
        """Of rules learned on one kind of people and kept by another."""
        return paired(self.own(kept), self._levels(f"from {learned}", f"{kept}, {how}"))

    def _levels(self, part: str, how: str) -> Floats:
        name = self.subject.name
        parts = [done(self.folder, f"{name}-{seed}", part)[how] for seed in range(self.seeds)]
        return torch.cat(parts).double().numpy()

    def ways(self, learned: Kind, kept: Kind) -> tuple[str, ...]:
        """How rules go from one kind of people to another."""
        adapted = [f"adapted with {episodes}" for episodes in self.subject.adapt]
        return ("as it is", "without inference", *(adapted if learned != kept else ()))

    def cells(self) -> dict[str, dict[str, Interval]]:
        """Regret by pair of kinds and by way."""
        return {
            f"{learned} to {kept}": {how: self.regret(learned, kept, how) for how in self.ways(learned, kept)}
            for learned in KINDS
            for kept in KINDS
        }

    def plain(self) -> dict[str, Json]:
        """For JSON: intervals as [value, low, high]."""
        few = {n: f"from nothing, {n}" for n in self.subject.adapt}
        return {
            "own": {kind: plain(crossed_interval(self.own(kind))) for kind in KINDS},
            "regret": {pair: {how: plain(x) for how, x in row.items()} for pair, row in self.cells().items()},
            "regret_from_nothing": {
                kind: {str(n): plain(paired(self.own(kind), self.own(kind, how))) for n, how in few.items()}
                for kind in KINDS
            },
            "findings": self.findings(),
        }

    def findings(self) -> list[Json]:
        """The matrix in words, from its intervals alone."""
        cells = self.cells()
        return [
            _moved(self.subject.name, learned, kept, cells[f"{learned} to {kept}"])
            for learned in KINDS
            for kept in KINDS
            if learned != kept
        ]


def _moved(society: str, learned: Kind, kept: Kind, row: Mapping[str, Interval]) -> str:
    """One pair in words."""
    first, *others = row.items()
    said = "; ".join(f"{how} {_lost(regret)}" for how, regret in (first, *others))
    return f"{society}: rules learned on {WORDS[learned]}, kept by {WORDS[kept]}: {said}"


def _lost(regret: Interval) -> str:
    interval = f"{abs(regret.value):.3f} ({regret.low:+.3f} to {regret.high:+.3f})"
    if regret.low > 0:
        return f"they lose {interval}"
    return f"they gain {interval}" if regret.high < 0 else f"no difference is found, {interval}"


def _outcome(matrices: list[Matrix], smoke: bool) -> Outcome:
    same = {(m.subject.name, kind): m.regret(kind, kind, "as it is") for m in matrices for kind in KINDS}
    off = [f"{kind} in {name}" for (name, kind), regret in same.items() if not regret.low <= 0 <= regret.high]
    worst = {m.subject.name: _worst(m) for m in matrices}
    told = [f"{name}: {pair} {x.value:+.3f} [{x.low:+.3f}, {x.high:+.3f}]" for name, (pair, x) in worst.items()]
    return Outcome(
        claim="rules learned on one kind of people and kept by another, for all pairs of language-model, RL and "
        "scripted people; those kept by the kind they were learned on lose nothing to a second learning",
        passed=not off,
        figure=f"diagonal off zero in {len(off)} of {len(same)}{': ' * bool(off)}{', '.join(off)}; largest regret "
        f"without adapting, {'; '.join(told)}",
        bar="every interval of the diagonal contains 0",
        figures={
            "unit": "welfare, mean over counted steps; regret against rules learned on the same people",
            "people": STAND_IN,
            **{m.subject.name: m.plain() for m in matrices},
        },
        seeds=tuple(range(matrices[0].seeds)),
        smoke=smoke,
    )


def _worst(matrix: Matrix) -> tuple[str, Interval]:
    found = {pair: row["as it is"] for pair, row in matrix.cells().items()}
    pair = max(found, key=lambda name: found[name].value)
    return pair, found[pair]
