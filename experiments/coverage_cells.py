"""The people, states and other rules that `intervals_cover` asks about, and what everybody would say: the truth.

People answer as the embedded model. All of them are asked once, so that it is known what an estimate from a few is to
be compared with; none of them is among those that the world model was fitted to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from agents.base import Population
from experiments.counterfactual import Forecast, Standing, Worth, ask, forecast, newcomers, standing, worth
from experiments.errors import ROOT
from experiments.prediction_powered import Floats
from experiments.quoted import best_fixed_rates
from experiments.stages import TENSORS, Stages
from experiments.whom_to_ask import Past
from learning.draws import child_seed, draws
from mechanism.baselines.fixed import default, flat
from mechanism.dreams import Dreams
from mechanism.explore import RandomRules
from mechanism.swm_ap import SWMSettings, learn_people
from personas.rosters import open_rosters
from societies.base import Principal, Society
from societies.library.income_tax import MARKET, IncomeTax
from societies.stage import Stage
from world_model.fit import quiet
from world_model.model import WorldModel

MECHANISMS = ("no_tax", "flat_50", "best_fixed")
DEFAULT = "us_federal"
NEWCOMERS = "newcomers"
STATES = {"after random rules": 4, "after US rates": 5, NEWCOMERS: 0}  # years of them that were seen, warm-up included


@dataclass(frozen=True)
class World:
    """The embedded people of one seed, and the world model that was fitted to some of them."""

    people: Population
    seed: int
    towns: int  # in each state
    episodes: int  # that the world model is fitted to
    settings: SWMSettings
    stages: Stages

    def stage(self, split: str, steps: int | None = None) -> Stage:
        """Episodes of that many steps, or whole ones."""
        society = IncomeTax()
        society.steps = society.steps if steps is None else steps
        rosters = open_rosters(ROOT / "personas/populations/communities.yaml", society.agents)
        return Stage(society, self.people, rosters, child_seed(self.seed, split))

    def model(self) -> WorldModel:
        """As a run fits one."""
        stage = self.stage("training")
        model = WorldModel(stage.society, self.settings.model, child_seed(self.seed, "model"))

        def fitted() -> dict[str, Tensor]:
            seen = stage.play(RandomRules(stage.society, draws(stage.seed, 0, self.episodes)), 0, self.episodes)
            dreams = Dreams(stage, model, child_seed(self.seed, "dreams"), seen.soft)
            return dict(learn_people(dreams, seen, self.settings, child_seed(self.seed, "learn"), quiet))

        model.load_state_dict(self.stages.get("world-model", TENSORS, fitted))
        return model.requires_grad_(False)

    def standing(self, state: str) -> Standing:
        """Where the people of that state stand."""
        stage = self.stage(state, STATES[state])
        d = draws(stage.seed, 0, self.towns)
        people = stage.rosters.people(d)
        if state == NEWCOMERS:
            return newcomers(stage.society, people, d)
        seen = stage.play(_history(state, stage, self.towns), 0, self.towns)
        return standing(stage.society, seen, people, d, STATES[state])


def _history(state: str, stage: Stage, towns: int) -> Principal:
    """The rules under which people came to that state."""
    return RandomRules(stage.society, draws(stage.seed, 0, towns)) if "random" in state else default(stage.society)


@dataclass(frozen=True)
class Cell:
    """One state and other rules: what everybody would say, and what is known without asking."""

    truth: Floats  # [N, K] chances
    told: Forecast
    of: Worth
    public: Floats  # [N, 3] log income, last hours and last net income


def cell(world: World, model: WorldModel, state: str, mechanism: str) -> Cell:
    """Asks everybody, once; what they say is kept."""

    def asked() -> dict[str, Tensor]:
        at = world.standing(state)
        rules = rules_called(mechanism, at.society).expand(world.towns, -1)
        with torch.no_grad():
            told = forecast(model, at, rules, draws(child_seed(world.seed, state), 0, world.towns))
        said = ask(world.people, at, rules, np.arange(at.size))
        if not said.usable.all():
            raise ValueError(f"{state}, {mechanism}: somebody gave no usable answer, so that the truth is not known")
        return _tensors(Cell(said.chances, told, worth(MARKET, at, rules), _public(at)))

    return _read(world.stages.get(f"{state} {mechanism}".replace(" ", "-"), TENSORS, asked))


def rules_called(name: str, society: Society) -> Tensor:
    """[M] one of MECHANISMS, or the society's default."""
    if name == "best_fixed":
        return best_fixed_rates()
    fixed = {"no_tax": flat(society, 0.0), "flat_50": flat(society, 0.5), DEFAULT: default(society)}
    return fixed[name].mechanism


def _public(at: Standing) -> Floats:
    places = [at.society.feature_names.index(name) for name in ("log_income", "hours", "net")]
    return at.features[..., places].flatten(0, 1).double().numpy()


def _tensors(of: Cell) -> dict[str, Tensor]:
    """Named, for a file."""
    past = {f"{name} {i}": part for i, step in enumerate(of.told.past) for name, part in vars(step).items()}
    parts = {"truth": of.truth, "public": of.public, "chances": of.told.chances, "doubt": of.told.doubt, **past}
    return {name: torch.from_numpy(part) for name, part in (parts | _worth(of.of)).items()}


def _worth(of: Worth) -> dict[str, Floats]:
    return {f.name: getattr(of, f.name) for f in fields(Worth)}


def _read(kept: Mapping[str, Tensor]) -> Cell:
    """Back from `_tensors`."""
    found = {name: part.numpy() for name, part in kept.items()}
    steps = sum(name.startswith("missed ") for name in found)
    past = tuple(Past(**{f.name: found[f"{f.name} {i}"] for f in fields(Past)}) for i in range(steps))
    told = Forecast(found["chances"], found["doubt"], past)
    return Cell(found["truth"], told, Worth(**{f.name: found[f.name] for f in fields(Worth)}), found["public"])
