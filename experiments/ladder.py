"""The rungs of the income-tax society's ladder: found on the true society, scored on held-out communities.

Every rung meets the same communities with the same choice noise. What is costly is kept as stages, so that a second
run continues.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from experiments.errors import ROOT
from experiments.lived import Lived
from experiments.oracles import Climb, Each, Knows, Oracle, best_common, blank_twin, unlimited_twin
from experiments.stages import TENSORS, Stages
from experiments.strangers import Misled
from learning.draws import child_seed, draws
from mechanism.baselines.fixed import default, flat
from mechanism.baselines.saez import saez_rates
from mechanism.improve import ImproveSettings
from personas.rosters import open_rosters
from personas.sample import Sampler
from societies.base import Episode, Principal, Society
from societies.catalog import load
from societies.library.income_tax import Utility, full_time_income
from societies.play import Fixed
from societies.stage import Stage, joined
from world_model.fit import quiet

HELD_OUT_SEED = 900_001  # of the communities that learned policies are judged on; never learned from
TRAINING_SEED = child_seed(HELD_OUT_SEED, "headroom")
BATCH = 100  # worlds at once


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    communities: int
    saez_rosters: int
    fixed: Climb
    path: Climb
    twin: ImproveSettings
    wages: Climb
    community: Climb
    everything: Climb
    yearly: Climb


FULL = Scale(
    communities=400,
    saez_rosters=400,
    fixed=Climb(400, 100),
    path=Climb(300, 100, 0.03),
    twin=ImproveSettings(iterations=1250, worlds=50),
    wages=Climb(40, 8),
    community=Climb(40, 4, 0.3),
    everything=Climb(40, 2, 0.3),
    yearly=Climb(30, 4, 0.03),
)
SMALL, TINY = Climb(2, 3), Climb(2, 2)
SMOKE = Scale(3, 2, SMALL, SMALL, ImproveSettings(iterations=2, worlds=3), TINY, TINY, TINY, TINY)


@dataclass(frozen=True)
class Found:
    """Every rung's welfare on every held-out community, and the common mechanisms behind it."""

    welfare: Mapping[str, Tensor]  # rung -> [C] mean of the counted years
    best_fixed: Tensor  # [M]
    best_path: Tensor  # [T, M] as it is in force, warm-up under the default included
    saez: Tensor  # [M]
    elasticity: float  # true mean
    hours: float  # a week, under US rates
    corner: float  # share of choices at no hours or at the most, under US rates


@dataclass(frozen=True)
class Ladder:
    """What the rungs are found with."""

    society: Society
    sampler: Sampler
    scale: Scale
    stages: Stages

    def training(self) -> Lived:
        """What common mechanisms and the twin are found on."""
        return Lived(self.society, self.sampler, TRAINING_SEED)

    def kept(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """A costly part, made once."""
        if not self.stages.finished(name, TENSORS):
            sys.stderr.write(f"headroom: finding {name}\n")
        return self.stages.get(name, TENSORS, make)

    def rules(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """A mechanism that is costly to find."""
        return self.kept(name, lambda: {"rules": make()})["rules"]


def climb(scale: Scale, stages: Stages) -> Found:
    """The whole ladder over the communities in which traits matter."""
    torch.set_num_threads(1)  # networks this small run no faster on two
    society = load("income_tax")
    sampler = open_rosters(ROOT / "personas/populations/communities.yaml", society.agents)
    assert isinstance(sampler, Sampler)
    ladder = Ladder(society, sampler, scale, stages)
    fixed = ladder.rules("best_fixed", lambda: _best_fixed(ladder))
    path = ladder.rules("best_path", lambda: _best_path(ladder, fixed))
    saez = ladder.kept("saez", lambda: _saez(ladder))
    us = _scored(ladder, default(society))
    welfare = {"us_federal": us.returns()}
    rungs = _flat(society) | {"saez": Fixed(saez["rates"]), "best_fixed": Fixed(fixed), "best_path": Fixed(path)}
    for name, rung in (rungs | _twins(ladder, fixed) | _oracles(ladder, fixed)).items():
        welfare[name] = _scored(ladder, rung).returns()
    in_force = torch.where(us.counted[:, None], path, society.default_mechanism())
    return Found(welfare, fixed, in_force, saez["rates"], float(saez["elasticity"]), *_usual(us))


def _flat(society: Society) -> dict[str, Principal | Tensor]:
    return {"no_tax": flat(society, 0.0), "flat_30": flat(society, 0.3), "flat_50": flat(society, 0.5)}


def _best_fixed(ladder: Ladder) -> Tensor:
    return best_common(ladder.training(), ladder.society.default_mechanism(), ladder.scale.fixed)


def _best_path(ladder: Ladder, fixed: Tensor) -> Tensor:
    return best_common(ladder.training(), fixed.expand(ladder.society.steps, -1), ladder.scale.path)  # [T, M]


def _saez(ladder: Ladder) -> dict[str, Tensor]:
    """Saez's schedule for what people earn under US rates, told the true mean elasticity."""
    stage = Stage(ladder.society, ScriptedPopulation(), ladder.sampler, TRAINING_SEED)
    people = ladder.sampler.people(draws(TRAINING_SEED, 0, ladder.scale.saez_rosters))
    episode = joined([stage.play(default(ladder.society), *part) for part in _parts(ladder.scale.saez_rosters)])
    hours = episode.response[:, episode.counted, :, 0] * 40  # [B, T', N]
    income = full_time_income(episode.features[:, 0])[:, None] * hours / 40
    elasticity = Utility.of(people).elasticity.mean()
    return {"rates": saez_rates(income.flatten(), float(elasticity)), "elasticity": elasticity}


def _twins(ladder: Ladder, fixed: Tensor) -> dict[str, Principal | Tensor]:
    """The unlimited twin, and the same when it is told of another roster's people."""

    def trained() -> Mapping[str, Tensor]:
        return unlimited_twin(ladder.training(), fixed, ladder.scale.twin, TRAINING_SEED, quiet).policy.state_dict()

    twin = blank_twin(ladder.society, fixed, TRAINING_SEED)
    twin.policy.load_state_dict(dict(ladder.kept("twin", trained)))
    return {"twin": twin, "misled": Misled(twin)}


def _oracles(ladder: Ladder, fixed: Tensor) -> dict[str, Principal | Tensor]:
    """Rules for every held-out roster, by what is known of it: [C, M], the last [C, T, M]."""
    scale, common = ladder.scale, fixed.expand(ladder.scale.communities, -1)

    def found(name: str, knows: Knows, start: Tensor, climb: Climb) -> Tensor:
        oracle = Oracle(ladder.society, ladder.sampler, HELD_OUT_SEED, knows)
        return ladder.rules(name, lambda: oracle.best(start, climb))

    everything = found("everything", "everything", common, scale.everything)
    yearly = everything[:, None].expand(-1, ladder.society.steps, -1)
    return {
        "everything": everything,
        "community": found("community", "community", common, scale.community),
        "wages": found("wages", "wages", common, scale.wages),
        "yearly": found("yearly", "everything", yearly, scale.yearly),
    }


def _scored(ladder: Ladder, rung: Principal | Tensor) -> Episode:
    """Held-out episodes under one principal, or under rules of their own for every community."""
    stage = Stage(ladder.society, ScriptedPopulation(), ladder.sampler, HELD_OUT_SEED)
    episodes = list[Episode]()
    with torch.no_grad():
        for start, worlds in _parts(ladder.scale.communities):
            principal = Each(rung[start : start + worlds]) if isinstance(rung, Tensor) else rung
            episodes.append(stage.play(principal, start, worlds))
    return joined(episodes)


def _parts(worlds: int) -> list[tuple[int, int]]:
    """(start, worlds) of batches."""
    return [(start, min(BATCH, worlds - start)) for start in range(0, worlds, BATCH)]


def _usual(episode: Episode) -> tuple[float, float]:
    """Mean hours a week, and the share of choices at either end, in counted years."""
    action = episode.action[:, episode.counted]  # [B, T', N]
    corner = (action == 0) | (action == episode.choice.shape[-1] - 1)
    return 40 * float(episode.response[:, episode.counted].mean()), float(corner.float().mean())
