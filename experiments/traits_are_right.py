"""Claim: who people are is read from what they do about as well as the exact posterior could, and with honest doubt.

In every facility town a world model of kinds is fitted to a few real episodes and then plans for held-out towns. Its
beliefs after every step are set beside the exact posterior, which knows the true choice rule, and beside the truth.
Kinds have no names: they are matched to trait values on the training towns, by the exact posterior there.

Shapes: C held-out towns, T steps, N agents; chances are those of trait value 1.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor

from experiments.claims import Json, Outcome, result_file, same_settings, workplace
from experiments.facility_oracles import kinds_log_p
from experiments.figures import svg
from experiments.files import write_atomic
from experiments.judging import Tensors
from experiments.saving_work import Bench, Unit, cpus, do_all, done
from experiments.statistics import Floats, mean_interval
from experiments.town_figures import confusion
from experiments.town_methods import place
from experiments.town_scale import TownScale, small
from experiments.town_table import plain
from learning.draws import child_seed, draws
from mechanism.baselines.planning import planning
from mechanism.evaluate import evaluate
from mechanism.explore import RandomRules
from societies.base import Episode
from societies.facilities import Facilities
from societies.stage import Stage
from world_model.calibrate import beliefs
from world_model.fit_kinds import fit_kinds
from world_model.model import WorldModel
from world_model.records import records

NAME = "traits_are_right"
BAR = 0.05  # calibration error: the mean gap between what is believed and what is so
BINS = 10  # of stated chances, of equal width
EPISODES = {"facility32": 20, "facility32_sharp": 20, "facility8": 50, "facility8_sharp": 50}  # real ones, by town


@dataclass(frozen=True)
class Size:
    """How large the run is."""

    towns: tuple[str, ...] = tuple(EPISODES)
    seeds: int = 10
    held_out: int = 400  # towns
    scale: TownScale = field(default_factory=TownScale)


def claim(smoke: bool) -> Outcome:
    """Fit, play, compare."""
    torch.set_num_threads(1)
    size = Size(("facility8",), 2, 4, small()) if smoke else Size()
    folder = workplace(NAME, smoke)
    same_settings(folder, asdict(size))
    units = [Unit(f"{town}-{seed}", Work(town, seed, size)) for town in size.towns for seed in range(size.seeds)]
    do_all(units, folder, 1 if smoke else cpus(), time.time())
    found = {town: [done(folder, f"{town}-{seed}", "beliefs") for seed in range(size.seeds)] for town in size.towns}
    for town, parts in found.items():
        figure = svg(confusion(town, [_confusion(parts, step) for step in range(parts[0]["chance"].shape[1])]))
        file = result_file(NAME, smoke).with_name(f"{NAME}-{town}.svg")
        write_atomic(file, lambda part, figure=figure: part.write_bytes(figure))
    return _outcome({town: Town(parts) for town, parts in found.items()}, size, smoke)


@dataclass(frozen=True)
class Work:
    """One town and one training seed."""

    town: str
    seed: int
    size: Size

    def __call__(self, bench: Bench) -> None:
        """The one part: beliefs."""
        bench.part("beliefs", self._beliefs)

    def _beliefs(self) -> Tensors:
        """Chances as learned and exact, each [C, T, N], and the truth [C, N]."""
        at = place(self.town, self.seed, self.size.held_out)
        society, settings = at.judged.society, self.size.scale.swm
        assert isinstance(society, Facilities)
        model = WorldModel(society, settings.model, child_seed(self.seed, "model"))
        seen = _explored(at.training, EPISODES[self.town])
        fit_kinds(model, records(society, seen), settings.fit, child_seed(self.seed, "fit"))
        kind = matched(_chances(model, society, seen), exact(society, seen))
        episode = evaluate(at.judged, planning(society, model.requires_grad_(False)), at.held_out)
        people = at.judged.rosters.people(draws(at.judged.seed, 0, at.held_out))
        truth = people.trait(society.traits_used[0])
        return {
            "chance": _chances(model, society, episode)[..., kind],
            "exact": exact(society, episode),
            "truth": truth,
        }


def _explored(stage: Stage, episodes: int) -> Episode:
    return stage.play(RandomRules(stage.society, draws(stage.seed, 0, episodes)), 0, episodes)


def _chances(model: WorldModel, society: Facilities, episode: Episode) -> Tensor:
    """[C, T, N, Z] of each kind, after every step."""
    return beliefs(model, records(society, episode)).mean.detach()


def exact(society: Facilities, episode: Episode) -> Tensor:
    """[C, T, N] the exact posterior chance that an agent's trait is 1, after every step."""
    odds, log_odds = torch.zeros_like(episode.features[:, 0, :, 0]), list[Tensor]()
    for t in range(society.steps):
        log_p = kinds_log_p(society, t, episode.features[:, t], episode.mechanism[:, t])  # [C, N, 2, K]
        told = (log_p * episode.choice[:, t, :, None]).sum(-1)
        odds = odds + told[..., 1] - told[..., 0]
        log_odds.append(odds)
    return torch.stack(log_odds, 1).sigmoid()


def matched(kinds: Tensor, told: Tensor) -> int:
    """Which kind of [C, T, N, Z] goes with the chances [C, T, N] of trait value 1 after the last step."""
    last = told[:, -1, :, None] - told[:, -1].mean()
    return int((kinds[:, -1] * last).sum((0, 1)).argmax())


def calibration_error(chance: Tensor, truth: Tensor) -> float:
    """Mean over all chances of |mean chance - share that is so| in their bin (Naeini, Cooper & Hauskrecht 2015)."""
    row = (chance * BINS).long().clamp(max=BINS - 1).flatten()
    gap = torch.zeros(BINS, dtype=torch.double).index_add_(0, row, (chance - truth).double().flatten())
    return float(gap.abs().sum() / chance.numel())


@dataclass(frozen=True)
class Town:
    """What every seed found in one town."""

    parts: Sequence[Tensors]

    def right(self, name: str) -> Floats:
        """[S, T] share of people of whom the likelier value is the true one."""
        same = [((p[name] > 0.5).float() == p["truth"][:, None]).double().mean((0, 2)) for p in self.parts]
        return torch.stack(same).numpy()

    def at_the_end(self, name: str) -> float:
        """The share right after the last step, mean over seeds."""
        return float(self.right(name)[:, -1].mean())

    def divergence(self) -> Floats:
        """[S, T] mean KL(exact, learned) of one person, in nats."""
        return np.stack([_kl(p["exact"].double(), p["chance"].double()).mean((0, 2)).numpy() for p in self.parts])

    def calibration(self, name: str = "chance") -> Floats:
        """[S] over all people and steps."""
        truths = [p["truth"][:, None].expand_as(p[name]) for p in self.parts]
        return np.array([calibration_error(p[name], truth) for p, truth in zip(self.parts, truths, strict=True)])

    def plain(self) -> dict[str, Json]:
        """For JSON: [value, low, high] over seeds, by step."""
        return {
            "right": _by_step(self.right("chance")),
            "exactly_right": _by_step(self.right("exact")),
            "kl_from_exact": _by_step(self.divergence()),
            "calibration_error": plain(mean_interval(self.calibration())),
            "calibration_error_of_exact": plain(mean_interval(self.calibration("exact"))),
        }


def _kl(p: Tensor, q: Tensor) -> Tensor:
    p, q = p.clamp(1e-9, 1 - 1e-9), q.clamp(1e-9, 1 - 1e-9)
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


def _by_step(values: Floats) -> list[Json]:
    return [plain(mean_interval(values[:, t])) for t in range(values.shape[1])]


def _confusion(parts: Sequence[Tensors], step: int) -> Floats:
    """[2, 2] share of the people of each true value (row) that are believed to be of each value (column)."""
    table = np.zeros((2, 2))
    for part in parts:
        believed = (part["chance"][:, step] > 0.5).long().flatten()
        np.add.at(table, (part["truth"].long().flatten().numpy(), believed.numpy()), 1)
    return table / table.sum(1, keepdims=True)


def _outcome(towns: dict[str, Town], size: Size, smoke: bool) -> Outcome:
    worst = max(towns, key=lambda town: float(towns[town].calibration().mean()))
    error = float(towns[worst].calibration().mean())
    ends = [f"{name} {own.at_the_end('chance'):.3f} ({own.at_the_end('exact'):.3f})" for name, own in towns.items()]
    return Outcome(
        claim="beliefs about people are near the exact posterior, and what is believed at 70% is so in 70% of cases",
        passed=error <= BAR,
        figure=f"calibration error {error:.3f} at most ({worst}); right in the end (exact): {', '.join(ends)}",
        bar=f"calibration error {BAR} in every town",
        figures={
            **{name: town.plain() for name, town in towns.items()},
            "real_episodes": {**EPISODES},
            "settings": json.loads(json.dumps(asdict(size))),
        },
        seeds=tuple(range(size.seeds)),
        smoke=smoke,
    )
