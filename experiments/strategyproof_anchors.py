"""Claim: rules for facilities on the line cost, divide and resist lies as is known of them.

Of one facility (Aziz, Lam, Lee & Walsh 2022, arXiv 2111.01566; Procaccia & Tennenholtz 2013): the worst ratios over
every profile of a grid, the axioms of fairness that hold on all of it, and that people who answer the mean with cunning
bring about the Uniform Phantom. Of several: what the best percentiles and the optimum cost on uniform profiles. The
largest gain from a lie is (n - 1) / n^2 under the mean (one at 1/n, all others at 0) and 1/4 under the midpoint (one at
1/2, all others at 0); under medians with phantoms and under percentiles no lie pays.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

import torch

from experiments.claims import Json, Outcome
from experiments.line_learning import NETWORK, Learned, Learning, Task, learn, scored
from experiments.line_profiles import (
    Worst,
    every_profile,
    largest_regret,
    play_mean,
    settled,
    uniform_phantom_welfare,
    uniform_profiles,
    worst,
)
from learning.draws import child_seed
from mechanism.baselines.line import KNOWN, best_percentiles
from societies.line_rules import FAMILIES, distances, least_total

SEED = 20_261_123
EXACT, SAMPLED, ROUNDING = 1e-3, 2e-3, 1e-9  # how far from what is known: computed, sampled, and what must be 0
SUPREMUM = (1 + math.sqrt(2)) / 2  # of the Uniform Phantom's welfare ratio
PERCENTILES = {5: (0.1995, 0.0832, 0.0331, 0.0165), 10: (0.2279, 0.1000, 0.0590, 0.0409)}  # mean distance, K = 1 .. 4
OPTIMUM = {5: (0.1995, 0.0706, 0.0277, 0.0083), 10: (0.2279, 0.0947, 0.0521, 0.0318)}
LEARNED = (("phantoms", 0.0), ("weights", 0.3), (NETWORK, 0.0), (NETWORK, 0.3))  # family, penalty
LEARNED_AGENTS, LEARNED_FACILITIES = 5, 2


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    grids: Mapping[int, int] = field(default_factory=lambda: {3: 60, 4: 60, 5: 30, 6: 24})  # n -> steps; multiples of n
    lies: Mapping[int, int] = field(default_factory=lambda: {3: 12, 4: 12, 5: 10, 6: 12})  # the same, of regret
    crowds: tuple[int, ...] = (12, 41, 99, 1000)  # n that approach the supremum
    plays: int = 300  # profiles that are played, for each n
    chosen: int = 50_000  # profiles that the best percentiles are chosen on
    profiles: int = 250_000  # and scored on
    judged: int = 20_000  # of them that regret is measured on
    learning: Learning = field(default_factory=Learning)


SMOKE = Scale({3: 6, 4: 4}, {3: 6}, (12,), 3, 200, 500, 20, Learning(2, 16, 4, starts=1))


@dataclass(frozen=True)
class Anchor:
    """A number that is known, and what was found. Of an axiom 1 = it holds on every profile, 0 = it does not."""

    name: str
    found: float
    known: float
    within: float

    @property
    def met(self) -> bool:
        return abs(self.found - self.known) <= self.within


def claim(smoke: bool) -> Outcome:
    """Every anchor beside its bar; of learned rules only the regret of those that are strategyproof has one."""
    torch.set_num_threads(1)
    scale = SMOKE if smoke else Scale()
    learned = [_learned(family, penalty, scale) for family, penalty in LEARNED]
    anchors = [*_anchors(scale), *_no_regret(learned)]
    missed = [anchor.name for anchor in anchors if not anchor.met]
    return Outcome(
        claim="rules for facilities on the line cost, divide and resist lies as is known of them",
        passed=not missed,
        figure=f"{len(anchors) - len(missed)} of {len(anchors)} anchors{_named(missed)}; {_headline(learned)}",
        bar=f"every anchor: exact ones to {EXACT:g}, sampled costs to {SAMPLED:g}, regret of strategyproof rules 0",
        figures=_figures(scale, anchors, learned),
        seeds=(SEED,),
        smoke=smoke,
    )


def _named(missed: list[str]) -> str:
    return f" (not {', '.join(missed)})" if missed else ""


def _headline(learned: list[Learned]) -> str:
    """Each rule's cost and regret."""
    names = [rule.family + (" penalised" if rule.penalty else "") for rule in learned]
    rules = ", ".join(f"{name} {r.cost:.4f} ({r.regret:.4f})" for name, r in zip(names, learned, strict=True))
    return f"learned, {LEARNED_FACILITIES} facilities for {LEARNED_AGENTS}: cost (regret) {rules}"


def _figures(scale: Scale, anchors: list[Anchor], learned: list[Learned]) -> dict[str, Json]:
    rows: list[Json] = [{**asdict(anchor), "met": anchor.met} for anchor in anchors]
    lines = {"best_percentile": PERCENTILES, "optimum": OPTIMUM}
    between = {name: line[LEARNED_AGENTS][LEARNED_FACILITIES - 1] for name, line in lines.items()}
    return {
        "anchors": rows,
        "learned": [asdict(rule) for rule in learned],
        "learned_between": dict(between),
        "profiles": scale.profiles,
        "profiles_of_regret": scale.judged,
        "grid_steps": {str(n): steps for n, steps in scale.grids.items()},
    }


def _anchors(scale: Scale) -> Iterator[Anchor]:
    yield from _worst_cases(scale)
    yield from _supremum(scale)
    yield from _played(scale)
    yield from _lies(scale)
    yield from _sampled(scale)


def _worst_cases(scale: Scale) -> Iterator[Anchor]:
    for n, steps in scale.grids.items():
        profiles = every_profile(n, steps)
        for rule in KNOWN:
            found = worst(rule, profiles)
            yield from _ratios(rule, n, found)
            yield from _axioms(rule, n, found)


def _ratios(rule: str, n: int, found: Worst) -> Iterator[Anchor]:
    """Worst ratios of welfare, total cost and longest distance, where they are known."""
    ends = max((m / n) / (1 - 2 * m / n + 2 * (m / n) ** 2) for m in range(n + 1))  # m at 1, the others at 0
    constrained = 1 + (n - 2) / (n**2 - 2 * n + 2)
    welfare = {"median": 1.0, "uniform_phantom": ends, "constrained_median": constrained, "mean": ends}
    cost = {
        "median": 1.0,
        "uniform_phantom": n - 1.0,
        "constrained_median": n - 1.0,
        "mean": 2 - 2 / n,
        "midpoint": n / 2,
    }
    farthest = {"median": 2.0, "uniform_phantom": 2.0, "constrained_median": 2.0, "midpoint": 1.0}
    known = {"welfare": welfare, "total_cost": cost, "farthest": farthest}
    for measure, values in known.items():
        if rule in values:
            yield Anchor(f"{rule}, n={n}: {measure} ratio", getattr(found, measure), values[rule], EXACT)


def _axioms(rule: str, n: int, found: Worst) -> Iterator[Anchor]:
    """IFS fails under the median alone; UFS and all that it implies or is implied by go together under these rules."""
    fair = rule in ("uniform_phantom", "mean") or (rule == "constrained_median" and n == 3)
    known = {"IFS": rule != "median", "UFS": fair, "PF": fair, "proportionality": fair, "unanimity": True}
    for axiom, holds in known.items():
        yield Anchor(f"{rule}, n={n}: {axiom}", float(found.axioms[axiom]), float(holds), 0.0)


def _supremum(scale: Scale) -> Iterator[Anchor]:
    found = [uniform_phantom_welfare(n) for n in scale.crowds]
    yield Anchor(f"uniform_phantom: welfare ratio up to n={max(scale.crowds)}", max(found), SUPREMUM, EXACT)
    beyond = max(0.0, max(found) - SUPREMUM)
    yield Anchor("uniform_phantom: welfare ratio beyond its supremum", beyond, 0.0, ROUNDING)


def _played(scale: Scale) -> Iterator[Anchor]:
    for n in (3, 5, 9):
        ended = play_mean(uniform_profiles(child_seed(SEED, f"play {n}"), scale.plays, n))
        name = f"mean, n={n}: best responses"
        told = f"{name} end at the Uniform Phantom ({ended.gap_of_truth:.2f} away before), distance"
        yield Anchor(told, ended.gap, 0.0, EXACT)
        yield Anchor(f"{name} end, largest gain left", ended.regret, 0.0, EXACT)


def _lies(scale: Scale) -> Iterator[Anchor]:
    """The largest gain from a lie under known rules for one facility, over every profile and lie of a grid."""
    for n, steps in scale.lies.items():
        profiles, tries = every_profile(n, steps), torch.arange(steps + 1).double() / steps
        known = {"mean": (n - 1) / n**2, "midpoint": 0.25}
        for rule, (family, parameters) in KNOWN.items():
            most, _ = largest_regret(settled(family), parameters(n), profiles, tries)
            within = EXACT if rule in known else ROUNDING
            yield Anchor(f"{rule}, n={n}: regret", most, known.get(rule, 0.0), within)


def _sampled(scale: Scale) -> Iterator[Anchor]:
    """What the best percentiles and the optimum cost on uniform profiles, and the regret of those percentiles."""
    for n in PERCENTILES:
        chosen = uniform_profiles(child_seed(SEED, f"chosen {n}"), scale.chosen, n)
        profiles = uniform_profiles(child_seed(SEED, f"profiles {n}"), scale.profiles, n)
        for k in range(1, 5):
            rule, settle = best_percentiles(chosen, k).double(), settled("percentiles", k)
            cost = float(distances(settle(rule.expand(len(profiles), -1), profiles), profiles).mean())
            least = float(least_total(profiles, k).mean() / n)
            most, _ = largest_regret(settle, rule, profiles[: scale.judged], torch.linspace(0, 1, 21).double())
            yield Anchor(f"best percentiles {_ranks(rule, n)} of {n}: cost", cost, PERCENTILES[n][k - 1], SAMPLED)
            yield Anchor(f"optimum, n={n}, K={k}: cost", least, OPTIMUM[n][k - 1], SAMPLED)
            yield Anchor(f"best percentiles, n={n}, K={k}: regret", most, 0.0, ROUNDING)


def _ranks(rule: torch.Tensor, n: int) -> str:
    return ", ".join(str(int(rank) + 1) for rank in (rule * (n - 1)).round())


def _no_regret(learned: list[Learned]) -> Iterator[Anchor]:
    for rule in learned:
        if rule.family in FAMILIES and FAMILIES[rule.family].uncompromising:
            yield Anchor(f"learned {rule.family}: regret", rule.regret, 0.0, ROUNDING)


def _learned(family: str, penalty: float, scale: Scale) -> Learned:
    task = Task(LEARNED_AGENTS, LEARNED_FACILITIES, family, penalty)
    rule = learn(task, scale.learning, child_seed(SEED, f"learn {family} {penalty:g}"))
    profiles = uniform_profiles(child_seed(SEED, "learned"), scale.profiles, LEARNED_AGENTS)
    return scored(task, rule, profiles, scale.judged, torch.linspace(0, 1, 101).double())
