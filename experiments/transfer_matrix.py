"""Claim: what rules lose that were learned on one kind of people and are tried on another.

SWM-AP learns rules on language-model, RL and scripted people, and each set of rules governs people of every kind: as it
is, with what it infers of them as it goes; without any inference; and adapted with a few real episodes of the new
people, by a world model that sets out from the old one. Regret is the welfare of rules that were learned on the new
people themselves (with other seeds, on other communities than the diagonal's) less that, on the same held-out
communities. Beside it stands what as few episodes bring without anything to set out from. Six intervals of 95% are
looked at on the diagonal: in a quarter of all runs one of them misses 0 by chance alone. The widest is told too: a
difference of its size could be overlooked.

The language model is the embedded one, which was trained on scripted people's choices: that it is near to them says
nothing of other models.
"""

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from agents.embedded.engine import EmbeddedEngine
from agents.embedded.vocabulary import STAND_IN
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from agents.rl import Policy, RLPopulation
from agents.scripted import ScriptedPopulation
from experiments.claims import Json, Outcome, result_file, same_settings, workplace
from experiments.errors import ROOT
from experiments.figures import svg
from experiments.files import write_atomic
from experiments.provenance import embedded_weights
from experiments.rl_people import STAGE, LearnedForm
from experiments.saving_scale import Scale as TaxScale
from experiments.saving_scale import small as small_tax
from experiments.saving_work import Bench, Unit, cpus, do_all, done
from experiments.statistics import Floats, Interval
from experiments.town_scale import TownScale, small
from experiments.transfer_report import figure, rows
from experiments.transfer_table import Matrix
from experiments.transferred import AS_IT_IS, Lab, measure
from learning.draws import child_seed
from mechanism.explore import VariedRules
from mechanism.swm_ap import SWMSettings
from personas.rosters import open_rosters
from societies.base import Society
from societies.best_response import train
from societies.catalog import load
from societies.people_ppo import BestResponseSettings
from societies.stage import Rosters
from world_model.fit import quiet

TRACKED = True
NAME = "transfer_matrix"
KINDS: tuple[str, ...] = ("llm", "rl", "scripted")
HELD_OUT_SEED = 930_001  # of the communities that rules are judged on; never learned from


@dataclass(frozen=True)
class Subject:
    """One society, and how its rules and its RL people are learned. Episodes are real ones."""

    name: str
    home: str  # its file of people
    episodes: int  # that rules are learned from
    adapt: tuple[int, ...]  # that rules made for other people are adapted with
    held_out: int  # communities
    swm: SWMSettings
    rl: BestResponseSettings

    def rosters(self, society: Society) -> Rosters:
        """All of the people in its file."""
        path = ROOT / "personas" / "populations" / f"{self.home}.yaml"
        return open_rosters(path, society.agents, "all", society.attributes_used, society.traits_used)


def _subjects() -> tuple[Subject, ...]:
    town = TownScale().swm
    town = replace(town, distil=replace(town.distil, planned_episodes=500))
    return (
        Subject("facility8", "visitors", 20, (1, 4), 100, town, BestResponseSettings()),
        Subject("income_tax", "communities", 14, (4,), 50, TaxScale().swm, BestResponseSettings()),
    )


def smallest() -> tuple[Subject, ...]:
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
    scale = Scale(2, smallest()) if smoke else Scale()
    folder, journals = workplace(NAME, smoke, TRACKED), workplace(NAME, smoke) / "journals"
    same_settings(folder, {"scale": json.loads(json.dumps(asdict(scale))), "embedded_model": embedded_weights()})
    units = [
        Unit(_unit(subject, seed), partial(_work, subject, seed, journals))
        for seed in range(scale.seeds)
        for subject in scale.subjects
    ]
    do_all(units, folder, 1 if smoke else cpus(), time.time())
    found = [matrix(folder, subject, scale.seeds) for subject in scale.subjects]
    for one in found:
        picture = svg(figure(one, list(rows(one)), load(one.society)))
        file = result_file(NAME, smoke).with_name(f"{NAME}-{one.society}.svg")
        write_atomic(file, lambda part, picture=picture: part.write_bytes(picture))
    return _outcome(found, scale.seeds, smoke)


def _unit(subject: Subject, seed: int) -> str:
    return f"{subject.name}-{seed}"


def _work(subject: Subject, seed: int, journals: Path, bench: Bench) -> None:
    with _lab(subject, seed, bench, journals) as here:
        measure(here, bench.part)


@contextmanager
def _lab(subject: Subject, seed: int, bench: Bench, journals: Path) -> Generator[Lab]:
    """Opens all kinds of people; those who learn do so once."""
    learned, society = bench.stages.get(STAGE, LearnedForm(), partial(_rl_people, subject, seed)), load(subject.name)
    assert isinstance(learned, Policy)
    journals.mkdir(parents=True, exist_ok=True)
    with Journal(journals / f"{bench.unit}.sqlite") as journal:
        asked = LanguagePopulation(EmbeddedEngine(), journal, purpose=NAME)
        people = dict(zip(KINDS, (asked, RLPopulation(learned), ScriptedPopulation()), strict=True))
        told = subject.swm, subject.episodes, subject.adapt, subject.held_out
        yield Lab(society, subject.rosters(society), people, *told, seed, HELD_OUT_SEED)


def _rl_people(subject: Subject, seed: int) -> Policy:
    """Trained under rules of all kinds, on rosters that nobody else meets."""
    society, number = load(subject.name), child_seed(seed, f"RL people of {subject.name}")
    return train(society, subject.rosters(society), lambda d: VariedRules(society, d), subject.rl, number, quiet)


def matrix(folder: Path, subject: Subject, seeds: int) -> Matrix:
    """Of the finished parts."""

    def levels(part: str, how: str) -> Floats:
        parts = [done(folder, _unit(subject, seed), part)[how] for seed in range(seeds)]
        return torch.cat(parts).double().numpy()

    return Matrix(subject.name, KINDS, subject.adapt, levels)


def _outcome(matrices: list[Matrix], seeds: int, smoke: bool) -> Outcome:
    same = {f"{kind} in {m.society}": m.regret(kind, kind, AS_IT_IS) for m in matrices for kind in KINDS}
    off = [name for name, regret in same.items() if not regret.low <= 0 <= regret.high]
    told = [_worst(m) for m in matrices]
    return Outcome(
        claim="rules learned on one kind of people and tried on another, for all pairs of language-model, RL and "
        "scripted people; those tried on the kind they were learned on lose nothing to a second learning",
        passed=not off,
        figure=f"diagonal off zero in {len(off)} of {len(same)}{': ' * bool(off)}{', '.join(off)}, intervals up to "
        f"{max((one.high - one.low) / 2 for one in same.values()):.3f} to either side; largest regret "
        f"without adapting, {'; '.join(told)}",
        bar="every interval of the diagonal contains 0",
        figures=_figures(matrices),
        seeds=tuple(range(seeds)),
        smoke=smoke,
    )


def _figures(matrices: list[Matrix]) -> dict[str, Json]:
    return {
        "unit": "welfare, mean over counted steps; regret against rules learned on the same people",
        "people": STAND_IN,
        **{m.society: m.plain() for m in matrices},
    }


def _worst(matrix: Matrix) -> str:
    found: dict[tuple[str, str], Interval] = {pair: row[AS_IT_IS] for pair, row in matrix.cells.items()}
    learned, tried = max(found, key=lambda pair: found[pair].value)
    x = found[learned, tried]
    return f"{matrix.society}: {learned} to {tried} {x.value:+.3f} [{x.low:+.3f}, {x.high:+.3f}]"
