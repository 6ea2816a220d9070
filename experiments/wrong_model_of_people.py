"""Claim: where people are not of the form that the world model assumes, the gate says so, and no harm is done.

Towns as facility32 with five forms of people (`experiments.wrong_people`). In each, real episodes under random rules
are asked whether a richer model foretells better what it has not seen; and SWM-AP learns from the same episodes with
two kinds, with one more where the gate asks for that, and in two ways that are blind to who people are: with one kind,
which fits them badly, and with two of which it never learns who is of which.

Shapes: S seeds, C held-out towns.
"""

import json
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from agents.scripted import ScriptedPopulation
from experiments.claims import Json, Outcome, same_settings, workplace
from experiments.facility_ladder import HELD_OUT_SEED, ROSTERS
from experiments.judging import Place, Tensors, judge
from experiments.saving_work import Bench, Unit, cpus, do_all, done
from experiments.statistics import Floats, Interval, crossed_interval
from experiments.town_methods import ablated
from experiments.town_scale import TownScale, small, swm_budget
from experiments.town_table import plain
from experiments.wrong_people import FORMS, Form, OddRosters, OddTown
from learning.draws import child_seed, draws
from mechanism.explore import RandomRules
from mechanism.swm_ap import SWMSettings, swm_ap
from personas.rosters import open_rosters
from societies.catalog import load
from societies.facilities import Facilities
from societies.stage import Stage
from world_model.doubts import Doubt, doubts
from world_model.fit import FitSettings, quiet
from world_model.records import records

TRACKED = True
NAME, TOWN = "wrong_model_of_people", "facility32"
RIGHT: Form = "right"
FIRES, FALSE = 0.9, 0.1  # of the wrong worlds at least, of the right ones at most
RICHER = ("one more kind", "kinds that change", "neighbours who are alike", "people who repeat themselves")
BLIND = ("blind", "prior_only")
METHODS = ("swm_ap", *BLIND, "heeding")


def _swm() -> SWMSettings:
    base = TownScale().swm
    return replace(base, distil=replace(base.distil, planned_episodes=500))


@dataclass(frozen=True)
class Size:
    """How large the run is."""

    forms: tuple[Form, ...] = FORMS
    worlds: int = 20  # training towns of each form that are asked whether the model is wrong: a seed each
    seeds: int = 10  # the first of them, in which rules are learned too
    held_out: int = 200  # towns
    episodes: int = 20  # real ones
    swm: SWMSettings = field(default_factory=_swm)
    fit: FitSettings = field(default_factory=lambda: FitSettings(steps=300, learning_rate=1e-2, kind_starts=3))


def claim(smoke: bool) -> Outcome:
    """Ask, learn, compare."""
    torch.set_num_threads(1)
    size = Size(("right", "drifting"), 2, 1, 4, 4, small().swm, small().swm.fit) if smoke else Size()
    folder = workplace(NAME, smoke, TRACKED)
    same_settings(folder, asdict(size))
    units = [Unit(_unit(form, seed), Work(form, seed, size)) for form in size.forms for seed in range(size.worlds)]
    do_all(units, folder, 1 if smoke else cpus(), time.time())
    return _outcome({form: Found(folder, form, size) for form in size.forms}, size, smoke)


def _unit(form: Form, seed: int) -> str:
    return f"{form}-{seed}"


def place(form: Form, seed: int, held_out: int) -> Place:
    """The towns of one seed with people of that form."""
    base = load(TOWN)
    assert isinstance(base, Facilities)
    society = OddTown(base, form)
    usual = open_rosters(ROSTERS, society.agents, attributes=society.attributes_used, traits=society.traits_used)
    rosters, people = OddRosters(usual, form, society.steps), ScriptedPopulation(tells_distribution=False)
    training = Stage(society, people, rosters, child_seed(seed, f"{NAME}, {form}"))
    return Place(training, Stage(society, people, rosters, HELD_OUT_SEED), held_out)


@dataclass(frozen=True)
class Work:
    """One form of people and one training seed."""

    form: Form
    seed: int
    size: Size

    def __call__(self, bench: Bench) -> None:
        """Parts: doubts; and where rules are learned, the methods."""
        asked = bench.part("doubts", self._doubts)
        if self.seed >= self.size.seeds:
            return
        swm = swm_budget(self.size.swm, self.size.episodes)
        ways = {"swm_ap": swm, "blind": _of_kinds(1, swm), "prior_only": ablated("prior_only", swm)}
        if Doubt(RICHER[0], float(asked["gain"][0]), float(asked["error"][0])).fires:
            ways["heeding"] = _of_kinds(swm.model.traits + 1, swm)
        for name, settings in ways.items():
            bench.part(name, partial(self._learned, settings))

    def _doubts(self) -> Tensors:
        """Gain and error of the richer models, each [4] in the order of `RICHER`."""
        stage = place(self.form, self.seed, self.size.held_out).training
        seen = stage.play(RandomRules(stage.society, draws(stage.seed, 0, self.size.episodes)), 0, self.size.episodes)
        society, model = stage.society, self.size.swm.model
        found = doubts(society, model, records(society, seen), self.size.fit, child_seed(self.seed, "doubts"))
        assert tuple(doubt.richer for doubt in found) == RICHER
        return {name: torch.tensor([getattr(doubt, name) for doubt in found]) for name in ("gain", "error")}

    def _learned(self, settings: SWMSettings) -> Tensors:
        """SWM-AP with these settings: welfare [1, C]."""
        at = place(self.form, self.seed, self.size.held_out)
        return judge(at, swm_ap(at.training, settings, child_seed(self.seed, "swm_ap"), quiet).learned)


def _of_kinds(kinds: int, settings: SWMSettings) -> SWMSettings:
    return replace(settings, model=replace(settings.model, traits=kinds))


@dataclass(frozen=True)
class Found:
    """Reads the finished parts of one form, levels in visits summed over the steps of an episode."""

    folder: Path
    form: Form
    size: Size

    def doubts(self, seed: int) -> list[Doubt]:
        """Of one world."""
        part = done(self.folder, _unit(self.form, seed), "doubts")
        return [Doubt(*told) for told in zip(RICHER, part["gain"].tolist(), part["error"].tolist(), strict=True)]

    def fired(self) -> dict[str, float]:
        """The share of the worlds in which each richer model foretold better, and `any` of them."""
        worlds = [[doubt.fires for doubt in self.doubts(seed)] for seed in range(self.size.worlds)]
        each = dict(zip(RICHER, np.mean(worlds, 0).tolist(), strict=True))
        return {**each, "any": float(np.mean([any(world) for world in worlds]))}

    def levels(self, method: str) -> Floats:
        """[S, C]; who heeds a gate that says nothing of kinds goes on as before."""
        return np.concatenate([self._level(method, seed) for seed in range(self.size.seeds)])

    def _level(self, method: str, seed: int) -> Floats:
        fires = self.doubts(seed)[0].fires
        part = done(self.folder, _unit(self.form, seed), method if method != "heeding" or fires else "swm_ap")
        return load(TOWN).steps * part["welfare"].double().numpy()

    def plain(self) -> dict[str, Json]:
        """For JSON."""
        return {
            "fired": {**self.fired()},
            **{name: plain(crossed_interval(self.levels(name))) for name in METHODS},
            **{f"over_{blind}": plain(self.over(blind)) for blind in BLIND},
            **{f"heeding_over_{blind}": plain(self.over(blind, "heeding")) for blind in BLIND},
        }

    def over(self, blind: str, ours: str = "swm_ap") -> Interval:
        """How much higher than one that is blind to who people are, on the same seeds and towns."""
        return crossed_interval(self.levels(ours) - self.levels(blind))


def _outcome(found: dict[Form, Found], size: Size, smoke: bool) -> Outcome:
    fired = {form: own.fired()["any"] for form, own in found.items()}
    least = min(share for form, share in fired.items() if form != RIGHT)
    over = {(form, blind): own.over(blind) for form, own in found.items() for blind in BLIND}
    worst, blind = min(over, key=lambda way: over[way].value)
    unharmed = all(interval.high >= 0 for interval in over.values())
    return Outcome(
        claim="a wrong model of people is found out, and rules learned with it are no worse than trait-blind ones",
        passed=least >= FIRES and fired[RIGHT] <= FALSE and unharmed,
        figure=f"fires in {least:.0%} of the worlds of every wrong form at least, in {fired[RIGHT]:.0%} of right ones; "
        f"SWM-AP over trait-blind {over[worst, blind].value:+.3f} at worst ({worst}, {blind})",
        bar=f"{FIRES:.0%}, {FALSE:.0%}, not below it",
        figures={
            "unit": "people who visit, as a share of all, summed over the steps of an episode",
            "forms": {form: own.plain() for form, own in found.items()},
            "settings": json.loads(json.dumps(asdict(size))),
        },
        seeds=tuple(range(size.worlds)),
        smoke=smoke,
    )
