"""Claim: LLM, RL and scripted people are told apart where they differ, and scripted people not from themselves.

On income_tax and facility8, the same rosters decide as the embedded language model, as RL people who learned under
rules of all kinds, and by the societies' own formulas, under the same rules with the same draws. Each seed has rosters,
draws and RL people of its own. What is measured, with its formulas: `experiments.compared_cells`,
`experiments.signatures` and `experiments.distances`.

The check inside: scripted people of these seeds against scripted people of as many fresh seeds, other rosters and
other draws, by one test of all cells of both societies together (`experiments.joint_test`), at 5%. The same test of RL
and LLM people against scripted ones is told beside it: it must be able to find something.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import typer

from agents.base import Population
from agents.embedded.engine import EmbeddedEngine
from agents.embedded.vocabulary import STAND_IN
from agents.rl import Policy, RLPopulation
from agents.scripted import ScriptedPopulation
from experiments import compared_words as words
from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.compared_cells import Part, part_of, with_recovery
from experiments.compared_json import part_json, part_of_json, tables_json
from experiments.compared_kinds import AGAIN, label_of
from experiments.compared_report import unit_of
from experiments.compared_rules import Rule, Rulebook, rules_for
from experiments.compared_tables import COMPARED, Tables, Verdict, all_together, tables_of
from experiments.embedded_people import Asked
from experiments.provenance import embedded_weights
from experiments.rl_people import LearnedForm
from experiments.saving_work import Bench, Unit, cpus, do_all
from experiments.signatures import Lived
from experiments.stages import JSON, Stages
from experiments.usual_people import usual_people
from learning.draws import child_seed, draws
from mechanism.explore import VariedRules
from personas.rosters import Sampler, Village, open_rosters
from societies.base import Society
from societies.best_response import train
from societies.catalog import load
from societies.people_ppo import BestResponseSettings
from societies.play import play
from societies.scales import scale_of
from world_model.fit import quiet

NAME, TRACKED = "populations_side_by_side", True
SEED = 20_261_130
KINDS = ("llm", "rl", "scripted")
FRESH = "fresh"  # scripted people of fresh seeds
LEVEL, LEAST = 0.05, 10  # of the check inside; seeds


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    seeds: int = 10
    rosters: dict[str, int] = field(default_factory=lambda: {"income_tax": 16, "facility8": 48})  # of each seed
    drawn: int = 3  # rules drawn at random
    learning: BestResponseSettings = field(default_factory=BestResponseSettings)


SMOKE = Scale(2, {"income_tax": 2, "facility8": 2}, 1, BestResponseSettings(iterations=2, decisions=400, hidden=8))


def claim(smoke: bool) -> Outcome:
    """Every kind in every seed, the tables, and the check inside."""
    torch.set_num_threads(1)
    scale, folder = SMOKE if smoke else Scale(), workplace(NAME, smoke, tracked=True)
    same_settings(folder, {**asdict(scale), "seed": SEED, "embedded_model": embedded_weights()})
    todo = [Work(name, seed, scale) for name in scale.rosters for seed in range(scale.seeds)]
    do_all([Unit(one.name, one) for one in todo], folder, 1 if smoke else cpus(), time.time())
    return _outcome({name: Town(name, scale, folder) for name in scale.rosters}, scale, smoke)


@dataclass(frozen=True)
class Place:
    """A society, who lives there, and the rules that are compared."""

    society: Society
    rosters: Sampler | Village
    rules: tuple[Rule, ...]


def place(name: str, drawn: int) -> Place:
    """The same rules in every seed."""
    society = load(name)
    attributes, traits = society.attributes_used, society.traits_used
    rosters = open_rosters(usual_people(society), society.agents, attributes=attributes, traits=traits)
    return Place(society, rosters, tuple(rules_for(Rulebook(society, rosters, SEED), [], drawn)))


@dataclass(frozen=True)
class Work:
    """One society and one seed."""

    society: str
    seed: int
    scale: Scale

    @property
    def name(self) -> str:
        return f"{self.society}-{self.seed}"

    def __call__(self, bench: Bench) -> None:
        """Parts: the kinds by name, scripted people again and of a fresh seed, and the policy of the RL people."""
        at, kept = place(self.society, self.scale.drawn), bench.stages
        number, fresh = (child_seed(SEED, f"{self.name}{which}") for which in ("", " fresh"))
        scripted = ScriptedPopulation()
        self._part(kept, "scripted", lambda: self._lived(at, number, number, scripted))
        self._part(kept, AGAIN, lambda: self._lived(at, number, child_seed(number, AGAIN), scripted))
        self._part(kept, FRESH, lambda: self._lived(at, fresh, fresh, scripted))
        policy = kept.get("policy", LearnedForm(), lambda: self._trained(at, number))
        assert isinstance(policy, Policy)
        self._part(kept, "rl", lambda: self._lived(at, number, number, RLPopulation(policy)))
        self._part(kept, "llm", lambda: self._lived(at, number, number, Asked(EmbeddedEngine())))

    def _part(self, kept: Stages, name: str, make: Callable[[], Part]) -> None:
        """Made unless it is finished; a line is printed when it has been made."""
        if not kept.finished(name, JSON):
            kept.get(name, JSON, lambda: part_json(make()))
            typer.echo(f"{self.name}, {name}: {kept.seconds()[name]:.0f} s")

    @torch.no_grad()
    def _lived(self, at: Place, rosters: int, seed: int, who: Population) -> Part:
        worlds = self.scale.rosters[self.society]
        told, own = draws(rosters, 0, worlds), draws(seed, 0, worlds)
        people = at.rosters.people(told)
        played = {rule.name: play(at.society, who, people, rule.principal(told), own) for rule in at.rules}
        return part_of(Lived(people, played, at.society))

    def _trained(self, at: Place, number: int) -> Policy:
        settings, seed = self.scale.learning, child_seed(number, "training")
        return train(at.society, at.rosters, lambda d: VariedRules(at.society, d), settings, seed, quiet)


@dataclass(frozen=True)
class Town:
    """What every seed found in one society."""

    society: str
    scale: Scale
    folder: Path

    def parts(self, kind: str) -> list[Part]:
        """One of each seed."""
        units = (Work(self.society, seed, self.scale).name for seed in range(self.scale.seeds))
        files = (self.folder / "stages" / unit / f"{kind}.json" for unit in units)
        return with_recovery([part_of_json(JSON.read(file)) for file in files])

    @cached_property
    def tables(self) -> Tables:
        """Every cell."""
        amounts = scale_of(load(self.society)).amounts().double().numpy()
        return tables_of(KINDS, {kind: self.parts(kind) for kind in (*KINDS, AGAIN)}, amounts, AGAIN)

    @property
    def naming(self) -> words.Naming:
        """What rows are called."""
        rules = place(self.society, self.scale.drawn).rules
        kinds = {kind: label_of(kind) for kind in (*KINDS, AGAIN)}
        return words.Naming(kinds, {rule.name: rule.label for rule in rules}, unit_of(load(self.society)))

    @property
    def whole(self) -> bool:
        """Has every compared cell an interval over all seeds, or a reason that holds in every seed?"""
        cells = [known for kind in KINDS for (table, _), known in self.tables.cells[kind].items() if table in COMPARED]
        return all(known.seeds in (0, self.tables.seeds) for known in cells)

    def plain(self) -> Json:
        """For JSON."""
        naming = self.naming
        answer, findings = scale_of(load(self.society)).answer, words.findings(self.tables, naming)
        return {"rules": {**naming.rules}, "answer": answer, **tables_json(self.tables), "findings": [*findings]}


def together(towns: Sequence[Town], first: str, second: str) -> Verdict:
    """One test of all cells of all societies: two kinds of people, seed by seed."""
    ours, theirs = ([_joined([town.parts(kind) for town in towns], towns)] for kind in (first, second))
    return all_together(ours[0], theirs[0])


def _joined(parts: Sequence[Sequence[Part]], towns: Sequence[Town]) -> list[Part]:
    """Each seed's cells of all societies as one part."""
    found = list[Part]()
    for each in zip(*parts, strict=True):
        cells = {
            table: {
                f"{town.society}: {row}": cell
                for part, town in zip(each, towns, strict=True)
                for row, cell in part.cells[table].items()
            }
            for table in COMPARED
        }
        found.append(Part(cells, np.zeros((0, 0)), np.zeros(0), np.zeros((0, 0)), ()))
    return found


def _outcome(towns: dict[str, Town], scale: Scale, smoke: bool) -> Outcome:
    every = list(towns.values())
    null = together(every, "scripted", FRESH)
    beside = {kind: together(every, kind, "scripted") for kind in ("rl", "llm")}
    whole = all(town.whole for town in every) and scale.seeds >= LEAST
    figures: dict[str, Json] = {
        **{name: town.plain() for name, town in towns.items()},
        "scripted_against_fresh_seeds": _plain(null),
        **{f"{kind}_against_scripted": _plain(found) for kind, found in beside.items()},
        "llm_people": STAND_IN,
        "settings": {"rosters": dict(scale.rosters), "drawn": scale.drawn, "learning": asdict(scale.learning)},
    }
    counts = "; ".join(f"{name}: {_apart(town)}" for name, town in towns.items())
    return Outcome(
        claim="LLM, RL and scripted people under the same rules: every cell with its interval, and scripted people "
        "cannot be told from themselves",
        passed=null.test.p > LEVEL and whole,
        figure=f"scripted against fresh seeds p = {null.test.p:.3f} over {null.cells} cells; differing cells: {counts}",
        bar=f"p > {LEVEL} for all cells together; every cell with an interval over {LEAST} seeds or more",
        figures=figures,
        seeds=tuple(range(scale.seeds)),
        smoke=smoke,
    )


def _plain(of: Verdict) -> Json:
    largest = of.test.statistic if np.isfinite(of.test.statistic) else None  # JSON knows no number without bound
    return {"p": of.test.p, "largest_t": largest, "cells": of.cells, "largest": ", ".join(of.largest)}


def _apart(town: Town) -> str:
    told = [(p, sum(d.told_apart for d in p.differences.values()), len(p.differences)) for p in town.tables.pairs]
    return ", ".join(f"{pair.first} and {pair.second} {apart} of {of}" for pair, apart, of in told)
